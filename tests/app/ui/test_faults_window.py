"""The window while things go wrong: closed in mid-start, started twice, a disk that is full."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.pipeline import Parts, Pipeline
from app.settings import load
from app.ui.main_window import MainWindow
from app.ui.tray import bring_forward
from matting_core import atomic
from tests.app.ui.conftest import Desk
from tests.support.rig import SETTINGS, shows_person
from tests.support.room import GreenEngines, Memory, RoomSource

pytestmark = pytest.mark.gui

MAIN = Path(__file__).resolve().parents[3] / "main.py"


class Live:
    """A window on a real pipeline of made-up devices."""

    def __init__(self) -> None:
        self.memory, self.engines = Memory(), GreenEngines()
        self.pipeline = Pipeline(
            SETTINGS, Parts(lambda _settings, **_: RoomSource(), self.engines, outputs=(self.memory,))
        )
        self.window = MainWindow(self.pipeline, SETTINGS, list_cameras=lambda: [])
        self.ended = False
        self.window.ended.connect(self._end)
        self.window.show()

    def until(self, what: object) -> None:
        deadline = time.monotonic() + 8.0
        while not what():  # type: ignore[operator]
            assert time.monotonic() < deadline, "it did not happen in time"
            QTest.qWait(10)

    def _end(self) -> None:
        self.ended = True


@pytest.fixture
def live(application: QApplication) -> Iterator[Live]:
    live = Live()
    yield live
    live.engines.may_load.set()
    live.window.close()
    live.until(lambda: live.ended)
    assert live.memory.leaks == 0
    QTest.qWait(20)


def test_a_window_closed_while_the_model_loads_ends_with_slates_only(live: Live) -> None:
    live.engines.may_load.clear()
    live.window.start()
    live.until(lambda: live.memory.sent > 2)
    live.window.close()
    live.until(lambda: live.memory.closed)  # the outputs go at once, the load when it is done
    assert not live.window.isVisible()
    live.engines.may_load.set()
    live.until(lambda: live.ended)
    assert not shows_person(live.memory)


def test_a_window_closed_before_it_started_starts_nothing(live: Live) -> None:
    live.window.close()
    live.window.start()
    live.until(lambda: live.ended)
    assert live.memory.sent == 0
    assert live.engines.built == []


def test_a_window_closed_while_live_shows_a_slate_last(live: Live) -> None:
    live.window.start()
    live.until(lambda: shows_person(live.memory))
    live.window.close()
    live.until(lambda: live.ended)
    assert live.memory.closed
    assert not shows_person(live.memory)


def test_settings_on_a_full_disk_are_told_and_saved_with_the_next_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(atomic.os, "fsync", full)
        desk.window.store.change(edge_feather=3)
        desk.until(lambda: any(notice.key == "settings-save" for notice in desk.window.board.notices))
        (notice,) = desk.window.board.notices
        assert "No space left on device" in notice.problem
        assert notice.mend
        assert desk.settings.edge_feather == 3, "the change is in use all the same"
    desk.window.store.change(edge_shift=2)
    desk.until(lambda: not desk.window.board.notices)
    saved = load()[0]
    assert (saved.edge_feather, saved.edge_shift) == (3, 2)


def test_a_window_that_is_called_comes_forward_from_the_tray_and_the_task_bar(application: QApplication) -> None:
    window = QWidget()
    window.hide()
    bring_forward(window)
    assert window.isVisible()
    window.showMinimized()
    bring_forward(window)
    assert window.isVisible()
    assert not window.isMinimized()
    window.close()


def start_window(home: Path) -> subprocess.Popen[str]:
    """`python main.py` without a screen."""
    folders = {name: str(home / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, MAIN],
        env={**os.environ, **folders, "HOME": str(home), "QT_QPA_PLATFORM": "offscreen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="POSIX signals, and Linux' folders")
def test_a_second_start_ends_and_a_signal_in_mid_start_closes_the_first(tmp_path: Path) -> None:
    first = start_window(tmp_path)
    lock = tmp_path / "xdg_cache_home" / "mattecam" / "window.lock"
    deadline = time.monotonic() + 30
    while not lock.exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = start_window(tmp_path)
    said, complaint = second.communicate(timeout=60)
    assert (second.returncode, said) == (0, "Mattecam is already running; its window comes to the front.\n"), complaint
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    said, complaint = first.communicate(timeout=60)
    assert (first.returncode, said) == (0, "")
    assert "Traceback" not in complaint


def test_without_a_folder_nothing_is_recorded_and_the_button_comes_up_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for kind in ("videos", "pictures"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_path", lambda: tmp_path / "file")
    desk.window.actions_.record.trigger()
    desk.window.actions_.snapshot.trigger()
    assert not desk.window.actions_.record.isChecked()
    assert not [call for call in desk.pipeline.calls if call.split()[0] in ("record", "snapshot")]
    assert "cannot be created" in desk.window.board.notices[0].problem
