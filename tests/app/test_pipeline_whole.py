"""The live picture where a GPU runs frames as a whole; here the processor stands in for it."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from app import network_loader, stats
from app.settings import Settings
from matting_core.engine import Network
from matting_core.engine_fused import FusedEngine, Slot
from matting_core.engine_recorded import CHECK_FIRST, RecordedEngine
from matting_core.errors import InferenceFailed
from tests.support.plain_networks import write_green_network
from tests.support.rig import BACKGROUND_BGR, SETTINGS, Rig, assert_accounted
from tests.support.room import HEIGHT, PERSON_BGR, WIDTH, RoomSource


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that no frame goes through any more is soon forgotten, and another background soon prepared for."""
    monkeypatch.setattr(stats, "WINDOW_S", 0.3)
    monkeypatch.setattr(network_loader, "SETTLE_S", 0.1)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_green_network(tmp_path / "green.onnx")


def start(rig: Rig, network: Path, settings: Settings = SETTINGS) -> None:
    """Live until the first frame that was run as a whole has been shown."""

    def create(_name: str, _network: Network) -> RecordedEngine:
        return RecordedEngine("cpu", network)

    rig.build(settings, create_engine=create)
    rig.until(lambda: runs_whole(rig), 20.0)


def runs_whole(rig: Rig) -> bool:
    """Whether the newest frames went through the graph, and the output had nothing left to compose."""
    stages = rig.pipeline.status().stats.stages
    return "whole" in stages and not {"infer", "composite"} & set(stages)


def goes_by_stages(rig: Rig) -> bool:
    stages = rig.pipeline.status().stats.stages
    return {"infer", "composite"} <= set(stages) and "whole" not in stages


def shows(rig: Rig, colour: tuple[int, int, int]) -> bool:
    """Whether the corners of the newest canvas are of that colour, and a person is on it."""
    newest = rig.memory.newest
    corners = () if newest is None else (newest[0, 0], newest[0, -1], newest[-1, 0], newest[-1, -1])
    return rig.shows_person() and all(tuple(corner) == colour for corner in corners)


def test_the_person_stands_on_the_background_and_every_frame_is_accounted_for(rig: Rig, network: Path) -> None:
    start(rig, network)
    shown, slates = rig.pipeline.status().stats.shown, rig.pipeline.status().stats.slates
    rig.until(lambda: rig.pipeline.status().stats.shown > shown + 20)
    assert shows(rig, BACKGROUND_BGR)
    status = rig.pipeline.status()
    assert (status.stats.slates, status.stats.failed) == (slates, 0)
    assert rig.pipeline.stop()
    assert_accounted(rig.pipeline.run_stats())


def test_other_looks_are_taken_from_the_next_frame_on(
    rig: Rig, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the graph does not know go by stages meanwhile, and it takes over again after them."""
    picture = np.full((HEIGHT, WIDTH, 3), (90, 60, 30), np.uint8)
    cv2.imwrite(str(tmp_path / "beach.png"), picture)
    made: list[FusedEngine] = []
    make = FusedEngine.__init__

    def counted(engine: FusedEngine, *given: object, **named: object) -> None:
        made.append(engine)
        make(engine, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(FusedEngine, "__init__", counted)
    start(rig, network)
    slates = rig.pipeline.status().stats.slates
    for background, colour in (("color:#102030", (0x30, 0x20, 0x10)), (str(tmp_path / "beach.png"), (90, 60, 30))):
        rig.pipeline.apply(rig.pipeline.settings.changed(background=background))
        rig.until(lambda colour=colour: shows(rig, colour))  # type: ignore[misc]
        rig.until(lambda: runs_whole(rig))
    assert len(made) == 1, "it is not made anew for another picture"
    for other in ({"edge_shift": 2}, {"light_wrap": 0.5}, {"smoothing": "ofd"}):
        before = rig.pipeline.settings
        rig.pipeline.apply(before.changed(**other))
        rig.until(lambda: goes_by_stages(rig))
        rig.pipeline.apply(before)
        rig.until(lambda: runs_whole(rig), 20.0)
        rig.until(lambda: shows(rig, (90, 60, 30)))
    rig.pipeline.apply(rig.pipeline.settings.changed(decontaminate=False))
    rig.until(lambda: len(made) == 2)
    rig.until(lambda: runs_whole(rig), 20.0)
    assert rig.pipeline.status().stats.slates == slates
    assert rig.memory.leaks == 0
    rig.pipeline.apply(rig.pipeline.settings.changed(background="blur:60"))
    rig.until(lambda: len(made) == 3)
    rig.until(lambda: runs_whole(rig), 20.0)
    corner = rig.memory.newest[:40, :60].astype(int)  # type: ignore[index]
    assert np.abs(np.diff(corner, axis=1)).max() <= 6, "the stripes of 20 levels must be gone"
    rig.pipeline.stop()
    rig.memory.leaks = 0  # the blurred room has the colour of the room


def test_transparent_gives_alpha_and_chroma(rig: Rig, network: Path) -> None:
    start(rig, network, SETTINGS.changed(background="transparent"))
    rig.until(lambda: rig.shows_person() and rig.memory.newest_alpha is not None)
    with rig.memory.changed:
        canvas, alpha = rig.memory.newest, rig.memory.newest_alpha
    assert canvas is not None
    assert alpha is not None
    person = np.abs(canvas.astype(int) - PERSON_BGR).max(2) < 8
    assert person.sum() > 1000
    assert alpha[person].min() > 200
    assert alpha[0, 0] == 0


def test_a_frame_that_was_laid_on_the_background_before_is_laid_on_the_new_one(
    rig: Rig, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output thread is told of another background while the frame is still being made."""
    compose = FusedEngine.compose
    asked: list[str] = []

    def slow(engine: FusedEngine, slot: Slot) -> None:
        compose(engine, slot)
        if runs_whole(rig) and not asked:
            asked.append("color:#102030")
            rig.pipeline.apply(rig.pipeline.settings.changed(background=asked[0]))
            rig.until(lambda: shows(rig, (0x30, 0x20, 0x10)))

    monkeypatch.setattr(FusedEngine, "compose", slow)
    start(rig, network)
    rig.until(lambda: bool(asked) and shows(rig, (0x30, 0x20, 0x10)))
    kept = rig.pipeline.status().stats.shown
    rig.until(lambda: rig.pipeline.status().stats.shown > kept + 10)
    assert shows(rig, (0x30, 0x20, 0x10))


def test_a_frame_whose_graph_fails_is_matted_by_stages_and_no_slate_is_shown(
    rig: Rig, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise InferenceFailed("The GPU is gone.")

    start(rig, network)
    slates = rig.pipeline.status().stats.slates
    monkeypatch.setattr(FusedEngine, "compose", failing)
    rig.until(lambda: goes_by_stages(rig))
    shown = rig.pipeline.status().stats.shown
    rig.until(lambda: rig.pipeline.status().stats.shown > shown + 20)
    assert shows(rig, BACKGROUND_BGR)
    assert rig.pipeline.status().stats.slates == slates
    assert rig.pipeline.status().stats.failed == 0


def test_a_camera_that_is_turned_goes_by_stages(rig: Rig, network: Path) -> None:
    """Its picture is placed on the canvas after it was matted."""
    source = RoomSource()

    def create(_name: str, _network: Network) -> RecordedEngine:
        return RecordedEngine("cpu", network)

    rig.build(SETTINGS, create_engine=create, open_source=lambda *_, **__: source)
    rig.until(lambda: runs_whole(rig), 20.0)
    source.height = 2 * WIDTH
    rig.until(lambda: goes_by_stages(rig) and "place" in rig.pipeline.status().stats.stages)
    shown = rig.pipeline.status().stats.shown
    rig.until(lambda: rig.pipeline.status().stats.shown > shown + 3 * CHECK_FIRST)
    assert "whole" not in rig.pipeline.status().stats.stages
    assert rig.pipeline.status().stats.failed == 0
    source.height = HEIGHT
    rig.until(lambda: runs_whole(rig), 20.0)


class Prepared:
    """A predictor that notes what it is to prepare, and tells every background apart."""

    def __init__(self) -> None:
        self.specs: list[object] = []

    def whole_spec(self, _size: tuple[int, int], behind: object) -> object:
        return behind

    def prepare(self, _height: int, _width: int, spec: object) -> None:
        self.specs.append(spec)


def test_a_slider_has_a_graph_made_only_where_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(network_loader.time, "monotonic", lambda: now_s)
    preparation, predictor = network_loader.Preparation(), Prepared()

    def ask(behind: object) -> list[object]:
        preparation.ask(predictor, (WIDTH, HEIGHT), behind)  # type: ignore[arg-type]
        for thread in threading.enumerate():
            if thread.name == "mattecam-prepare":
                thread.join(5.0)
        return predictor.specs

    assert ask(None) == [None], "the network itself at once"
    for strength in range(10):
        now_s += 0.05
        assert ask(strength) == [None]
    now_s += 0.09
    assert ask(9) == [None]
    now_s += 0.02
    assert ask(9) == [None, 9]
    now_s += 1.0
    assert ask(9) == [None, 9], "once"
    for strength in (5, 9, 5):
        now_s += 0.05
        assert ask(strength) == [None, 9], "who goes back and forth waits anew"
