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
    asks_help = rest in (["--help"], ["-h"])
    if asks_help and not bootstrap.is_ready():
        print(f"{__doc__}\nThe first call sets everything up, a download of about 300 MB (3 GB with --cuda).")
        print("After that, --help lists the commands; README.md has them, too.")
        return
    with bootstrap.in_one_sentence():
        bootstrap.prepare(build=builds[0] if builds else "")
    if asks_help:
        print("--cpu, --cuda  (start.py only) use the build for processors, or for NVIDIA GPUs\n", flush=True)
    bootstrap.run([str(bootstrap.ROOT / "main.py"), *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
