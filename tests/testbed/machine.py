"""Starts the guest under qemu, without hardware help, in bounded time, and reads from its serial log how it ended."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.build import Guest

UP = "testbed: up"
BOOT_LIMIT_S = 120.0
MEMORY_MIB = 3072


@dataclass(frozen=True, slots=True)
class Ended:
    """How a guest ended. up: it ran our init. exit_code: its job's, None if the log holds none. seconds: in all."""

    up: bool
    exit_code: int | None
    seconds: float
    log: str


def exit_code(log: str) -> int | None:
    """The job's exit status that init.sh wrote into the serial log; None if there is none."""
    found = re.findall(r"^MATTECAM-TESTBED-EXIT=(\d+)\s*$", log, re.MULTILINE)
    return int(found[-1]) if found else None


def run(guest: Guest, out: Path, job: str, limit_s: float, tell: Callable[[str], None]) -> Ended:
    """Run a shell script in the guest, with `out` writable as /out; every line of the log goes to `tell`, too.

    Whatever happens, the emulator has ended when this returns: at limit_s, or when the guest is not up in time.
    """
    (out / "job.sh").write_text(job, encoding="utf-8")
    began = time.monotonic()
    lines: list[str] = []
    # `timeout` ends the emulator even if this process is killed meanwhile.
    command = ["timeout", "-k", "5", str(int(limit_s)), *_qemu(guest, out)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    )
    reader = threading.Thread(target=_read, args=(process, lines, tell), daemon=True)
    reader.start()
    try:
        while reader.is_alive():
            reader.join(0.5)
            if time.monotonic() - began > BOOT_LIMIT_S and not any(UP in line for line in lines):
                break
    finally:
        _end(process)
        reader.join(5.0)
    log = "".join(lines)
    (out / "serial.log").write_text(log, encoding="utf-8")
    return Ended(UP in log, exit_code(log), time.monotonic() - began, log)


def _read(process: subprocess.Popen[str], lines: list[str], tell: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.replace("\r", ""))
        tell(lines[-1].rstrip())


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _qemu(guest: Guest, out: Path) -> list[str]:
    firmware = [guest.root / "usr/share/qemu", guest.root / "usr/share/seabios"]
    kernel_line = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable"
    return [
        *guest.program("qemu-system-x86_64"),
        *(word for folder in firmware if folder.is_dir() for word in ("-L", str(folder))),
        *("-M", "pc", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"),
        *("-kernel", str(guest.image), "-initrd", str(guest.disk), "-append", kernel_line),
        *("-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=host,mount_tag=host"),
        *("-fsdev", f"local,id=packages,path={guest.root},security_model=none,readonly=on"),
        *("-device", "virtio-9p-pci,fsdev=packages,mount_tag=packages"),
        *("-fsdev", f"local,id=out,path={out},security_model=none"),
        *("-device", "virtio-9p-pci,fsdev=out,mount_tag=out"),
    ]
