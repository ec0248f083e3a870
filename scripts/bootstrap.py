"""Makes this machine ready: system packages, .venv, the right inference build. The standard library only.

start.py, test.py and check.py share it. A stamp in .venv makes every later start skip all of it.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app import system_libraries  # noqa: E402

VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "mattecam-setup.json"
BUILDS = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu"}
XVFB = {"Xvfb": "xvfb", "xauth": "xauth"}


class SetupError(Exception):
    """One sentence that says what is missing and how to get it."""


def is_ready() -> bool:
    """Whether `prepare` has run for today's pyproject.toml, whatever the extras."""
    return bool(_read_stamp())


def prepare(build: str = "", extras: Sequence[str] = (), virtual_screen: bool = False) -> None:
    """Bring .venv to what pyproject.toml asks for; returns at once if the stamp says that it is.

    build: 'cpu', 'cuda', or '' for the one that is installed, else the one that fits this machine. extras: further
    extras of pyproject.toml. virtual_screen: also install Xvfb where apt may. Raises SetupError.
    """
    done = _read_stamp()
    wanted = {*extras, *([build] if build else [])}
    if not (done and wanted <= done):
        installed_build = next((name for name in BUILDS if name in done), "")
        _install_system_packages()
        _make_environment()
        _install(build or installed_build, sorted((done | set(extras)) - set(BUILDS)))
    if virtual_screen:
        _install_virtual_screen()


@contextlib.contextmanager
def in_one_sentence() -> Iterator[None]:
    """Leave with one sentence, and exit code 1 where setting up fails or 130 where Ctrl-C stops it."""
    try:
        yield
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Stopped before the set-up was complete. Run it again to continue.", file=sys.stderr)
        sys.exit(130)  # as app.cli, which cannot be imported yet, and shells have it


def install_package(requirement: str) -> None:
    """Put one more package into .venv, which `prepare` has made. Raises SetupError."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", *quiet, requirement]
    if subprocess.run(pip, stdout=2, check=False).returncode:
        raise SetupError(f"pip could not install {requirement} (its reasons are above).")


def run(arguments: Sequence[str]) -> NoReturn:
    """Go on as .venv's Python with these arguments; never returns."""
    command = [str(PYTHON), *arguments]
    if os.name == "nt":  # exec would give the terminal back before the program has ended
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def say(sentence: str) -> None:
    """Tell the person at the terminal, without touching the program's own standard output."""
    print(sentence, file=sys.stderr, flush=True)


def _identity() -> dict[str, str]:
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {"pyproject": digest, "python": f"{sys.version_info[0]}.{sys.version_info[1]}", "root": str(ROOT)}


def _read_stamp() -> set[str]:
    """The extras that are installed and fit to today's pyproject.toml, or nothing."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        extras = set(stamp.pop("extras"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return set()
    return extras if stamp == _identity() and PYTHON.exists() else set()


def _write_stamp(extras: Sequence[str]) -> None:
    part = STAMP.with_suffix(".part")
    part.write_text(json.dumps({**_identity(), "extras": sorted(extras)}), encoding="utf-8")
    part.replace(STAMP)


def _install_system_packages() -> None:
    if not sys.platform.startswith("linux"):
        return
    packages = list(system_libraries.missing({**system_libraries.ALWAYS, **system_libraries.WINDOW}))
    if importlib.util.find_spec("ensurepip") is None and not PYTHON.exists():
        packages.append(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")
    if packages:
        _apt_install(packages)


def _install_virtual_screen() -> None:
    """Xvfb only widens the tests, so going on without it is not a failure."""
    missing = [package for program, package in XVFB.items() if shutil.which(program) is None]
    if sys.platform.startswith("linux") and missing:
        try:
            _apt_install(missing)
        except SetupError as error:
            say(f"{error} Without it the tests on a virtual screen are skipped.")


def _apt_install(packages: Sequence[str]) -> None:
    by_hand = f"sudo apt-get install -y {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise SetupError(
            f"System libraries are missing; Debian calls their packages {' '.join(packages)}. "
            "Install the packages of your system that hold them, then run this again."
        )
    prefix = _root_prefix()
    if prefix is None:
        raise SetupError(f"System packages are missing. Install them, then run this again: {by_hand}")
    say(f"Installing system packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*prefix, "apt-get", "-qq"]
    # An update that fails (one bad source of many) does not matter if the packages can be had all the same.
    subprocess.run([*apt, "update"], env=environment, stdout=subprocess.DEVNULL, check=False)
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    if subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
        raise SetupError(f"apt-get could not install them (its reasons are above). Try by hand: {by_hand}")


def _root_prefix() -> list[str] | None:
    """What to put before apt-get: nothing for root, sudo where it asks no password, None where neither works."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _make_environment() -> None:
    if _works(["-c", ""]):
        if not _works(["-m", "pip", "--version"]) and not _works(["-m", "ensurepip"]):
            raise SetupError(f"{VENV} has no pip. Delete that folder, then run this again.")
        return
    say(f"Making {VENV}")
    # --clear, because a half-made environment (an interrupted start, a Python since removed) is of no use.
    making = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    # Its words are kept back: Ctrl-C would make it print a traceback.
    made = subprocess.run(making, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode:
        say(made.stdout.strip())
        raise SetupError("Python could not make the folder .venv (its reasons are above).")


def _works(arguments: Sequence[str]) -> bool:
    try:
        return subprocess.run([str(PYTHON), *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _install(build: str, extras: Sequence[str]) -> None:
    """Install Mattecam with exactly one of the two inference builds, which share one module name."""
    chosen = build or ("cuda" if _has_nvidia() else "cpu")
    if _install_build(chosen, extras):
        _write_stamp([chosen, *extras])
        return
    if chosen == "cuda" and not build:
        say(
            "The GPU build could not be installed; continuing with the CPU build. To try again: scripts/start.py --cuda"
        )
        if _install_build("cpu", extras):
            _write_stamp(["cpu", *extras])
            return
    raise SetupError(
        "pip could not install Mattecam's packages (its reasons are above). "
        "Check the network and the free disk space, then run this again."
    )


def _install_build(build: str, extras: Sequence[str]) -> bool:
    STAMP.unlink(missing_ok=True)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    others = [package for name, package in BUILDS.items() if name != build]
    if any(_is_installed(package) for package in others):
        # Both put their files in one folder, so removing one breaks the other: remove both, then install.
        subprocess.run([*pip, "uninstall", "-y", "-q", *BUILDS.values()], check=False)
    size = "a download of about 3 GB, for NVIDIA GPUs" if build == "cuda" else "a download of about 300 MB"
    if build == "cuda" and not _has_nvidia():
        say("No NVIDIA driver answers on this machine; until one does, the processor runs the network.")
    if any(_is_installed(package) for package in BUILDS.values()):
        say("Updating Mattecam's packages.")
    else:
        say(f"Installing Mattecam's packages ({size}); this happens once.")
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    target = f".[{','.join([build, *extras])}]"
    # pip's talk goes to standard error, so that `start.py run --json` still ends in one line of JSON.
    return subprocess.run([*pip, "install", *quiet, "-e", target], cwd=ROOT, stdout=2, check=False).returncode == 0


def _is_installed(package: str) -> bool:
    return any(VENV.glob(f"**/site-packages/{package.replace('-', '_')}-*.dist-info"))


def _has_nvidia() -> bool:
    """Whether an NVIDIA driver answers, on a platform that has a CUDA build."""
    if not (sys.platform.startswith("linux") or sys.platform == "win32"):
        return False
    if platform.machine() not in ("x86_64", "AMD64") or shutil.which("nvidia-smi") is None:
        return False
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
