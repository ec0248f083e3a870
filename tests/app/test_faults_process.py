"""The whole process stopped, continued, killed and asked to end; clocks that jump; and a second window."""

import ast
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from app import window_lock
from app.settings import Settings, load, save
from app.window_lock import WindowLock
from matting_core.errors import MattecamError
from tests.support.rig import Rig, assert_accounted

ROOT = Path(__file__).resolve().parents[2]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


class Child:
    """tests.support.live_child, running."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "tests.support.live_child", *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, what: Any, timeout_s: float = 30.0) -> dict[str, Any]:
        """The first line of those to come that is as wanted."""
        seen, deadline = len(self.lines), time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            while seen < len(self.lines):
                if what(self.lines[seen]):
                    return self.lines[seen]
                seen += 1
            assert self._reader.is_alive() or seen < len(self.lines), "the child ended"
            time.sleep(0.02)
        pytest.fail(f"did not happen; {self.lines[-1:]}")

    def end(self, number: int) -> int:
        """Send the signal and wait for the end; the exit status."""
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        self._reader.join()
        return self.process.returncode

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self.lines.extend(json.loads(line) for line in self.process.stdout if line.endswith("\n"))


@pytest.fixture
def start() -> Iterator[Any]:
    children: list[Child] = []

    def start_child(*options: str) -> Child:
        children.append(Child(*options))
        return children[-1]

    yield start_child
    for child in children:
        if child.process.poll() is None:
            child.end(signal.SIGKILL)
        assert all(line["leaks"] == 0 for line in child.lines), "the room was sent"


def is_person(line: dict[str, Any]) -> bool:
    return bool(line["person"])


@posix_only
def test_a_process_that_was_stopped_and_continued_goes_on_and_blames_no_engine(start: Any) -> None:
    """Longer than a hang would be given: 1 s here."""
    child = start("--hang-s", "1.0")
    child.until(is_person)
    for _ in range(2):
        child.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        child.process.send_signal(signal.SIGCONT)
        sent = child.lines[-1]["sent"]
        line = child.until(lambda line, sent=sent: line["person"] and line["sent"] > sent + 30)
        assert (line["engines"], line["notices"]) == (1, [])
    assert child.end(signal.SIGTERM) == 0
    assert child.lines[-1]["ended"]


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("load_s", ["0", "1.5"], ids=["live", "mid-start"])
def test_a_signal_ends_it_in_order_with_a_slate_as_the_last_picture(start: Any, number: int, load_s: str) -> None:
    child = start("--load-s", load_s)
    child.until(is_person if load_s == "0" else lambda line: line["sent"] > 0)
    assert child.end(number) == 0
    last = child.lines[-1]
    assert last["ended"]
    assert last["took_s"] < 2.0 + float(load_s)  # a load cannot be broken off
    assert not last["person"]


@posix_only
def test_kill_9_loses_no_file_and_the_next_start_works(start: Any, tmp_path: Path) -> None:
    save(Settings(mirror=True))
    film = tmp_path / "film.mp4"
    child = start("--film", str(film))
    line = child.until(is_person)
    child.until(lambda later: later["sent"] > line["sent"] + 300)
    assert child.end(signal.SIGKILL) == -signal.SIGKILL
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 20
    assert load() == (Settings(mirror=True), [])
    again = start()
    again.until(is_person)
    assert again.end(signal.SIGTERM) == 0


def test_clocks_that_jump_change_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock goes to 1970, to 2100 and back; nothing here reads it."""
    pipeline = rig.build()
    rig.until(rig.shows_person)
    for moment in (0.0, 4_102_444_800.0, 1_000_000_000.0):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        shown = pipeline.status().stats.shown
        rig.until(lambda shown=shown: pipeline.status().stats.shown > shown + 30)
        assert rig.shows_person()
        assert pipeline.status().stats.latency_p99_ms < 5000
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_the_wall_clock_only_names_files() -> None:
    """Durations are measured with `time.monotonic` and `time.perf_counter`, which no clock setting moves."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "matting_core")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("time", "time"), ("time", "strftime"), ("datetime", "now")}
    }
    assert found == {"app/new_file.py"}


def test_a_second_start_calls_the_first_window_and_ends(tmp_path: Path) -> None:
    first, second = WindowLock(tmp_path), WindowLock(tmp_path)
    assert first.take_or_call()
    assert not first.was_called()
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(second.take_or_call()))
    asking.start()
    deadline = time.monotonic() + 10.0
    while not first.was_called():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asking.join()
    assert answers == [False]
    assert not first.was_called()
    first.release()


def test_a_start_while_the_first_window_is_closing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = WindowLock(tmp_path), WindowLock(tmp_path)
    assert first.take_or_call()
    real = time.sleep

    def release_meanwhile(seconds: float) -> None:
        first.release()
        real(seconds)

    monkeypatch.setattr(window_lock.time, "sleep", release_meanwhile)
    assert second.take_or_call()
    assert not second.was_called(), "its own call is not for it"
    second.release()


def test_a_first_window_that_hangs_is_said(tmp_path: Path) -> None:
    first = WindowLock(tmp_path)
    assert first.take_or_call()
    with pytest.raises(MattecamError, match="already running but does not respond") as caught:
        WindowLock(tmp_path).take_or_call(wait_s=0.2)
    assert "task manager" in caught.value.mend
    assert not first.was_called()
    first.release()


def test_a_file_system_without_locks_keeps_nobody_from_working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(window_lock, "lock_file", no_locks)
    first = WindowLock(tmp_path)
    assert first.take_or_call(wait_s=0.0)
    first.release()


def test_a_folder_without_a_lock_keeps_nobody_from_working(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert WindowLock(tmp_path / "file").take_or_call()


@posix_only
def test_a_window_killed_with_kill_9_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from app.window_lock import WindowLock;"
        "lock = WindowLock(Path(sys.argv[1])); print(lock.take_or_call(), flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    lock = WindowLock(tmp_path)
    assert lock.take_or_call(wait_s=5.0)
    lock.release()
