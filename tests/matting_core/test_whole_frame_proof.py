"""The proof of a graph for whole frames: what differs from the stages is found before it is used."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from matting_core.engine_fused import Composite, FusedEngine, Slot
from matting_core.engine_recorded import ALONE, CHECK_FIRST, RecordedEngine
from matting_core.frames import Behind, Frame
from matting_core.fused_smoothing import _Motion
from matting_core.predictor import Predictor
from matting_core.presets import Preset
from matting_core.whole_frame import PROOF_FRAMES, WholeFrame
from tests.support.plain_networks import red_frame
from tests.support.whole_live import SIZE, Live, filmed, picture

ROOT = Path(__file__).parents[2]


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


def test_where_nobody_is_seen_it_has_to_wait_for_its_proof(live: Live) -> None:
    behind, nobody = Behind(picture(1), 0.0, True), red_frame(np.zeros(SIZE, np.uint8), 1)
    live.prepare(behind)
    for index in range(2 * CHECK_FIRST):
        matted = live.predictor.predict(Frame(nobody, index / 30, index), behind=behind)
        assert matted is not None
        assert matted.laid is None
    assert any(live.next(behind).laid is not None for _ in range(4 * CHECK_FIRST))


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
