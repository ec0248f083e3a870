"""Frames run as a whole: the same canvases as stage by stage, and never after a failure."""

import sys
from pathlib import Path

import numpy as np
import pytest

from matting_core.engine_fused import FusedEngine
from matting_core.engine_recorded import CHECK_FIRST
from matting_core.errors import InferenceFailed
from matting_core.foreground import blurred_room
from matting_core.frames import Behind
from matting_core.preprocess import restore_alpha
from matting_core.stabilise_motion import MotionAware
from tests.support.canvas import LEVELS, composed, largest_difference
from tests.support.plain_networks import red_alpha
from tests.support.whole_live import NETWORK, SIZE, Live, filmed, picture


@pytest.mark.parametrize("blur", [0.0, 5.0])
@pytest.mark.parametrize("decontaminate", [True, False])
def test_it_makes_what_the_stages_make(live: Live, decontaminate: bool, blur: float) -> None:
    behind = Behind(None if blur else picture(1), blur, decontaminate)
    assert live.next(behind).laid is None
    live.settle(behind)
    live.predictor.reset()
    stabiliser = MotionAware()
    for _ in range(6):
        matted = live.next(behind)
        image = filmed(live.index).image
        smoothed = stabiliser.push(red_alpha(image, NETWORK), image, None)
        assert smoothed is not None
        assert matted.frame.index == live.index
        assert largest_difference(matted.alpha, restore_alpha(smoothed[0], *SIZE)) <= 1
        assert matted.laid is not None
        assert matted.laid.behind is behind
        room = picture(1) if behind.picture is not None else blurred_room(image, matted.alpha, blur)
        assert largest_difference(matted.laid.canvas, composed(image, matted.alpha, room, decontaminate)) <= LEVELS


def test_what_it_gave_is_the_callers_own(live: Live) -> None:
    behind = Behind(picture(1), 0.0, True)
    first = live.settle(behind)
    assert first.laid is not None
    kept = first.laid.canvas.copy(), first.alpha.copy()
    for _ in range(3):
        live.next(behind)
    np.testing.assert_array_equal(first.laid.canvas, kept[0])
    np.testing.assert_array_equal(first.alpha, kept[1])


def test_another_picture_is_taken_at_once_and_other_arithmetic_after_a_new_proof(live: Live) -> None:
    live.settle(Behind(picture(1), 0.0, True))
    other = Behind(picture(2), 0.0, True)
    matted = live.next(other)
    assert matted.laid is not None
    room = matted.alpha == 0
    assert room.any()
    np.testing.assert_array_equal(matted.laid.canvas[room], other.picture[room])
    plain = Behind(picture(2), 0.0, False)
    assert live.next(plain).laid is None
    assert live.settle(plain).laid is not None
    assert live.next(other).laid is None, "what was ready for that is gone"


def test_without_a_still_picture_and_with_a_delay_frames_go_stage_by_stage(live: Live) -> None:
    behind = Behind(picture(1), 0.0, True)
    assert live.settle(behind).laid is not None
    assert live.next(None).laid is None
    assert live.next(behind).laid is not None
    live.predictor.set_smoothing("ofd")
    assert live.predictor.predict(filmed(90), behind=behind) is None, "the first frame waits"
    assert live.next(behind).laid is None
    assert live.predictor.whole_spec(SIZE, behind) is None


def test_smoothing_begins_anew_on_either_side(live: Live) -> None:
    """Earlier frames of the other side may be long gone."""
    behind = Behind(picture(1), 0.0, True)
    live.settle(behind)
    for _ in range(5):
        live.next(behind)
    for other in (None, Behind(picture(1), 0.0, False)):
        for by_graph in (False, True):
            matted = live.next(behind if by_graph else other)
            assert (matted.laid is not None) == by_graph
            raw = restore_alpha(red_alpha(filmed(live.index).image, NETWORK), *SIZE)
            np.testing.assert_array_equal(matted.alpha, raw)
        live.next(behind)


def test_a_nan_that_is_remembered_gives_no_canvas_and_ends_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it lies is not where least and greatest would find it."""
    behind = Behind(picture(1), 0.0, True)
    live.settle(behind)
    assert live.whole._ready is not None
    memory = live.whole._ready.engine._state["memory"].host
    memory[0, 0, 50:52, 40:42] = np.nan
    assert all(live.next(behind).laid is None for _ in range(3))


def test_another_background_does_not_make_the_networks_recording_anew(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(live.predictor.engine, "prepare", made.append)
    for decontaminate in (True, False):
        live.prepare(Behind(picture(1), 0.0, decontaminate))
    assert made == [NETWORK]


def test_a_picture_too_small_for_the_graph_goes_stage_by_stage(live: Live) -> None:
    assert live.predictor.whole_spec((95, 200), Behind(picture(1), 0.0, True)) is None


def test_after_a_failure_it_is_not_used_again_and_the_frame_is_matted_all_the_same(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise InferenceFailed("The GPU is gone.")

    behind = Behind(picture(1), 0.0, True)
    live.settle(behind)
    with monkeypatch.context() as patched:
        patched.setattr(FusedEngine, "compose", failing)
        assert live.next(behind).laid is None
    live.prepare(behind)
    for _ in range(2 * CHECK_FIRST):
        assert live.next(behind).laid is None


def test_without_the_package_onnx_frames_go_stage_by_stage(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matting_core.fused_graph", None)
    assert live.settle(Behind(picture(1), 0.0, True)).laid is None


def test_what_is_ready_only_after_the_end_is_dropped(network: Path) -> None:
    live = Live(network)
    live.predictor.close()
    live.prepare(Behind(picture(1), 0.0, True))
    assert live.whole._ready is None


def test_a_background_that_comes_back_needs_no_new_graph(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(picture(1), 0.0, True)
    live.settle(behind)
    live.next(None)
    monkeypatch.setattr("matting_core.whole_frame.FusedEngine", None)  # so that nothing can be made
    live.prepare(behind)
    assert live.next(behind).laid is not None
