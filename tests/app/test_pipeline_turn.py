"""Upright cameras, and cameras that are turned while live: whole, without a hang, a slate or a stale network."""

import threading
import time

import pytest

from app import pipeline as pipeline_module
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob
from tests.support.rig import BACKGROUND_BGR, Rig, assert_accounted
from tests.support.room import HEIGHT, WIDTH, GreenEngine, GreenEngines, RoomSource

UPRIGHT = 2 * WIDTH


def test_an_upright_camera_is_shown_whole_with_the_background_beside_it(rig: Rig) -> None:
    pipeline = rig.build(open_source=lambda _settings, **_: RoomSource(height=UPRIGHT))
    rig.until(rig.shows_person)
    newest = rig.memory.newest
    assert newest is not None
    behind = (newest == BACKGROUND_BGR).all(axis=2)
    assert behind[:, : WIDTH // 3].all()
    assert behind[:, -WIDTH // 3 :].all()
    assert pipeline.status().input_size == "256x512"
    pipeline.apply(pipeline.settings.changed(preset="quality"))
    rig.until(lambda: pipeline.status().preset == "quality")
    assert pipeline.status().input_size == "320x640"


def test_a_camera_that_is_turned_while_live_is_met_at_its_own_size(rig: Rig) -> None:
    source, engines = RoomSource(), GreenEngines()
    pipeline = rig.build(open_source=lambda _settings, **_: source, create_engine=engines)
    for height, size in ((HEIGHT, (320, 512)), (UPRIGHT, (512, 256)), (HEIGHT, (320, 512))):
        source.height = height
        rig.until(lambda size=size: any(engine.prepared[-1:] == [size] for engine in engines.built))
        rig.until(rig.shows_person)
        assert pipeline.status().input_size == f"{size[1]}x{size[0]}"
    assert len(engines.built[0].prepared) == 3
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


class SlowAtEachSize(GreenEngine):
    """Takes its time for the first picture of each size, and until `ready` for the very first."""

    def __init__(self, seconds: float, ready: threading.Event) -> None:
        super().__init__()
        self._seconds = seconds
        self.ready = ready

    def predict(self, blob: Blob) -> FloatAlpha:
        if blob.shape[2:] not in self.sizes:
            time.sleep(self._seconds)
        alpha = super().predict(blob)
        self.ready.wait(8.0)
        return alpha


def test_a_network_that_was_warmed_for_a_camera_since_turned_is_loaded_again(rig: Rig) -> None:
    source, ready, let = RoomSource(), threading.Event(), threading.Event()
    ready.set()
    engines = [SlowAtEachSize(0.0, ready), SlowAtEachSize(0.0, let), SlowAtEachSize(0.0, let)]
    left = iter(engines)
    pipeline = rig.build(open_source=lambda _settings, **_: source, create_engine=lambda *_: next(left))
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(preset="quality"))
    rig.until(lambda: engines[1].sizes == [(384, 640)])
    source.height = UPRIGHT
    rig.until(lambda: pipeline.status().input_size == "256x512")
    let.set()
    rig.until(lambda: pipeline.status().preset == "quality")
    assert set(engines[1].sizes) == {(384, 640)}, "no frame met the network that was warm for another size"
    assert engines[1].closed
    assert set(engines[2].sizes) == {(640, 320)}


def test_to_get_ready_for_another_size_is_no_hang(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "HANG_S", 0.8)
    source, ready = RoomSource(), threading.Event()
    ready.set()
    engine = SlowAtEachSize(2.0, ready)
    pipeline = rig.build(open_source=lambda _settings, **_: source, create_engine=lambda *_: engine)
    rig.until(rig.shows_person)
    source.height = UPRIGHT
    rig.until(lambda: engine.sizes[-1:] == [(512, 256)] and len(engine.sizes) > 20)
    rig.until(rig.shows_person)
    assert not pipeline.status().notices
    assert not engine.closed
