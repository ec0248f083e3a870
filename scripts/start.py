"""Sets everything up on a fresh machine, then starts Mattecam: python3 scripts/start.py [--cpu|--cuda] [ARGUMENT …]

Without arguments the window opens; arguments go to main.py, for example `scripts/start.py doctor`.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (older Pythons must still be able to read this line)
    sys.exit("Mattecam needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031

import bootstrap


def main(arguments: list[str]) -> None:
    """Prepare .venv, then become main.py."""
    builds = [name for name in bootstrap.BUILDS if f"--{name}" in arguments]
    if len(builds) > 1:
        bootstrap.say("Choose one of --cpu and --cuda.")
        sys.exit(2)
    rest = [
        argument
        for argument in arguments
        if argument.removeprefix("--") not in bootstrap.BUILDS or argument[:2] != "--"
    ]
    if rest not in (["--help"], ["-h"]):
        with bootstrap.in_one_sentence():
            bootstrap.prepare(build=builds[0] if builds else "")
    elif bootstrap.is_ready():
        print("--cpu, --cuda  (start.py only) use the build for processors, or for NVIDIA GPUs\n", flush=True)
    else:
        print(f"{__doc__}\nIt is not set up yet: the next call does that, and downloads 300 MB (3 GB with --cuda).")
        print("After that, --help lists the commands; README.md has them, too.")
        return
    bootstrap.run([str(bootstrap.ROOT / "main.py"), *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
