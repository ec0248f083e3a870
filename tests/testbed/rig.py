"""What the scenarios stand on: real devices, programs that end with their scenario, and checks that say what failed."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CAMERA, CAMERA_NAME = "/dev/video0", "vivid"
EXCLUSIVE, PLAIN, PLAYED = "/dev/video10", "/dev/video11", "/dev/video20"
"""Virtual cameras: as browsers want them (exclusive_caps=1), plain, and one that plays a made-up camera."""
BUFFERS = 8
"""The driver writes over a buffer that a late reader still holds. With its usual 2 that happens in here, where readers
are slow, and would look like our tearing; ours would be in what we write, and so be seen all the same."""
WAIT_S = 60.0
"""How long to wait for what an emulated processor should do in a moment."""


class CheckFailed(Exception):
    """One sentence: what should have been, and what was."""


def check(condition: bool, sentence: str) -> None:
    """Raises CheckFailed unless the condition holds."""
    if not condition:
        raise CheckFailed(sentence)


class Program:
    """A program of its own whose output lines are kept as they come; killed at the scenario's end at the latest."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.name = " ".join(command[2:5])
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=self._keep, args=(self.process.stdout, self.lines, self._new), daemon=True),
            threading.Thread(target=self._keep, args=(self.process.stderr, self.errors, None), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def line(self, wait_s: float = WAIT_S) -> str:
        """Its next line of output. Raises CheckFailed if none comes in time or it has ended."""
        try:
            line = self._new.get(timeout=wait_s)
        except queue.Empty:
            raise CheckFailed(f"{self.name} said nothing for {wait_s:.0f} s; {self._last_words()}") from None
        if line is None:
            raise CheckFailed(f"{self.name} ended early; {self._last_words()}")
        return line

    def json(self, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Its next line of output, which is JSON."""
        told: dict[str, Any] = json.loads(self.line(wait_s))
        return told

    def rest(self) -> list[dict[str, Any]]:
        """The lines of JSON that have come and were not taken yet."""
        taken = []
        with contextlib.suppress(queue.Empty):
            while (line := self._new.get_nowait()) is not None:
                taken.append(json.loads(line))
        return taken

    def until(self, what: Callable[[dict[str, Any]], bool], name: str, wait_s: float = WAIT_S) -> list[dict[str, Any]]:
        """Its lines of JSON up to the first one that fits. Raises CheckFailed, with the last line, if none does."""
        deadline = time.monotonic() + wait_s
        seen: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            try:
                seen.append(self.json(max(0.1, deadline - time.monotonic())))
            except CheckFailed as error:
                raise CheckFailed(f"{name} did not happen: {error}; last seen {seen[-1:]}") from error
            if what(seen[-1]):
                return seen
        raise CheckFailed(f"{name} did not happen within {wait_s:.0f} s; last seen {seen[-1:]}; {self._last_words()}")

    def end(self, number: int = signal.SIGTERM, wait_s: float = WAIT_S) -> int:
        """Send a signal if it still runs, wait, and give its exit code. Raises CheckFailed if it does not end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(wait_s)

    def wait(self, wait_s: float = WAIT_S) -> int:
        """Its exit code. Raises CheckFailed if it does not end in time."""
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"{self.name} did not end within {wait_s:.0f} s; {self._last_words()}") from None
        for thread in self._threads:
            thread.join(5.0)
        return code

    def kill(self) -> None:
        """End it and all that it started, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for thread in self._threads:
            thread.join(5.0)

    def _last_words(self) -> str:
        return f"its last words: {' | '.join(line.strip() for line in self.errors[-4:]) or 'none'}"

    @staticmethod
    def _keep(stream: Any, kept: list[str], new: "queue.SimpleQueue[str | None] | None") -> None:
        for line in stream:
            kept.append(line)
            if new is not None:
                new.put(line)
        if new is not None:
            new.put(None)


class Rig:
    """One scenario's devices and programs.

    folder: for its files, gone afterwards. loopback: the built module's path. short: whether to measure less.
    """

    def __init__(self, folder: Path, loopback: Path, short: bool = True) -> None:
        self.folder = folder
        self.short = short
        self._loopback = loopback
        self._programs: list[Program] = []

    def python(self, module: str, *arguments: object, environment: dict[str, str] | None = None) -> Program:
        """Start one of this folder's modules as a program."""
        words = [sys.executable, "-B", "-m", module, *map(str, arguments)]
        return self.program(words, environment)

    def program(self, command: list[str], environment: dict[str, str] | None = None) -> Program:
        """Start a program that ends with the scenario."""
        started = Program(command, environment)
        self._programs.append(started)
        return started

    def reader(self, device: str, *arguments: object) -> Program:
        """A second program reading `device`, which must be open for it."""
        reader = self.python("tests.testbed.reader", device, *arguments)
        check(bool(reader.json()["open"]), f"{device} does not open for a reader")
        return reader

    def player(self, *arguments: object) -> Program:
        """A made-up camera at PLAYED, playing."""
        player = self.python("tests.testbed.player", PLAYED, *arguments)
        player.line()
        return player

    def fresh_devices(self) -> None:
        """Unload and load every driver, so that nothing of an earlier scenario is left. Raises CheckFailed."""
        self.unload("v4l2loopback")
        self.unload("vivid")
        run("modprobe", "videodev")
        numbers = ",".join(device.removeprefix("/dev/video") for device in (EXCLUSIVE, PLAIN, PLAYED))
        run("insmod", str(self._loopback), f"video_nr={numbers}", "devices=3", "exclusive_caps=1,0,0",
            "card_label=Mattecam,Plain,Played", f"max_buffers={BUFFERS}")  # fmt: skip
        self.plug_in()

    def plug_in(self) -> None:
        """Load vivid as one webcam, with bars of full colours and no text over them."""
        run("modprobe", "vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0x0", "vid_cap_nr=0")
        wait_until(lambda: Path(CAMERA).exists(), f"{CAMERA} appearing")
        control(CAMERA, "test_pattern=1")
        control(CAMERA, "osd_text_mode=2")

    def unload(self, module: str) -> None:
        """Take a driver out: a plug pulled out for good. Raises CheckFailed where something still holds it."""
        if Path("/sys/module", module).exists():
            wait_until(lambda: subprocess.run(["rmmod", module], capture_output=True, check=False).returncode == 0,
                       f"unloading {module}")  # fmt: skip

    def close(self) -> None:
        """Kill what still runs."""
        for program in self._programs:
            program.kill()


def run(*command: str) -> str:
    """Run a short command; its output. Raises CheckFailed with its reason."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    check(done.returncode == 0, f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}")
    return done.stdout


def control(device: str, setting: str) -> None:
    """Set a V4L2 control, e.g. 'test_pattern=1'."""
    run("v4l2-ctl", "-d", device, "-c", setting)


def wait_until(what: Callable[[], bool], name: str, wait_s: float = WAIT_S) -> None:
    """Ask until it is so. Raises CheckFailed."""
    deadline = time.monotonic() + wait_s
    while not what():
        check(time.monotonic() < deadline, f"{name} did not happen within {wait_s:.0f} s")
        time.sleep(0.1)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises CheckFailed in the block once it has lasted too long."""

    def late(*_: object) -> None:
        raise CheckFailed(f"it lasted longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
