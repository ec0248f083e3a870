"""Frames run as a whole: the same canvases as stage by stage, only after a proof, and never after a failure."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from matting_core.engine_fused import Composite, FusedEngine, Slot
from matting_core.engine_recorded import ALONE, CHECK_FIRST, RecordedEngine
from matting_core.errors import InferenceFailed
from matting_core.foreground import blurred_room
from matting_core.frames import Behind, Frame, Image, MattedFrame
from matting_core.fused_smoothing import _Motion
from matting_core.predictor import Predictor
from matting_core.preprocess import restore_alpha
from matting_core.presets import Preset
from matting_core.stabilise_motion import MotionAware
from matting_core.whole_frame import PROOF_FRAMES, WholeFrame
from tests.support.canvas import LEVELS, composed, largest_difference
from tests.support.plain_networks import red_alpha, red_frame, write_red_network

ROOT = Path(__file__).parents[2]
SIZE, NETWORK = (96, 128), (96, 128)
PRESET = Preset("made up", 128)


def picture(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def filmed(index: int) -> Frame:
    """A person on the left, with a soft edge that trembles."""
    matte = np.tile(np.clip(255 - 12 * np.abs(np.arange(SIZE[1]) - 40.0), 0, 255), (SIZE[0], 1))
    grain = np.random.default_rng(index).normal(0, 0.7, (*SIZE, 3))
    seen = np.clip(red_frame(np.rint(matte).astype(np.uint8), 3) + grain, 0, 255).astype(np.uint8)
    return Frame(seen, index / 30, index)


class Live:
    """A predictor with a WholeFrame on the processor, and frames for it."""

    def __init__(self, network: Path) -> None:
        self.whole = WholeFrame("cpu", network)
        self.predictor = Predictor(RecordedEngine("cpu", network), PRESET, "motion", self.whole)
        self.index = 0

    def next(self, behind: Behind | None) -> MattedFrame:
        self.index += 1
        matted = self.predictor.predict(filmed(self.index), behind=behind)
        assert matted is not None
        return matted

    def prepare(self, behind: Behind) -> None:
        self.predictor.prepare(*SIZE, self.predictor.whole_spec(SIZE, behind))

    def settle(self, behind: Behind) -> MattedFrame:
        """The frame by which the whole has taken over, if it is to."""
        self.prepare(behind)
        for _ in range(CHECK_FIRST + PROOF_FRAMES - 1):
            assert self.next(behind).laid is None, "nothing is used before its proof"
        return self.next(behind)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_red_network(tmp_path / "red.onnx")


@pytest.fixture
def live(network: Path) -> Iterator[Live]:
    made = Live(network)
    yield made
    made.predictor.close()
    made.predictor.close()
    assert not ALONE.locked()


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


def turned_round(engine: FusedEngine, composite: Composite) -> Composite:
    """Shows the room in the person's place and the other way round."""
    assert composite.matte is not None
    return replace(composite, matte=255 - composite.matte)


def room_in_a_corner(engine: FusedEngine, composite: Composite) -> Composite:
    canvas = composite.canvas.copy()
    canvas[-1, -1] ^= 8 if engine.spec.blur else 1
    return replace(composite, canvas=canvas)


def other_colours(engine: FusedEngine, composite: Composite) -> Composite:
    assert composite.matte is not None
    canvas = composite.canvas.copy()
    canvas[composite.matte > 0] //= 2
    return replace(composite, canvas=canvas)


def stuck(engine: FusedEngine, composite: Composite) -> Composite:
    """Gives for ever what it gave first."""
    assert composite.matte is not None
    copied = Composite(composite.canvas.copy(), {}, composite.matte.copy())
    first: Composite = vars(engine).setdefault("first", copied)
    return first


@pytest.mark.parametrize("behind", [Behind(picture(1), 0.0, True), Behind(None, 5.0, True)])
@pytest.mark.parametrize("fault", [turned_round, room_in_a_corner, other_colours, stuck])
def test_what_makes_other_canvases_is_not_used(
    fault: Callable[..., Composite], behind: Behind, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = FusedEngine.collect
    monkeypatch.setattr(FusedEngine, "collect", lambda self, slot: fault(self, collect(self, slot)))
    assert live.settle(behind).laid is None
    for _ in range(3 * CHECK_FIRST):
        assert live.next(behind).laid is None


@pytest.mark.parametrize("level", [1.0, float("nan")])
def test_what_smooths_in_another_way_is_not_used(level: float, network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a first frame it answers as it should, which all else could be proved with; for others with a constant."""
    push = _Motion.push

    def holed(motion: _Motion, alpha: str, guide: str) -> str:
        g = motion._g
        known = g.add("Less", motion._known, g.number(1))
        return g.add("Where", known, push(motion, alpha, guide), g.number(level))

    monkeypatch.setattr(_Motion, "push", holed)
    live, behind = Live(network), Behind(picture(1), 0.0, True)
    live.prepare(behind)
    assert live.whole._ready is not None, "a first frame is as it should be"
    for _ in range(4 * CHECK_FIRST):
        assert live.next(behind).laid is None
    assert live.whole._ready is None
    live.predictor.close()


def test_what_smooths_in_another_way_is_not_found_fit_while_all_moves(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut in every frame leaves nothing to smooth."""
    push = _Motion.push

    def all_person(motion: _Motion, alpha: str, guide: str) -> str:
        g = motion._g
        raw = g.add("Equal", push(motion, alpha, guide), alpha)
        return g.add("Where", raw, alpha, g.number(1))

    monkeypatch.setattr(_Motion, "push", all_person)
    live, behind = Live(network), Behind(picture(1), 0.0, True)
    live.prepare(behind)
    for index in range(6 * CHECK_FIRST):
        jump = np.roll(filmed(0).image, 16 * (index % 3), axis=1) // (1 + index % 2)
        matted = live.predictor.predict(Frame(jump, index / 30, index), behind=behind)
        assert matted is not None
        assert matted.laid is None
    live.predictor.close()


def test_a_nan_that_is_remembered_gives_no_canvas_and_ends_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it lies is not where least and greatest would find it."""
    behind = Behind(picture(1), 0.0, True)
    live.settle(behind)
    assert live.whole._ready is not None
    memory = live.whole._ready.engine._state["memory"].host
    memory[0, 0, 50:52, 40:42] = np.nan
    assert all(live.next(behind).laid is None for _ in range(3))


@pytest.mark.parametrize("number", [2, 3, 7])
def test_a_fault_that_begins_later_in_the_proof_is_found(
    number: int, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run is the mirror image, the next six are the frames."""
    collect, ran = FusedEngine.collect, 0

    def late(engine: FusedEngine, slot: Slot) -> Composite:
        nonlocal ran
        ran += 1
        composite = collect(engine, slot)
        if ran < number:
            return composite
        return other_colours(engine, composite) if number == 1 + PROOF_FRAMES else turned_round(engine, composite)

    monkeypatch.setattr(FusedEngine, "collect", late)
    behind = Behind(picture(1), 0.0, True)
    assert live.settle(behind).laid is None
    assert live.whole._ready is None


def test_a_few_pixels_of_the_room_are_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    collect = FusedEngine.collect

    def stray(engine: FusedEngine, slot: Slot) -> Composite:
        composite = collect(engine, slot)
        assert composite.matte is not None
        matte, canvas = composite.matte.copy(), composite.canvas.copy()
        matte[-4:, -4:] = 255
        canvas[-4:, -4:] = slot.buffers["frame"].host[-4:, -4:]
        return replace(composite, matte=matte, canvas=canvas)

    monkeypatch.setattr(FusedEngine, "collect", stray)
    assert live.settle(Behind(picture(1), 0.0, True)).laid is None


@pytest.mark.parametrize("what", ["reset", "another kind of frames"])
def test_a_proof_that_is_broken_off_is_begun_anew(what: str, live: Live) -> None:
    """With another scene: who went on would find other mattes than the stages, and give up a good graph."""
    behind, index = Behind(picture(1), 0.0, True), 0

    def see(onto: Behind, upside_down: bool) -> bool:
        nonlocal index
        index += 1
        image = filmed(index).image
        seen = np.ascontiguousarray(image[::-1, ::-1]) if upside_down else image
        matted = live.predictor.predict(Frame(seen, index / 30, index), behind=onto)
        assert matted is not None
        return matted.laid is not None

    live.prepare(behind)
    for _ in range(CHECK_FIRST + 2):
        assert not see(behind, False)
    if what == "reset":
        live.predictor.reset()
    else:
        assert not any(see(Behind(picture(1), 0.0, False), True) for _ in range(PROOF_FRAMES))
    assert not any(see(behind, True) for _ in range(CHECK_FIRST + PROOF_FRAMES - 1))
    assert see(behind, True)


@pytest.mark.parametrize("where", ["collect", "load", "reset"])
def test_a_proof_that_breaks_off_costs_no_frame(where: str, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise MemoryError("no memory")

    behind = Behind(picture(1), 0.0, True)
    live.prepare(behind)
    monkeypatch.setattr(FusedEngine, where, failing)
    for _ in range(2 * CHECK_FIRST):
        assert live.next(behind).laid is None
    assert live.whole._ready is None


def test_nothing_is_run_while_another_lays_out_the_gpus_memory(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    compose = FusedEngine.compose
    behind = Behind(picture(1), 0.0, True)
    live.prepare(behind)
    monkeypatch.setattr(FusedEngine, "compose", lambda self, slot: (ran.append(live.index), compose(self, slot)))
    live.next(None)  # the engine, too, is alone while it lays out its own
    with ALONE:
        for _ in range(2 * CHECK_FIRST):
            assert live.next(behind).laid is None
    assert not ran
    live.next(behind)
    assert ran == [live.index] * 2, "the frame and its mirror image"
    with ALONE:
        live.next(behind)
    assert ran[-1] == live.index - 1, "the row of frames is broken off"
    assert any(live.next(behind).laid is not None for _ in range(4 * CHECK_FIRST))


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


def test_where_nobody_is_seen_it_has_to_wait_for_its_proof(live: Live) -> None:
    behind, nobody = Behind(picture(1), 0.0, True), red_frame(np.zeros(SIZE, np.uint8), 1)
    live.prepare(behind)
    for index in range(2 * CHECK_FIRST):
        matted = live.predictor.predict(Frame(nobody, index / 30, index), behind=behind)
        assert matted is not None
        assert matted.laid is None
    assert any(live.next(behind).laid is not None for _ in range(4 * CHECK_FIRST))


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


@pytest.mark.gpu
@pytest.mark.parametrize("smoothing", ["off", "motion"])
@pytest.mark.parametrize("blur", [0.0, 45.0])
@pytest.mark.parametrize("name", ["modnet_photographic", "mattecam_fast"])
def test_a_gpu_passes_the_proof(name: str, blur: float, smoothing: str) -> None:
    """With the shipped networks in float16, on the demo portrait at 1080p, moved a little from frame to frame."""
    model = ROOT / "models" / f"{name}.onnx"
    portrait = cv2.imread(str(ROOT / "assets" / "demo_portrait.jpg"))
    assert portrait is not None
    wide = cv2.resize(portrait, (2000, 1080), interpolation=cv2.INTER_AREA)
    background = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    behind = Behind(None if blur else background, blur, True)
    predictor = Predictor(RecordedEngine("cuda", model), Preset("made up", 512), smoothing, WholeFrame("cuda", model))
    laid = []
    for index in range(3 * CHECK_FIRST):
        frame = Frame(np.ascontiguousarray(wide[:, index : index + 1920]), index / 30, index)
        matted = predictor.predict(frame, behind=behind)
        assert matted is not None
        laid.append(matted.laid is not None)
        if not index:
            predictor.prepare(1080, 1920, predictor.whole_spec((1080, 1920), behind))
    assert all(laid[2 * CHECK_FIRST :])
    predictor.close()
