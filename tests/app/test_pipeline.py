"""The live pipeline with made-up devices: every frame accounted for, every fault survived, the room never sent."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.settings import Settings
from matting_core.errors import EngineError, SourceError
from matting_core.pictures import read_image
from tests.support.rig import BACKGROUND_BGR, SETTINGS, Rig, assert_accounted
from tests.support.room import HEIGHT, WIDTH, GreenEngine, GreenEngines, RoomSource


def test_every_frame_is_accounted_for_and_the_person_stands_on_the_background(rig: Rig) -> None:
    pipeline = rig.build()
    rig.until(lambda: pipeline.status().stats.shown >= 20)
    status = pipeline.status()
    assert (status.capture, status.matting, status.output) == ("running", "running", "running")
    assert (status.engine, status.provider, status.input_size) == ("auto", "made up", "512x320")
    assert rig.shows_person()
    newest = rig.memory.newest
    assert newest is not None
    assert tuple(newest[4, 4]) == BACKGROUND_BGR
    assert pipeline.stop()
    stats = pipeline.run_stats()
    assert_accounted(stats)
    assert stats.sent == rig.memory.sent
    assert 0 < stats.latency_p50_ms <= stats.latency_p95_ms <= stats.latency_p99_ms


def test_the_outputs_get_slates_before_the_first_frame_and_at_the_end(rig: Rig) -> None:
    engines = GreenEngines()
    engines.may_load.clear()
    pipeline = rig.build(create_engine=engines)
    rig.until(lambda: pipeline.status().stats.slates >= 3)
    assert not rig.shows_person()
    engines.may_load.set()
    rig.until(rig.shows_person)
    pipeline.stop()
    assert not rig.shows_person(), "the last picture sent must not be a frozen person"


def test_a_slow_engine_drops_frames_and_never_queues_them(rig: Rig) -> None:
    pipeline = rig.build(create_engine=GreenEngines(delay_s=0.1))
    rig.until(lambda: pipeline.status().stats.shown >= 5)
    pipeline.stop()
    stats = pipeline.run_stats()
    assert stats.dropped_unmatted > 2 * stats.matted
    assert stats.latency_p50_ms < 400, "a queue would grow older and older"
    assert_accounted(stats)


@pytest.mark.parametrize("kind", ["raise", "nan", "bug"])
def test_one_failed_inference_is_a_slate_and_the_engine_stays(rig: Rig, kind: str) -> None:
    engines = GreenEngines({6: kind})
    pipeline = rig.build(create_engine=engines)
    rig.until(lambda: pipeline.status().stats.shown >= 20)
    pipeline.stop()
    assert pipeline.run_stats().failed == 1
    assert len(engines.built) == 1
    assert_accounted(pipeline.run_stats())


def test_three_failures_rebuild_the_engine_and_three_more_take_the_next(rig: Rig) -> None:
    always = dict.fromkeys(range(2, 500), "raise")  # the first call is the warm-up
    engines = GreenEngines(always, always)
    pipeline = rig.build(SETTINGS.changed(engine="openvino"), create_engine=engines)
    rig.until(lambda: pipeline.status().stats.shown >= 3)
    assert [engine.name for engine in engines.built] == ["openvino", "openvino", "cpu"]
    assert [engine.closed for engine in engines.built] == [True, True, False]
    status = pipeline.status()
    assert status.engine == "cpu"
    assert status.stats.failed == 6
    assert [notice.key for notice in status.notices] == ["engine"]
    assert "replaced by cpu" in status.notices[0].problem


def test_when_no_engine_is_left_the_stage_fails_once_and_slates_go_on(rig: Rig) -> None:
    def broken(name: str, model: Path) -> GreenEngine:
        raise EngineError("No engine here.", "Install one.")

    pipeline = rig.build(create_engine=broken)
    rig.until(lambda: pipeline.failure is not None, 5.0)
    before = rig.memory.sent
    rig.until(lambda: rig.memory.sent > before + 3)
    status = pipeline.status()
    assert status.matting == "failed"
    assert [(notice.key, notice.mend) for notice in status.notices] == [("matting", "Install one.")]


def test_a_lost_camera_becomes_a_slate_and_comes_back_by_itself(rig: Rig) -> None:
    sources = [RoomSource(frames=30), SourceError("No camera.", "Plug one in."), RoomSource()]

    def next_source(_settings: Settings, demo_if_none: bool) -> RoomSource:
        assert demo_if_none == (len(sources) == 3), "the demo must not take a lost camera's place"
        source = sources.pop(0)
        if isinstance(source, SourceError):
            raise source
        return source

    pipeline = rig.build(open_source=next_source)
    rig.until(rig.shows_person)
    rig.until(lambda: pipeline.status().capture == "waiting")
    rig.until(lambda: not rig.shows_person(), timeout_s=2.0)
    assert [notice.key for notice in pipeline.status().notices] == ["camera"]
    rig.until(rig.shows_person)
    assert pipeline.status().notices == ()


def test_a_source_that_must_open_ends_the_stage(rig: Rig) -> None:
    def none(_settings: Settings, demo_if_none: bool) -> RoomSource:
        raise SourceError("No camera.", "Plug one in.")

    pipeline = rig.build(open_source=none, must_open=True)
    rig.until(lambda: pipeline.failure is not None, 5.0)
    assert str(pipeline.failure) == "No camera. Plug one in."


def test_a_switch_restarts_upstream_and_keeps_the_output(rig: Rig) -> None:
    opened: list[RoomSource] = []

    def open_room(_settings: Settings, demo_if_none: bool) -> RoomSource:
        assert all(source.closed for source in opened), "two sources were open at once"
        opened.append(RoomSource())
        return opened[-1]

    engines = GreenEngines()
    pipeline = rig.build(open_source=open_room, create_engine=engines)
    rig.until(rig.shows_person)
    engines.may_load.clear()
    for engine in ("openvino", "cuda", "cpu"):
        pipeline.apply(pipeline.settings.changed(engine=engine))
    rig.until(lambda: not rig.shows_person())
    engines.may_load.set()
    rig.until(lambda: pipeline.status().engine == "cpu" and rig.shows_person())
    assert not rig.memory.closed
    assert all(engine.closed for engine in engines.built[:-1])
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_live_settings_change_the_picture_without_a_restart(rig: Rig) -> None:
    engines = GreenEngines()
    pipeline = rig.build(create_engine=engines)
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(background="color:#ff0000", mirror=True, smoothing="ofd"))
    rig.until(lambda: rig.memory.newest is not None and tuple(rig.memory.newest[4, 4]) == (0, 0, 255))
    assert len(engines.built) == 1
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_a_background_that_cannot_be_read_leaves_the_old_one_and_is_told(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(background=str(tmp_path / "gone.png")))
    rig.until(lambda: any(notice.key == "background" for notice in pipeline.status().notices))
    rig.until(rig.shows_person)
    assert rig.memory.newest is not None
    assert tuple(rig.memory.newest[4, 4]) == BACKGROUND_BGR


def test_leaving_none_for_a_broken_file_shows_a_colour_and_not_the_room(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build(SETTINGS.changed(background="none"))
    rig.until(lambda: rig.memory.leaks > 3)  # who chooses 'none' shows the room
    told = rig.notice("room")
    assert told is not None
    assert told.problem == "Your room is shown as it is."
    pipeline.apply(pipeline.settings.changed(background=str(tmp_path / "gone.png")))
    rig.until(lambda: rig.notice("room") is None)
    seen, shown = rig.memory.leaks, pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 10)
    assert rig.memory.leaks == seen
    assert rig.shows_person()
    assert rig.memory.newest is not None
    assert tuple(rig.memory.newest[4, 4]) == (0x52, 0x42, 0x3B)
    pipeline.stop()
    rig.memory.leaks = 0


def test_pause_shows_the_slate_and_nothing_else(rig: Rig) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.pause(True)
    rig.until(lambda: not rig.shows_person())
    shown = pipeline.status().stats.shown
    time.sleep(0.2)
    assert pipeline.status().stats.shown == shown
    assert pipeline.status().paused
    pipeline.pause(False)
    rig.until(rig.shows_person)


def test_transparent_gives_alpha_and_chroma(rig: Rig) -> None:
    rig.build(SETTINGS.changed(background="transparent"))
    rig.until(lambda: rig.memory.newest_alpha is not None)
    alpha, canvas = rig.memory.newest_alpha, rig.memory.newest
    assert alpha is not None
    assert canvas is not None
    assert alpha[4, 4] == 0
    assert tuple(canvas[4, 4]) == (0x40, 0xB1, 0x00)
    assert alpha.max() == 255


def test_the_preview_is_handed_out_once_and_the_raw_half_only_on_demand(rig: Rig) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    rig.until(lambda: (preview := pipeline.preview((320, 180))) is not None and preview.before is None)
    pipeline.apply(pipeline.settings.changed(split_view=True))
    rig.until(lambda: (preview := pipeline.preview((320, 180))) is not None and preview.before is not None)


def test_a_snapshot_is_what_was_sent(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.snapshot(tmp_path / "shot.png")
    rig.until(lambda: any(notice.key == "snapshot" for notice in pipeline.status().notices))
    shot = read_image(tmp_path / "shot.png")
    assert shot.shape == (HEIGHT, WIDTH, 3)
    assert tuple(shot[4, 4]) == BACKGROUND_BGR


def test_a_recording_without_pyav_is_told_and_the_picture_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    monkeypatch.setitem(sys.modules, "app.recorder", None)
    pipeline.start_recording(Path("talk.mp4"))
    assert "PyAV, which writes recordings, cannot be loaded" in str(pipeline.status().notices[-1])
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 3)


def test_a_recording_starts_and_stops_while_live(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build()
    path = tmp_path / "film.mp4"
    rig.until(rig.shows_person)
    pipeline.start_recording(path)
    rig.until(lambda: pipeline.status().recording == str(path))
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 10)
    pipeline.stop_recording()
    rig.until(lambda: pipeline.status().recording == "")
    assert path.stat().st_size > 0


def test_blur_sends_no_sharp_room(rig: Rig) -> None:
    """The blurred room keeps the room's colour, so the marker here is its stripes."""
    pipeline = rig.build(SETTINGS.changed(background="blur:60"))
    rig.until(lambda: pipeline.status().stats.shown > 3)
    newest = rig.memory.newest
    assert newest is not None
    corner = newest[:40, :90].astype(int)
    assert np.abs(np.diff(corner, axis=1)).max() <= 6, "the stripes of 20 levels must be gone"
    pipeline.stop()
    rig.memory.leaks = 0
