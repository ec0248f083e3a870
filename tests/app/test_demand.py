"""On demand: the camera is open only while somebody watches, and nobody is shown frozen meanwhile."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import demand
from app.board import Board
from app.demand import Demand, has_readers
from app.mailbox import Mailbox
from app.matting_stage import Blank, MattingStage
from app.pipeline import Parts, Pipeline
from app.run_command import _line
from app.settings import Settings
from app.slate import RESTING, draw_slate
from app.stats import StatsRecorder
from matting_core.errors import SourceError
from matting_core.frames import Frame, MattedFrame
from tests.support.rig import SETTINGS, assert_accounted, shows_person
from tests.support.room import HEIGHT, WIDTH, GreenEngines, Memory, RoomSource, room_picture

LIVE = SETTINGS.changed(virtual_camera=True)


class Desk:
    """A pipeline whose only output is a virtual camera, with readers that come and go as the test says."""

    def __init__(self) -> None:
        self.read = False
        self.device = Memory()
        self.sources: list[RoomSource] = []
        self.engines = GreenEngines()
        self.pipeline: Pipeline

    def build(self, settings: Settings = LIVE, **parts: object) -> Pipeline:
        known = {
            "open_source": self.open_source,
            "create_engine": self.engines,
            "open_virtual_camera": lambda _size, _fps, _device: self.device,
            "is_read": lambda: self.read,
        }
        self.pipeline = Pipeline(settings, Parts(**{**known, **parts}))  # type: ignore[arg-type]
        self.pipeline.start()
        return self.pipeline

    def open_source(self, _settings: Settings, demo_if_none: bool) -> RoomSource:
        assert all(source.closed for source in self.sources)
        self.sources.append(RoomSource())
        return self.sources[-1]

    def until(self, what: object, timeout_s: float = 8.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not what():  # type: ignore[operator]
            assert time.monotonic() < deadline, self.pipeline.status()
            time.sleep(0.005)

    def is_resting(self) -> bool:
        return self.pipeline.status().capture == "resting" and all(source.closed for source in self.sources)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(demand, "REST_AFTER_S", 0.5)
    desk = Desk()
    yield desk
    assert desk.pipeline.stop(2.0)
    assert desk.device.leaks == 0
    assert_accounted(desk.pipeline.run_stats())


def test_unread_it_closes_the_camera_and_shows_the_slate_and_a_reader_brings_both_back(desk: Desk) -> None:
    desk.read = True
    pipeline = desk.build()
    desk.until(lambda: shows_person(desk.device))
    for _ in range(2):
        desk.read = False
        desk.until(desk.is_resting)
        sent = desk.device.sent
        desk.until(lambda sent=sent: desk.device.sent > sent + 3)  # a reader that comes finds a living device
        captured, matted = pipeline.status().stats.captured, pipeline.status().stats.matted
        desk.until(lambda sent=sent: desk.device.sent > sent + 6)
        assert desk.device.newest is not None
        assert (desk.device.newest == draw_slate(WIDTH, HEIGHT, RESTING)).all()
        assert pipeline.status().stats.captured == captured
        assert pipeline.status().stats.matted == matted
        desk.read = True
        desk.until(lambda: shows_person(desk.device))
    assert len(desk.sources) == 3
    assert len(desk.engines.built) == 1, "the network stays loaded, so that a reader does not wait for it"


def test_the_rest_is_said_in_a_sentence(desk: Desk) -> None:
    pipeline = desk.build()
    desk.until(desk.is_resting)
    assert _line(pipeline.status()) == "Resting: no program reads memory; the camera is closed."


def test_with_the_setting_off_it_never_rests(desk: Desk) -> None:
    pipeline = desk.build(LIVE.changed(rest_unwatched=False))
    desk.until(lambda: pipeline.status().stats.shown > 100)
    assert pipeline.status().capture == "running"
    pipeline.apply(LIVE)
    desk.until(desk.is_resting)
    pipeline.apply(LIVE.changed(rest_unwatched=False))
    desk.until(lambda: shows_person(desk.device))


def test_where_readers_cannot_be_counted_it_never_rests(desk: Desk) -> None:
    pipeline = desk.build(is_read=lambda: None)
    desk.until(lambda: pipeline.status().stats.shown > 100)
    assert pipeline.status().capture == "running"


def test_the_windows_preview_is_a_watcher_while_it_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demand, "PREVIEW_COUNTS_S", 0.2)
    pipeline = desk.build()
    desk.until(desk.is_resting)
    desk.until(lambda: pipeline.preview((320, 180)) is None and shows_person(desk.device))
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        pipeline.preview((320, 180))
        time.sleep(0.02)
    assert pipeline.status().capture == "running"
    desk.until(desk.is_resting)


def test_a_recording_is_a_watcher(desk: Desk, tmp_path: Path) -> None:
    pipeline = desk.build()
    desk.until(desk.is_resting)
    pipeline.start_recording(tmp_path / "film.mp4")
    desk.until(lambda: shows_person(desk.device))
    shown = pipeline.status().stats.shown
    desk.until(lambda: pipeline.status().stats.shown > shown + 80)
    pipeline.stop_recording()
    desk.until(desk.is_resting)


def test_without_a_virtual_camera_and_with_the_window_hidden_nobody_watches(desk: Desk) -> None:
    desk.read = True
    pipeline = desk.build(SETTINGS)  # the virtual camera is switched off
    desk.until(desk.is_resting)
    pipeline.apply(LIVE)
    desk.until(lambda: shows_person(desk.device))


def test_a_camera_that_was_pulled_out_while_resting_is_waited_for(desk: Desk) -> None:
    desk.read = True
    gone = threading.Event()
    asked: list[bool] = []

    def open_source(settings: Settings, demo_if_none: bool) -> RoomSource:
        asked.append(demo_if_none)
        if gone.is_set():
            raise SourceError("No camera.", "Plug one in.")
        return desk.open_source(settings, demo_if_none)

    pipeline = desk.build(open_source=open_source)
    desk.until(lambda: shows_person(desk.device))
    desk.read = False
    desk.until(desk.is_resting)
    gone.set()
    desk.read = True
    desk.until(lambda: pipeline.status().capture == "waiting")
    gone.clear()
    desk.until(lambda: shows_person(desk.device))
    assert asked[0]
    assert not any(asked[1:]), "the demo must not take the camera's place"


class Frames:
    """An inbox of given frames, after which the stage is told to stop."""

    def __init__(self, moments: list[tuple[int, float]], stopping: threading.Event) -> None:
        self._left = [Frame(room_picture(index), at_s, index) for index, at_s in moments]
        self._stopping = stopping

    def take(self, _timeout_s: float) -> Frame | None:
        if self._left:
            return self._left.pop(0)
        self._stopping.set()
        return None


@pytest.mark.parametrize(
    ("moments", "shown"),
    [
        ([(0, 10.0), (1, 10.1), (2, 10.2), (0, 10.5), (1, 10.6), (2, 10.7)], [10.0, 10.1, 10.5, 10.6]),
        ([(0, 10.0), (1, 10.1), (2, 10.2), (3, 99.5), (4, 99.6), (5, 99.7)], [10.0, 10.1, 99.5, 99.6]),
        ([(0, 10.0), (1, 14.0), (2, 18.0), (3, 22.0)], [10.0, 14.0, 18.0]),
    ],
    ids=["another source", "a long gap", "a very slow network"],
)
def test_a_held_back_frame_of_before_the_rest_is_never_shown_after_it(
    moments: list[tuple[int, float]], shown: list[float]
) -> None:
    """Smoothing with one frame's delay holds each frame until the next one comes, which may be an hour later."""
    stopping, told = threading.Event(), StatsRecorder()
    left: list[float] = []
    outbox: Mailbox[MattedFrame | Blank] = Mailbox(lambda _: None)
    outbox.put = lambda item: left.append(item.frame.captured_at)  # type: ignore[method-assign,union-attr]
    settings = SETTINGS.changed(smoothing="ofd")
    inbox: Any = Frames(moments, stopping)
    MattingStage(lambda: settings, (WIDTH, HEIGHT), inbox, outbox, Board(), told, GreenEngines()).run(stopping)
    assert left == shown
    assert told.snapshot().dropped_unmatted == len(moments) - len(shown)


def test_stopping_while_resting_ends_at_once(desk: Desk) -> None:
    desk.build()
    desk.until(desk.is_resting)
    assert desk.pipeline.stop(2.0)
    assert len(desk.sources) == 1


def test_one_look_at_the_camera_does_not_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that lists the cameras has the device open for a moment."""
    now = [100.0]
    monkeypatch.setattr(demand.time, "monotonic", lambda: now[0])
    answers: list[bool | None] = []
    watch = Demand(lambda: answers.pop(0))

    def after(seconds: float, *told: bool | None) -> bool:
        answers.extend(told)
        now[0] += seconds
        watch.update(True, sure=False, virtual=True)
        return watch.wanted.is_set()

    assert after(demand.REST_AFTER_S - 0.1, False)
    assert not after(0.3, False)
    assert not after(0.3, True)
    assert not after(0.1), "it is not asked more often than it may be"
    assert not after(0.3, False)
    assert not after(0.3, True)
    assert after(0.3, True)
    assert after(demand.REST_AFTER_S - 0.1, False), "a reader that comes back at once finds the camera open"
    assert after(0.3, True)
    assert after(demand.REST_AFTER_S - 0.1, False)
    assert not after(0.3, False)
    assert not after(0.3, None)
    assert after(0.3, None)


class Kernel:
    """What Linux says of v4l2loopback: a count of openings, and links for this process's own files."""

    def __init__(self, folder: Path) -> None:
        self._users = folder / "refcnt"
        self._files = folder / "fd"
        self._files.mkdir()

    def says(self, users: str, *own: str) -> bool | None:
        self._users.write_text(users)
        for link in self._files.iterdir():
            link.unlink()
        for number, target in enumerate(own):
            (self._files / str(number)).symlink_to(target)
        return has_readers()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path)
    monkeypatch.setattr(demand.platform, "system", lambda: "Linux")
    monkeypatch.setattr(demand, "LOOPBACK_USERS", tmp_path / "refcnt")
    monkeypatch.setattr(demand, "OWN_FILES", tmp_path / "fd")
    nodes = [Path(f"/dev/video{number}") for number in (10, 11, 20)]
    monkeypatch.setattr(demand, "loopback_nodes", lambda: nodes)
    monkeypatch.setattr(demand, "is_v4l2loopback", lambda node: node.name != "video20")
    return kernel


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_the_kernels_count_less_our_own_openings_are_the_readers(kernel: Kernel) -> None:
    assert kernel.says("1\n", "/dev/null", "/dev/video10") is False
    assert kernel.says("2\n", "/dev/video10", "/dev/video0") is True
    assert kernel.says("2\n", "/dev/video10", "/dev/video11") is False
    assert kernel.says("2\n", "/dev/video10", "/dev/video20") is True, "20 is another driver's: the second is a reader"
    assert kernel.says("0\n") is False
    assert kernel.says("-1\n") is False
    assert kernel.says("many") is None


def test_elsewhere_and_without_a_count_nothing_is_known(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_readers() is None
    kernel.says("2\n")
    monkeypatch.setattr(demand.platform, "system", lambda: "Darwin")
    assert has_readers() is None
