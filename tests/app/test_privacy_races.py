"""The room between two threads: an output or a device that takes its time, a crash, a picture turned while live."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.board import Board
from app.mailbox import Mailbox
from app.matting_stage import MattingStage
from app.stats import StatsRecorder
from matting_core.composite import Compositor, Edges
from matting_core.frames import Frame, MattedFrame
from matting_core.presets import find_preset
from tests.support.rig import SETTINGS, Rig
from tests.support.room import (
    HEIGHT,
    PERSON_BGR,
    WIDTH,
    GreenEngines,
    Memory,
    looks_like_the_room,
    room_picture,
)

HIDDEN = SETTINGS.background
LONG_S = 10.0


@pytest.fixture
def open_room() -> Iterator[Rig]:
    """A rig whose user shows the room at first."""
    rig = Rig()
    yield rig
    with rig.memory.changed:
        rig.memory.leaks = 0  # those that were chosen
    rig.finish()


def shows_the_room(rig: Rig) -> bool:
    newest = rig.memory.newest
    return newest is not None and looks_like_the_room(newest) > 1000


def leave_none(rig: Rig) -> None:
    rig.pipeline.apply(rig.pipeline.settings.changed(background=HIDDEN))


class Slow(Memory):
    """A virtual camera that is held up in its first picture after `held_up` was set, until `may_go`."""

    def __init__(self) -> None:
        super().__init__()
        self.held_up, self.inside, self.may_go = threading.Event(), threading.Event(), threading.Event()

    def send(self, *canvas: Any) -> None:
        super().send(*canvas)
        if self.held_up.is_set() and not self.inside.is_set():
            self.inside.set()
            self.may_go.wait(LONG_S)


def test_who_leaves_none_while_one_output_is_held_up_is_not_seen_in_the_next(open_room: Rig) -> None:
    camera = Slow()
    shown = SETTINGS.changed(background="none", virtual_camera=True)
    open_room.build(shown, open_virtual_camera=lambda *_: camera)
    open_room.until(lambda: shows_the_room(open_room))
    camera.held_up.set()
    assert camera.inside.wait(LONG_S)
    before = open_room.memory.leaks
    leave_none(open_room)
    camera.may_go.set()
    sent = camera.sent
    open_room.until(lambda: camera.sent > sent + 5)
    assert open_room.memory.leaks == before


def test_who_hides_while_one_output_is_held_up_is_not_seen_in_the_next(open_room: Rig) -> None:
    camera = Slow()
    open_room.memory = memory = Memory(keep=True)
    pipeline = open_room.build(SETTINGS.changed(virtual_camera=True), open_virtual_camera=lambda *_: camera)
    open_room.until(open_room.shows_person)
    camera.held_up.set()
    assert camera.inside.wait(LONG_S)
    before = len(memory.kept)
    pipeline.pause(True)
    camera.may_go.set()
    open_room.until(lambda: len(memory.kept) > before + 2)
    for canvas in memory.kept[before:]:
        assert (np.abs(canvas.astype(int) - PERSON_BGR).max(2) < 8).sum() == 0


def test_who_leaves_none_while_a_device_is_opened_is_not_seen_on_it(open_room: Rig) -> None:
    camera, opening, may_open = Memory(), threading.Event(), threading.Event()

    def opens_slowly(*_: object) -> Memory:
        opening.set()
        may_open.wait(LONG_S)
        return camera

    open_room.build(SETTINGS.changed(background="none"), open_virtual_camera=opens_slowly)
    open_room.until(lambda: shows_the_room(open_room))
    open_room.pipeline.apply(open_room.pipeline.settings.changed(virtual_camera=True))
    assert opening.wait(LONG_S)
    before = open_room.memory.leaks
    leave_none(open_room)
    may_open.set()
    open_room.until(lambda: camera.sent > 3)
    assert camera.leaks == 0
    assert open_room.memory.leaks == before


def test_a_snapshot_does_not_show_a_room_that_was_left(open_room: Rig, tmp_path: Path) -> None:
    open_room.memory = slow = Slow()
    pipeline = open_room.build(SETTINGS.changed(background="none"))
    open_room.until(lambda: shows_the_room(open_room))
    pipeline.snapshot(tmp_path / "chosen.png")
    open_room.until((tmp_path / "chosen.png").exists)
    slow.held_up.set()
    assert slow.inside.wait(LONG_S)
    pipeline.snapshot(tmp_path / "left.png")
    leave_none(open_room)
    slow.may_go.set()
    open_room.until(lambda: "No snapshot was taken" in getattr(open_room.notice("snapshot"), "problem", ""))
    assert not (tmp_path / "left.png").exists()
    pipeline.snapshot(tmp_path / "hidden.png")
    open_room.until(lambda: open_room.shows_person() and not shows_the_room(open_room))
    open_room.until((tmp_path / "hidden.png").exists)


@pytest.mark.parametrize(("background", "breaks"), [(HIDDEN, "_show"), ("none", "_make_preview")])
def test_the_last_picture_of_an_output_that_breaks_down_is_a_slate(
    open_room: Rig, monkeypatch: pytest.MonkeyPatch, background: str, breaks: str
) -> None:
    camera = Memory()
    shown = SETTINGS.changed(background=background, virtual_camera=True)
    pipeline = open_room.build(shown, open_virtual_camera=lambda *_: camera)
    open_room.until(open_room.shows_person)

    def broken(*_: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(pipeline._output, breaks, broken)
    open_room.until(lambda: camera.closed)
    assert pipeline.failure is not None or pipeline.status().output == "failed"
    assert camera.newest is not None
    assert looks_like_the_room(camera.newest) == 0
    assert (np.abs(camera.newest.astype(int) - PERSON_BGR).max(2) < 8).sum() == 0


@pytest.mark.parametrize("smoothing", ["motion", "ofd"])
@pytest.mark.parametrize("turned", [[12], [*range(10, 24, 2)], [*range(12, 24)]], ids=["once", "held", "for good"])
def test_a_picture_that_is_turned_while_live_gets_no_matte_of_the_other_way_round(
    smoothing: str, turned: list[int]
) -> None:
    """A person at one side: their mirror image's matte would leave nothing but room."""
    settings = SETTINGS.changed(smoothing=smoothing)
    matted: list[MattedFrame] = []
    outbox: Any = SimpleNamespace(put=matted.append)
    stage = MattingStage(
        lambda: settings, (WIDTH, HEIGHT), Mailbox(lambda _: None), outbox, Board(), StatsRecorder(), GreenEngines()
    )
    stage._plan = stage._starter.plan(find_preset("fast"), "auto")
    predictor = stage._starter.open(stage._plan)
    stage._control = SimpleNamespace(matted=lambda *_: None)  # type: ignore[assignment]
    picture = room_picture()
    picture[:] = np.roll(picture, -96, axis=1)
    began_s, stopping = time.monotonic(), threading.Event()
    for index in range(24):
        settings = settings.changed(mirror=index in turned)
        stage._matte(predictor, Frame(picture, began_s + index / 30, index), stopping)
    canvas, behind = np.empty_like(picture), np.full_like(picture, 50)
    compositor = Compositor(WIDTH, HEIGHT)
    assert len(matted) >= 8
    for each in matted:
        compositor.render(each, behind, Edges(), canvas)
        assert looks_like_the_room(canvas) == 0
