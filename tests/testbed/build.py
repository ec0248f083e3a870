"""Builds the guest once and keeps it: kernel, drivers, programs beside the host's own, and a small first disk."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.testbed.packages import CannotRun, fetch, kernel_package, resolve, unpack

HERE = Path(__file__).resolve().parent
PROGRAMS = ("qemu-system-x86", "busybox-static", "kmod", "v4l-utils", "ffmpeg", "chromium")
FIRST_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
BUILD_LIMIT_S = 300.0


class Guest:
    """What was built. folder: where it lies. root: packages, unpacked. kernel: its version, as uname -r prints it."""

    def __init__(self, folder: Path, kernel: str) -> None:
        self.folder = folder
        self.kernel = kernel
        self.root = folder / "root"
        self.disk = folder / "first-disk.gz"
        self.loopback = folder / "v4l2loopback" / "v4l2loopback.ko"
        self.image = self.root / "boot" / f"vmlinuz-{kernel}"

    def program(self, name: str) -> list[str]:
        """How to call a program here: the machine's own, else the unpacked one with its libraries. Raises CannotRun."""
        own = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if own:
            return [own]
        for folder in ("usr/bin", "usr/sbin"):
            path = self.root / folder / name
            if path.exists():
                libraries = self.root / "usr/lib/x86_64-linux-gnu"
                return ["env", f"LD_LIBRARY_PATH={libraries}:{libraries}/blas:{libraries}/lapack", str(path)]
        raise CannotRun(f"the packages brought no {name}")


def build(folder: Path, anew: bool = False) -> Guest:
    """The guest in `folder`, built from nothing unless it is there and this recipe is unchanged. Raises CannotRun."""
    stamp = folder / "stamp.json"
    recipe = _recipe()
    if not anew and stamp.exists():
        kept = json.loads(stamp.read_text(encoding="utf-8"))
        if kept["recipe"] == recipe:
            return Guest(folder, kept["kernel"])
    for tool in ("gcc", "make"):
        if shutil.which(tool) is None:
            raise CannotRun(f"there is no {tool}, which builds v4l2loopback")
    image = kernel_package()
    guest = Guest(folder, image.removeprefix("linux-image-"))
    shutil.rmtree(folder, ignore_errors=True)
    _unpack_all(guest, image)
    _build_loopback(guest)
    _make_first_disk(guest)
    stamp.write_text(json.dumps({"recipe": recipe, "kernel": guest.kernel}), encoding="utf-8")
    return guest


def _recipe() -> str:
    """Changes with everything that decides what is built, and with where: paths are built in."""
    parts = [(HERE / name).read_bytes() for name in ("build.py", "packages.py", "init.sh")]
    return hashlib.sha256(b"".join([*parts, str(HERE).encode()])).hexdigest()


def _unpack_all(guest: Guest, image: str) -> None:
    headers = image.replace("linux-image-", "linux-headers-")
    # A kernel or headers that this machine has installed are not in the list of what is missing, but needed here.
    needed = {*resolve([*PROGRAMS, headers]), image, headers, "v4l2loopback-dkms"}
    needed |= {"busybox-static"}
    common = re.sub(r"-amd64$", "-common", headers)
    needed |= {common, f"linux-kbuild-{'.'.join(guest.kernel.split('.')[:2])}"}
    packages = fetch(sorted(needed), guest.folder / "packages")
    for name in MERGED:
        (guest.root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (guest.root / name).symlink_to(f"usr/{name}")
    for package in packages:
        unpack(package, guest.root)
    _turn_links_inwards(guest.root)
    shutil.rmtree(guest.folder / "packages")
    # Compilers may come along with the headers; the machine's own gcc is what builds.
    _run([*guest.program("depmod"), "-b", str(guest.root), guest.kernel], "depmod")


def _turn_links_inwards(root: Path) -> None:
    """Programs that are links to a whole path (depmod to /bin/kmod) would be the machine's own, or none."""
    for folder in ("usr/bin", "usr/sbin"):
        for link in (root / folder).iterdir():
            if link.is_symlink() and link.readlink().is_absolute():
                target = root / link.readlink().relative_to("/")
                link.unlink()
                link.symlink_to(os.path.relpath(target, link.parent))


def _build_loopback(guest: Guest) -> None:
    headers = guest.root / "usr/src" / f"linux-headers-{guest.kernel}"
    makefile = headers / "Makefile"
    text = makefile.read_text(encoding="utf-8")
    makefile.write_text(text.replace("/usr/src/", f"{guest.root}/usr/src/"), encoding="utf-8")
    source = next((guest.root / "usr/src").glob("v4l2loopback-*"))
    shutil.copytree(source, guest.loopback.parent)
    _run(["make", "-s", "-C", str(headers), f"M={guest.loopback.parent}", "modules"], "v4l2loopback")


def _make_first_disk(guest: Guest) -> None:
    """An initrd: busybox, the drivers that reach the host's files, and init.sh."""
    disk = guest.folder / "first-disk"
    for name in ("bin", "proc", "sys", "dev", "modules", "new", "host", "packages", "rw"):
        (disk / name).mkdir(parents=True)
    shutil.copy(guest.root / "usr/bin/busybox", disk / "bin/busybox")
    order: list[str] = []
    for module in FIRST_MODULES:
        find = [*guest.program("modprobe"), "-d", str(guest.root), "-S", guest.kernel, "--show-depends", module]
        for line in _run(find, module).splitlines():
            path = Path(line.split()[1]) if line.startswith("insmod") else None
            if path is not None and path.name not in order:
                order.append(path.name)
                shutil.copy(path, disk / "modules")
    (disk / "order").write_text("\n".join(order) + "\n", encoding="ascii")
    shutil.copy(HERE / "init.sh", disk / "init")
    (disk / "init").chmod(0o755)
    pack = f"find . | {disk}/bin/busybox cpio -o -H newc 2>/dev/null | gzip -1 > {guest.disk}"
    _run(["sh", "-c", pack], "the first disk", cwd=disk)


def _run(command: list[str], what: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CannotRun(f"{what} was not built within {BUILD_LIMIT_S:.0f} s") from error
    if done.returncode:
        raise CannotRun(f"{what} cannot be built ({(done.stderr or done.stdout).strip()[-300:]})")
    return done.stdout
