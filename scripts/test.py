"""Sets everything up on a fresh machine, then runs the tests: python3 scripts/test.py [--train] [PYTEST ARGUMENT …]

--train also installs PyTorch (the extra `train`), which then stays in .venv, and so runs the tests of the network too.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (older Pythons must still be able to read this line)
    sys.exit("Mattecam needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

import bootstrap

# One version for everybody's tests; the extra itself takes any from 2.6 on.
TORCH = "torch==2.13.0"


def main(arguments: list[str]) -> None:
    """Prepare .venv, then become pytest."""
    train = "--train" in arguments
    with bootstrap.in_one_sentence():
        bootstrap.prepare(extras=["dev"], virtual_screen=True)
        if train:
            bootstrap.install_package(TORCH)
            bootstrap.prepare(extras=["dev", "train"])
    os.chdir(bootstrap.ROOT)
    bootstrap.run(["-m", "pytest", *(argument for argument in arguments if argument != "--train")])


if __name__ == "__main__":
    main(sys.argv[1:])
