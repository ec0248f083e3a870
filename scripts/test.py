"""Sets everything up on a fresh machine, then runs the tests: python3 scripts/test.py [PYTEST ARGUMENT …]"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (older Pythons must still be able to read this line)
    sys.exit("Mattecam needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

import bootstrap

if __name__ == "__main__":
    try:
        bootstrap.prepare(extras=["dev"], virtual_screen=True)
    except bootstrap.SetupError as error:
        sys.exit(str(error))
    os.chdir(bootstrap.ROOT)
    bootstrap.run(["-m", "pytest", *sys.argv[1:]])
