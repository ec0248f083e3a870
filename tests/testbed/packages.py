"""Debian's packages, fetched and unpacked into a folder: nothing is installed here and no rights are needed."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TRIES = 3
APT_LIMIT_S = 300.0


class CannotRun(Exception):
    """Why this machine cannot run the testbed, in one phrase. No fault of Mattecam's."""


def kernel_package() -> str:
    """The package of Debian's newest stock kernel, e.g. 'linux-image-6.1.0-50-amd64'. Raises CannotRun.

    The stock one, because the one for clouds has no media drivers.
    """
    for tool in ("apt-get", "apt-cache", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise CannotRun(f"there is no {tool}: the guest is built from Debian's packages")
    for fresh in (False, True):
        if fresh:
            _update()
        told = _output(["apt-cache", "depends", "linux-image-amd64"])
        found = re.search(r"Depends: (linux-image-\S+-amd64)$", told, re.MULTILINE)
        if found:
            return found[1]
    raise CannotRun("apt knows no package linux-image-amd64")


def resolve(names: Sequence[str]) -> list[str]:
    """These packages and those that they need and this machine lacks. Raises CannotRun."""
    for fresh in (False, True):
        if fresh:
            _update()
        told = _output(["apt-get", "install", "--simulate", "--no-install-recommends", *names])
        found = re.findall(r"^Inst (\S+)", told, re.MULTILINE)
        if found:
            return found
        if told:  # everything is installed already
            return []
    raise CannotRun(f"apt cannot find {', '.join(names)}")


def fetch(names: Sequence[str], folder: Path) -> list[Path]:
    """Download these packages into a folder, trying again where the network fails. Raises CannotRun."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(TRIES):
        if number:
            time.sleep(5.0 * number)
            _update()
        try:
            done = subprocess.run(
                ["apt-get", "download", "-q", *names],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=APT_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return sorted(folder.glob("*.deb"))
    raise CannotRun("apt-get could not download the packages")


def unpack(package: Path, root: Path) -> None:
    """Unpack one package as if it were installed under `root`; its scripts do not run. Raises CannotRun."""
    files = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    # /lib is a link to /usr/lib there, as on every Debian since 12, and must stay one.
    into = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
    done = subprocess.run(into, stdin=files.stdout, capture_output=True, text=True, check=False)
    assert files.stdout is not None
    files.stdout.close()
    if files.wait() or done.returncode:
        raise CannotRun(f"{package.name} cannot be unpacked ({done.stderr.strip()[-200:]})")


def _update() -> None:
    """Fetch the lists of packages anew where we may; what comes of it shows in the next question."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["apt-get", "-qq", "update"], capture_output=True, timeout=APT_LIMIT_S, check=False)


def _output(command: list[str]) -> str:
    """Standard output of a command that must succeed, else ''."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=APT_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
