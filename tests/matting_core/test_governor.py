"""Governor: made-up timings in, the moves that they call for out."""

import itertools
from collections.abc import Callable

import pytest

from matting_core.governor import BACKOFF_S, LEAST_FRAMES, SETTLE_S, UP_AFTER_S, Governor, Move
from matting_core.presets import PRESETS, RELEASED, ladder

FAST, BALANCED, QUALITY, ULTRA = PRESETS.values()
COSTS = (1.0, 3.0, 5.0, 20.0)


class Drive:
    """Feeds a governor frames at a fixed interval on a made-up clock, and obeys it at once."""

    def __init__(self, start: str, costs: tuple[float, ...] = COSTS) -> None:
        self.governor = Governor(tuple(PRESETS.values()), costs, start)
        self.now_s = 100.0
        self.moves: list[tuple[float, Move]] = []

    def run(self, seconds: float, cost: Callable[[str], float], interval_s: float = 1 / 30, load: float = 0.0) -> None:
        """cost: seconds a frame takes with the preset of that name."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            spent_s = cost(self.governor.preset.name)
            self.now_s += max(spent_s, interval_s)
            move = self.governor.frame(self.now_s, spent_s, interval_s, load)
            if move is not None:
                self.moves.append((self.now_s, move))
                self.governor.moved(move.preset, self.now_s)

    @property
    def names(self) -> list[str]:
        return [move.preset.name for _, move in self.moves]


def of(fast_ms: float, costs: tuple[float, ...] = COSTS) -> Callable[[str], float]:
    """The real cost of each preset on a machine where the preset fast takes fast_ms."""
    table = dict(zip(PRESETS, costs, strict=True))
    return lambda name: fast_ms / 1e3 * table[name]


def test_what_is_too_slow_goes_down_after_a_second_and_says_why() -> None:
    drive = Drive("quality")
    drive.run(3.0, of(8.0))  # 40 of 33 ms; balanced: 24
    assert drive.names == ["balanced"]
    at_s, move = drive.moves[0]
    assert SETTLE_S <= at_s - 100.0 <= SETTLE_S + (LEAST_FRAMES + 1) * 0.040
    assert move.why == "too slow: 40 of 33 ms"


def test_a_hopeless_preset_is_left_for_the_one_that_fits_in_one_move() -> None:
    drive = Drive("ultra")
    drive.run(4.0, of(9.0))  # 180 ms; quality 45 and balanced 27 of 33 ms
    assert drive.names == ["balanced"]


def test_where_nothing_fits_the_lightest_runs() -> None:
    drive = Drive("ultra")
    drive.run(20.0, of(60.0))
    assert drive.names == ["fast"]
    assert drive.governor.at_bottom


def test_room_is_used_one_step_after_the_other_and_no_further_than_fits() -> None:
    drive = Drive("fast")
    drive.run(30.0, of(3.5))  # 3.5, 10.5, 17.5, 70 ms of 33
    assert drive.names == ["balanced", "quality"]
    assert drive.moves[0][0] - 100.0 == pytest.approx(UP_AFTER_S, abs=0.1)
    assert drive.moves[1][0] - drive.moves[0][0] == pytest.approx(UP_AFTER_S, abs=0.1)
    assert drive.moves[0][1].why == "room for more: 4 of 33 ms"


@pytest.mark.parametrize("start", PRESETS)
@pytest.mark.parametrize("fast_ms", [2.0, 5.0, 7.9, 8.4, 10.0, 10.9, 20.0, 32.0])
def test_it_comes_to_rest_whatever_the_machine_and_the_start(start: str, fast_ms: float) -> None:
    drive = Drive(start)
    drive.run(120.0, of(fast_ms))
    assert len(drive.moves) <= 3
    assert of(fast_ms)(drive.governor.preset.name) <= 1 / 30 or drive.governor.at_bottom


def test_between_the_thresholds_nothing_happens() -> None:
    drive = Drive("balanced")
    drive.run(60.0, lambda _: 0.85 / 30)
    assert drive.moves == []


def test_a_short_hiccup_is_no_reason_to_move() -> None:
    drive = Drive("balanced")
    for _ in range(10):
        drive.run(5.0, lambda _: 0.020)
        drive.run(0.5, lambda _: 0.060)
    assert drive.moves == []


def test_a_preset_that_disappointed_is_tried_again_later_and_ever_less_often() -> None:
    """The table promises that balanced costs three times fast; here it costs ten times as much, or does at first."""
    real = of(5.0, (1.0, 10.0, 20.0, 80.0))
    drive = Drive("fast")
    drive.run(60.0, real)
    assert drive.names == ["balanced", "fast"], "what it really costs was learnt in one try"
    # Load from elsewhere that comes whenever balanced runs: the costs look right, and it fails all the same.
    drive = Drive("balanced")
    while drive.now_s < 100.0 + 600.0:
        drive.run(2.0, of(14.0))
        drive.run(10.0, of(3.0) if drive.governor.preset is FAST else of(14.0))
    downs = [at_s for at_s, move in drive.moves if move.preset is FAST]
    gaps = [after - before for before, after in itertools.pairwise(downs)]
    assert len(downs) <= 6
    assert all(gap >= BACKOFF_S for gap in gaps)


def test_more_time_per_frame_lets_a_preset_be_tried_at_once() -> None:
    drive = Drive("balanced")
    drive.run(3.0, of(12.0))  # 36 of 33 ms
    assert drive.names == ["fast"]
    drive.run(10.0, of(12.0), interval_s=1 / 15)  # 36 of 67 ms: the camera halved its rate
    assert drive.names == ["fast", "balanced"]


def test_the_limit_on_load_moves_down_and_its_figure_is_said() -> None:
    drive = Drive("quality")
    drive.run(2.0, of(1.0), load=1.3)
    assert drive.names == ["balanced"]
    assert drive.moves[0][1].why == "over the limit: 130% of it"
    drive.run(60.0, of(1.0), load=0.9)
    assert drive.names == ["balanced"], "there is time, but no room under the limit"


def test_what_was_measured_while_something_else_went_on_is_not_judged() -> None:
    governor = Governor(tuple(PRESETS.values()), COSTS, "balanced")
    now_s = 0.0
    for _ in range(200):
        now_s += 0.1
        assert governor.frame(now_s, 0.1, 0.033) is None
        governor.hold(now_s)


def test_a_refused_preset_is_never_asked_for() -> None:
    drive = Drive("fast")
    drive.governor.refuse(BALANCED)
    drive.run(30.0, of(3.5))
    assert drive.names == ["quality"]
    drive.run(3.0, of(30.0))
    assert drive.names == ["quality", "fast"]


def test_the_rungs_get_heavier_and_a_model_of_ones_own_has_no_rung_twice() -> None:
    assert ladder() == (FAST, BALANCED, QUALITY, ULTRA)
    assert ladder("my_room") == (FAST, QUALITY, ULTRA), "fast and balanced are one network at one size here"
    assert ladder(RELEASED)[0] is FAST
    costs = [preset.relative_cost() for preset in ladder()]
    assert costs[0] == 1.0
    assert costs == sorted(costs)
