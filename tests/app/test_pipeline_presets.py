"""Presets while live: the next network is loaded beside the one in use, and what auto and a cap do is told."""

import threading
from pathlib import Path

import pytest

from app.calibration import VERSION, Measured, memory_path, this_machine
from app.settings import Settings
from matting_core.atomic import write_atomically
from matting_core.engine import Network
from matting_core.errors import EngineError
from matting_core.model_store import ModelStore
from tests.support.rig import SETTINGS, Rig, assert_accounted
from tests.support.room import GreenEngine, GreenEngines, RoomSource, room_picture


@pytest.mark.parametrize("smoothing", ["motion", "ofd"])
def test_another_preset_takes_over_without_a_slate_or_a_restart(
    rig: Rig, smoothing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who jumps while frames are dropped looks like flicker to OFD, which then mends a matte that was right.
    still = room_picture()
    monkeypatch.setattr("tests.support.room.room_picture", lambda *_: still.copy())
    sources: list[RoomSource] = []

    def open_room(_settings: Settings, demo_if_none: bool) -> RoomSource:
        sources.append(RoomSource())
        return sources[-1]

    engines = GreenEngines()
    pipeline = rig.build(
        SETTINGS.changed(smoothing=smoothing, output_fps=240), open_source=open_room, create_engine=engines
    )
    rig.until(rig.shows_person)
    before = pipeline.status().stats
    engines.may_load.clear()
    pipeline.apply(pipeline.settings.changed(preset="ultra"))
    rig.until(lambda: pipeline.status().stats.shown > before.shown + 20)
    assert pipeline.status().input_size == "512x320", "the old network goes on until the new one is there"
    engines.may_load.set()
    rig.until(lambda: pipeline.status().input_size == "768x448")
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 20)
    status = pipeline.status()
    assert status.stats.slates == before.slates
    assert [(switch.preset, switch.why) for switch in status.switches] == [("ultra", "chosen")]
    assert (status.preset, status.matting, len(sources)) == ("ultra", "running", 1)
    assert [engine.closed for engine in engines.built] == [True, False]
    assert pipeline.stop()
    assert engines.built[-1].closed
    assert_accounted(pipeline.run_stats())


def test_a_preset_that_does_not_start_is_told_and_the_old_one_stays(rig: Rig) -> None:
    engines = GreenEngines()

    def only_one(name: str, model: Path) -> GreenEngine:
        if engines.built:
            raise EngineError("No memory for it.", "Choose a lighter preset.")
        return engines(name, model)

    pipeline = rig.build(create_engine=only_one)
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(preset="ultra"))
    rig.until(lambda: any(notice.key == "preset" for notice in pipeline.status().notices))
    shown, slates = pipeline.status().stats.shown, pipeline.status().stats.slates
    rig.until(lambda: pipeline.status().stats.shown > shown + 20)
    status = pipeline.status()
    assert (status.preset, status.stats.slates) == ("fast", slates)
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_what_was_measured_meanwhile_is_taken_up_without_a_slate(rig: Rig) -> None:
    asked: list[tuple[str, int]] = []
    engines = GreenEngines()

    def create(name: str, network: Network) -> GreenEngine:
        asked.append((network.arithmetic, network.threads))
        return engines(name, network.float32)

    pipeline = rig.build(create_engine=create)
    rig.until(rig.shows_person)
    slates = pipeline.status().stats.slates
    store = ModelStore()
    way = ("openvino", "bf16", 1)
    measured = Measured(version=VERSION, machine=this_machine(store), ways={"fast": way}, costs_ms={}, timings={})
    write_atomically(memory_path(), measured.model_dump_json().encode())
    rig.until(lambda: len(engines.built) == 2 and engines.built[0].closed)
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 5)
    assert asked == [("", 0), ("bf16", 1)]
    assert pipeline.status().stats.slates == slates
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_a_stop_while_a_network_is_loading_leaves_nothing_open(rig: Rig) -> None:
    engines = GreenEngines()
    pipeline = rig.build(create_engine=engines)
    rig.until(rig.shows_person)
    engines.may_load.clear()
    pipeline.apply(pipeline.settings.changed(preset="ultra"))
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 3)
    threading.Timer(0.2, engines.may_load.set).start()
    assert pipeline.stop()
    assert [engine.closed for engine in engines.built] == [True, True]


def test_auto_climbs_while_there_is_room_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_S", "UP_AFTER_S"):
        monkeypatch.setattr(f"matting_core.governor.{name}", 0.02)
    monkeypatch.setattr("app.pace.SPAN_S", 0.1)
    monkeypatch.setattr("matting_core.governor.ROOM", 100.0)
    monkeypatch.setattr("matting_core.governor.TOO_SLOW", 200.0)
    pipeline = rig.build(SETTINGS.changed(preset="auto"))
    rig.until(rig.shows_person)
    slates = pipeline.status().stats.slates
    rig.until(lambda: pipeline.status().preset == "ultra")
    status = pipeline.status()
    assert [switch.preset for switch in status.switches] == ["balanced", "quality", "ultra"]
    assert all(switch.why.startswith("room for more: ") for switch in status.switches)
    assert status.stats.slates == slates, "only those of the start"
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_a_cap_drops_frames_and_counts_them(rig: Rig) -> None:
    pipeline = rig.build(SETTINGS.changed(fps_cap=20))
    rig.until(lambda: pipeline.status().stats.captured >= 100)
    pipeline.stop()
    stats = pipeline.run_stats()
    assert 0 < stats.matted < stats.captured / 2
    assert_accounted(stats)
