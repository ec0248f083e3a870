"""A window on a made-up pipeline, on Qt's offscreen platform."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.settings import Settings
from app.status import Preview, Status
from app.ui.main_window import MainWindow


class StillPipeline:
    """A LivePipeline that remembers what was asked of it."""

    def __init__(self) -> None:
        self.applied: list[Settings] = []
        self.calls: list[str] = []
        self.now = Status(capture="running", matting="running", output="running", source="made-up camera")
        self.next_preview: Preview | None = None
        self.preview_space = (0, 0)
        self.stopped = False

    def start(self) -> None:
        self.calls.append("start")

    def apply(self, settings: Settings) -> None:
        self.applied.append(settings)

    def restart(self) -> None:
        self.calls.append("restart")

    def pause(self, paused: bool) -> None:
        self.calls.append(f"pause {paused}")

    def start_recording(self, path: Path) -> None:
        self.calls.append(f"record {path.suffix}")

    def stop_recording(self) -> None:
        self.calls.append("stop recording")

    def snapshot(self, path: Path) -> None:
        self.calls.append(f"snapshot {path.suffix}")

    def preview(self, space: tuple[int, int]) -> Preview | None:
        self.preview_space = space
        preview, self.next_preview = self.next_preview, None
        return preview

    def status(self) -> Status:
        return self.now

    def dismiss(self, key: str) -> None:
        self.calls.append(f"dismiss {key}")

    def stop(self) -> bool:
        self.stopped = True
        return True


class Desk:
    """The window and the pipeline under test, and a way to let Qt work."""

    def __init__(self, settings: Settings) -> None:
        self.pipeline = StillPipeline()
        self.window = MainWindow(self.pipeline, settings, list_cameras=lambda: [])
        self.window.show()
        self.window.start()

    @property
    def settings(self) -> Settings:
        return self.window.store.settings

    def until(self, what: Callable[[], bool], ms: int = 5000) -> None:
        deadline = time.monotonic() + ms / 1000
        while not what():
            assert time.monotonic() < deadline, "it did not happen in time"
            QTest.qWait(10)


@pytest.fixture(scope="session")
def application() -> QApplication:
    found = QApplication.instance()
    return found if isinstance(found, QApplication) else QApplication(["mattecam"])


@pytest.fixture
def desk(application: QApplication) -> Iterator[Desk]:
    desk = Desk(Settings(camera="demo", background="color:#102030", virtual_camera=False))
    yield desk
    desk.window.close()
    desk.until(lambda: desk.pipeline.stopped)
    QTest.qWait(20)
