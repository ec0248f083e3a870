"""PresetControl: what it makes of a load that is not the preset's own, and of a choice anew."""

from collections.abc import Sequence

import pytest

from app.board import Board
from app.preset_control import PresetControl
from app.settings import Settings
from matting_core.errors import EngineError
from matting_core.frames import Frame
from matting_core.presets import Preset, find_preset
from tests.support.room import room_picture

AUTO = Settings(camera="demo", preset="auto", load_limit=50)
INTERVAL_S = 1 / 30
LIGHT_S = 0.004


class Live:
    """Frames at 30 a second on made-up time; `cores_busy` is what the process uses of four cores."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, costs: Sequence[float] = (1.0, 3.0, 5.0, 17.0)) -> None:
        self.now_s = self.cpu_s = 0.0
        self.cores_busy = 0.2
        self.index = 0
        monkeypatch.setattr("app.pace._own_cpu_seconds", lambda: self.cpu_s)
        monkeypatch.setattr("app.pace.os.cpu_count", lambda: 4)
        self.board = Board()
        self.costs = list(costs)
        self.control = PresetControl(AUTO, find_preset("fast"), self.board, self._costs, lambda: self.now_s)
        self.picture = room_picture(0)

    def _costs(self, presets: Sequence[Preset]) -> list[float]:
        return self.costs[: len(presets)]

    def frames(self, seconds: float, loading: bool = False) -> list[str]:
        """The presets that are wanted during that time."""
        wanted = []
        for _ in range(round(seconds / INTERVAL_S)):
            self.now_s += INTERVAL_S
            self.cpu_s += self.cores_busy * INTERVAL_S
            self.index += 1
            self.control.admits(Frame(self.picture, self.now_s, self.index), AUTO)
            self.control.matted(LIGHT_S, "openvino", AUTO, loading)
            wanted.append(self.control.wanted(AUTO).name)
        return wanted


def test_what_loading_costs_is_not_laid_to_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    assert live.frames(10.0)[-1] == "balanced"
    live.cores_busy = 4.0
    live.frames(3.0, loading=True)
    live.control.moved(find_preset("balanced"))
    live.cores_busy = 0.4
    assert "fast" not in live.frames(4.0)


def test_what_was_measured_before_it_is_forgotten_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    assert live.frames(10.0)[-1] == "balanced"
    live.control.moved(find_preset("balanced"))
    live.cores_busy = 4.0
    live.frames(0.9)
    live.control.forget()
    live.cores_busy = 0.4
    assert "fast" not in live.frames(4.0)


def test_a_load_that_stays_over_the_limit_does_bring_it_down(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    live.frames(10.0)
    live.control.moved(find_preset("balanced"))
    live.cores_busy = 3.0
    assert live.frames(4.0)[-1] == "fast"


def test_who_chooses_what_auto_had_moved_to_chose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    live.frames(10.0)
    live.control.moved(find_preset("balanced"))
    assert live.board.read().switches[-1].why != "chosen"
    live.control.wanted(AUTO.changed(preset="balanced"))
    last = live.board.read().switches[-1]
    assert (last.preset, last.why) == ("balanced", "chosen")


def test_a_choice_anew_clears_what_was_said_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    live.board.say("preset", EngineError("Ultra does not start.", "Choose another."), "warning")
    assert live.control.wanted(AUTO.changed(preset="fast")).name == "fast"
    assert not live.board.read().notices


def test_costs_that_are_known_only_later_count_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch, [1.0, 30.0, 60.0, 120.0])
    assert set(live.frames(10.0)) == {"fast"}, "far too dear, as far as is known"
    live.costs = [1.0, 2.0, 60.0, 120.0]
    assert live.frames(10.0)[-1] == "balanced"


def test_a_network_that_cannot_start_is_not_asked_for_again_when_costs_change(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(monkeypatch)
    assert live.frames(10.0)[-1] == "balanced"
    live.control.refused(find_preset("balanced"))
    live.costs = [1.0, 2.0, 60.0, 120.0]
    assert set(live.frames(20.0)) == {"fast"}
