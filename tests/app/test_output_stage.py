"""The output stage's pace: blending and sending are no pause on top of the pause, and previews are for who watches."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app import output_stage
from app.board import Board
from app.mailbox import Mailbox
from app.matting_stage import Blank
from app.output_stage import OutputStage
from app.settings import Settings
from app.stats import StatsRecorder
from matting_core.fit import within
from matting_core.frames import Frame, Image, MattedFrame
from tests.support.rig import SETTINGS

SEND_S = 0.010


class Bench:
    """An output stage on a clock of its own, on which only sending and waiting take time."""

    def __init__(self, fps: int) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []
        self.heeded: Settings = SETTINGS
        self.inbox: Mailbox[MattedFrame | Blank] = Mailbox(lambda _item: None)
        self.settings = SETTINGS.changed(output_fps=fps)
        self.demand: Any = SimpleNamespace(wanted=threading.Event(), preview_taken=lambda: None, previewed=True)
        opener: Any = None
        self.stage = OutputStage(
            lambda: self.settings,
            (320, 180),
            self.inbox,
            Board(),
            StatsRecorder(),
            threading.Event(),
            opener,
            self.demand,
        )

    def send(self, *_: object) -> None:
        self.now_s += SEND_S

    def refresh(self, settings: Settings) -> None:
        self.heeded = settings

    def wait(self, timeout_s: float) -> None:
        self.pauses.append(timeout_s)
        self.now_s += timeout_s

    def step(self) -> None:
        itself: Any = self  # stands for the outputs and for the stop flag
        self.inbox.put(Blank())
        self.stage._step(itself, self.settings, itself)


def build(monkeypatch: pytest.MonkeyPatch, fps: int) -> Bench:
    bench = Bench(fps)
    monkeypatch.setattr(output_stage, "time", SimpleNamespace(monotonic=lambda: bench.now_s))
    return bench


@pytest.mark.parametrize(
    ("fps", "source_fps", "least", "most"), [(60, 1000, 60, 62.5), (60, 60, 59.9, 60.1), (240, 1000, 95, 100)]
)
def test_no_more_is_sent_than_asked_and_sending_does_not_slow_it_down(
    monkeypatch: pytest.MonkeyPatch, fps: int, source_fps: int, least: float, most: float
) -> None:
    """Sending takes SEND_S, which is no pause on top of the pause; at the camera's own rate no frame waits."""
    bench = build(monkeypatch, fps)
    began_s = bench.now_s
    for number in range(300):
        bench.now_s = max(bench.now_s, began_s + number / source_fps)
        bench.step()
    bench.stage._backgrounds.close()
    assert least <= 300 / (bench.now_s - began_s) <= most
    if source_fps == fps:
        assert not any(pause_s > 1e-9 for pause_s in bench.pauses)


def test_a_preview_is_made_for_who_takes_it_and_once_a_second_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = build(monkeypatch, 30)
    made: list[object] = []
    monkeypatch.setattr(output_stage, "within", lambda *given: made.append(given) or within(*given))
    seen = []
    for watched in (True, False):
        bench.demand.previewed = watched
        made.clear()
        until_s = bench.now_s + 3.0
        while bench.now_s < until_s:
            bench.step()
        seen.append(len(made))
    bench.stage._backgrounds.close()
    assert seen[0] > 60
    assert 2 <= seen[1] <= 4
    assert bench.stage.take_preview((320, 320)) is not None, "who comes back sees something at once"


def test_previews_fit_the_space_that_was_told_and_leave_no_other_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = build(monkeypatch, 30)
    whole = (320, 180)
    for space, size in (((200, 900), (200, 112)), ((900, 90), (160, 90)), (whole, whole), ((4000, 4000), whole)):
        bench.stage.take_preview(space)
        bench.now_s += 1
        bench.step()
        preview = bench.stage.take_preview(space)
        assert preview is not None and preview.canvas == whole
        assert preview.image.shape == (size[1], size[0], 3)
        assert len(bench.stage._arrays._kept) <= 2, "with the half that it was made from"
    bench.stage._backgrounds.close()


def matted(at_s: float) -> MattedFrame:
    image = np.full((180, 320, 3), 200, np.uint8)
    return MattedFrame(Frame(image, at_s, 0), np.zeros((180, 320), np.uint8))


class Kept(Bench):
    """Keeps what is sent, and whether it was called a slate."""

    def __init__(self) -> None:
        super().__init__(30)
        self.demand.wanted.set()
        self.kept: list[tuple[Image, bool]] = []

    def send(self, canvas: Image, alpha: object, at_s: float, slate: bool, withheld: Callable[[], bool]) -> None:
        super().send()
        if not withheld():
            self.kept.append((canvas.copy(), slate))

    def next(self, item: MattedFrame | Blank | None) -> None:
        itself: Any = self
        if item is not None:
            self.inbox.put(item)
        self.stage._step(itself, self.settings, itself)

    def opened(self, spec: str) -> None:
        """Choose a background and wait until it is open."""
        self.settings = self.settings.changed(background=spec)
        while self.stage._backgrounds.current(self.settings) is None or self.stage._backgrounds.spec != spec:
            time.sleep(0.005)


def test_who_leaves_none_while_a_frame_is_waited_for_is_not_seen_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Kept()
    monkeypatch.setattr(output_stage, "time", SimpleNamespace(monotonic=lambda: bench.now_s))
    bench.opened("none")
    bench.next(matted(bench.now_s))
    assert (bench.kept[-1][0] == 200).all(), "the room, which was chosen"
    take = bench.inbox.take

    def leave(timeout_s: float) -> MattedFrame | Blank | None:
        bench.settings = bench.settings.changed(background="color:#102030")
        return take(timeout_s)

    monkeypatch.setattr(bench.inbox, "take", leave)
    bench.next(matted(bench.now_s))
    bench.stage._backgrounds.close()
    assert not (bench.kept[-1][0] == 200).all(axis=2).any()
    assert bench.heeded.background == "color:#102030", "the outputs heed it as well, such as a camera switched off"


def test_a_room_that_was_shown_is_not_repeated_once_it_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is seen before the wait for a frame, in which the new background opens and no frame comes."""
    bench = Kept()
    monkeypatch.setattr(output_stage, "time", SimpleNamespace(monotonic=lambda: bench.now_s))
    bench.opened("none")
    bench.next(matted(bench.now_s))
    bench.settings = bench.settings.changed(background="color:#102030")

    def nothing(timeout_s: float) -> None:
        while bench.stage._backgrounds.current(bench.settings) is None:
            time.sleep(0.005)

    monkeypatch.setattr(bench.inbox, "take", nothing)
    for _ in range(3):
        bench.next(None)
        assert not (bench.kept[-1][0] == 200).all(axis=2).any()
    bench.stage._backgrounds.close()


def test_no_preview_of_the_room_waits_for_who_looks_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody takes them, one is made a second."""
    bench = Kept()
    bench.demand.previewed = False
    monkeypatch.setattr(output_stage, "time", SimpleNamespace(monotonic=lambda: bench.now_s))
    bench.opened("none")
    bench.next(matted(bench.now_s))
    assert bench.stage._preview is not None
    bench.settings = bench.settings.changed(background="color:#102030")
    bench.next(matted(bench.now_s))
    assert bench.stage.take_preview((320, 320)) is None
    bench.stage._backgrounds.close()


def test_a_slate_is_not_repeated_as_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Kept()
    monkeypatch.setattr(output_stage, "time", SimpleNamespace(monotonic=lambda: bench.now_s))
    bench.opened("color:#102030")
    bench.stage._paused.set()
    bench.next(matted(bench.now_s))
    assert bench.kept[-1][1], "the slate is called one"
    bench.stage._paused.clear()
    bench.next(None)
    bench.next(None)
    bench.stage._backgrounds.close()
    for canvas, slate in bench.kept[-2:]:
        assert not slate
        assert (canvas == (0x30, 0x20, 0x10)).all()
