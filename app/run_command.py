"""`run`: the live pipeline without a window, for streamers and scripts."""

import contextlib
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app import settings as settings_file
from app.camera import camera_path
from app.film import Film
from app.output import Output, file_identity, open_output, parse_output
from app.pipeline import Parts, Pipeline
from app.settings import Settings, parse_size
from app.status import Stats, Status
from matting_core.background import open_background
from matting_core.background_spec import existing_spec
from matting_core.errors import MattecamError, OutputError, UsageError
from matting_core.inputs import is_file, why_no_file
from matting_core.presets import live_preset
from matting_core.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

log = logging.getLogger(__name__)

REPORT_S = 5.0
OPTIONS = {name: f"--{name.replace('_', '-')}" for name in ("camera", "background", "fps_cap", "load_limit")}
"""What the command line calls settings."""


def run(output: str, seconds: float | None, as_json: bool, size: str | None = None, **given: str | int | None) -> int:
    """Run until `seconds` are over, a signal comes or a stage fails; the exit code. Raises what made a stage fail.

    output: 'virtual', 'virtual:DEVICE', 'null' or a video file. size: 'WIDTHxHEIGHT' of the camera's picture and of the
    output's. given: settings by name; those that are None or left out are as the user saved them.
    """
    kind, target = parse_output(output)
    to_camera = kind == "virtual"
    if to_camera and target:
        given["virtual_camera_device"] = target
    settings = _settings(size, virtual_camera=to_camera, **given)
    _say_looks(settings)
    # The signals first: a recording that is open already must be finished, too.
    with _signals() as interrupted:
        outputs = () if to_camera else (_open(output, kind, settings),)
        recording = file_identity(Path(target)) if kind == "file" else None
        pipeline = Pipeline(settings, Parts(outputs=outputs, must_open=True))
        began_s = time.monotonic()
        pipeline.start()
        try:
            _watch(pipeline, interrupted, None if seconds is None else began_s + seconds)
        finally:
            ended_s = time.monotonic()
            status = pipeline.status()
            joined = pipeline.stop()
    failure = pipeline.failure
    if failure is not None:
        stats = pipeline.run_stats()
        if joined and recording and not (stats.shown or stats.repeated):
            _take_back(Path(target), recording)
        if to_camera and isinstance(failure.__cause__, OutputError):
            failure.mend += " Without one, --output FILE.mp4 records what would be sent."
        raise failure
    if not joined:
        raise MattecamError("A part of Mattecam did not stop in time.", "Report it with the log of --debug.")
    _report(pipeline, status, settings, (began_s, ended_s), as_json)
    return 0


def _settings(size: str | None, **given: str | int | None) -> Settings:
    """The saved settings with what was given on the command line. Raises UsageError and MediaError."""
    saved, notices = settings_file.load()
    for notice in notices:
        print(f"mattecam: {notice}", file=sys.stderr)
    named = {name: value for name, value in given.items() if value is not None}
    if size is not None:
        named |= dict.fromkeys(("camera_size", "output_size"), size)
    settings = saved.changed(OPTIONS, **named)
    if "camera" in named:
        _check_camera(settings.camera)
    _check_background(settings, given="background" in named)
    return settings


def _say_looks(settings: Settings) -> None:
    """Say what may surprise: that green stands for transparent, and saved looks without an option."""
    if settings.background == "transparent":
        told = "Transparent areas are sent as green: virtual cameras and recordings cannot carry transparency."
        print(f"mattecam: {told}", file=sys.stderr)
    looks = settings.scene().model_dump(exclude_defaults=True, exclude={"background"})
    if looks:
        told = ", ".join(f"{name} {value}" for name, value in looks.items())
        print(f"mattecam: These settings of the window also apply: {told}.", file=sys.stderr)


def _open(output: str, kind: str, settings: Settings) -> Output | Film:
    opened = open_output(output, parse_size(settings.output_size), settings.output_fps)
    return Film(opened) if kind == "file" else opened


def _take_back(path: Path, recording: tuple[int, int]) -> None:
    """Delete this run's recording of slates alone, which is in the way of the next try, if it is still that file."""
    with contextlib.suppress(OSError):
        if file_identity(path) == recording:
            path.unlink()


def _check_camera(camera: str) -> None:
    """UsageError for a file that is not there: unlike a device, nobody might still plug it in."""
    path = camera_path(camera)
    if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not is_file(path):
        raise UsageError(f"The camera file {camera} {why_no_file(path)}.", "Check the path; 'demo' needs no file.")


def _check_background(settings: Settings, given: bool) -> None:
    """Raises UsageError or MediaError now: a plain colour would stand in for it to the end."""
    try:
        open_background(existing_spec(settings.background), *parse_size(settings.output_size)).close()
    except MattecamError as error:
        if not given:
            error.mend = "It was chosen in the window: choose another one there, or add --background."
        raise


def _watch(pipeline: Pipeline, interrupted: threading.Event, until_s: float | None) -> None:
    reported_s = time.monotonic()
    told: set[str] = set()
    live = False
    while not interrupted.wait(0.05):
        now_s = time.monotonic()
        if pipeline.failure is not None or (until_s is not None and now_s >= until_s):
            return
        status = pipeline.status()
        for notice in status.notices:
            if notice.problem not in told:
                told.add(notice.problem)
                print(f"mattecam: {notice.problem} {notice.mend}".rstrip(), file=sys.stderr)
        if status.stats.shown and not live:
            live = True
            print(f"mattecam: Live: {status.source} → {', '.join(status.outputs)}. Ctrl-C stops.", file=sys.stderr)
        if now_s - reported_s >= REPORT_S:
            reported_s = now_s
            print(_line(status), file=sys.stderr)


def _line(status: Status) -> str:
    stats = status.stats
    if not status.provider:
        return "Still starting."
    if status.capture == "resting":
        return f"Resting: no program reads {', '.join(status.outputs)}; the camera is closed."
    return (
        f"{status.source} → {', '.join(status.outputs)}: {stats.matting_fps:.1f} fps with {status.provider} "
        f"({status.preset}), latency {stats.latency_p50_ms:.0f} ms, frames dropped: {stats.dropped}, "
        f"slates sent: {stats.slates}"
    )


def _report(pipeline: Pipeline, status: Status, settings: Settings, ran: tuple[float, float], as_json: bool) -> None:
    """ran: when the run began and ended, monotonic seconds."""
    stats = pipeline.run_stats()
    seconds = ran[1] - ran[0]
    if not as_json:
        ready = f"In the end: {_line(status)}" if status.provider else "It ended before the picture was ready."
        print(f"{stats.shown} frames in {seconds:.1f} s; these and the dropped ones include the start-up. {ready}")
        return
    print(json.dumps(_figures(stats, status, settings, ran)))


def _figures(stats: Stats, status: Status, settings: Settings, ran: tuple[float, float]) -> dict[str, Any]:
    """What --json prints."""
    seconds = ran[1] - ran[0]
    return {
        "frames": stats.shown,
        "seconds": round(seconds, 3),
        "fps": round(stats.shown / seconds, 2),
        "provider": status.provider,
        "engine": status.engine,
        "model": live_preset(status.preset or settings.preset).model_for(settings.model),
        "preset": settings.preset,
        "preset_running": status.preset,
        "preset_switches": [
            {"at_ms": round((switch.at_s - ran[0]) * 1e3), "preset": switch.preset, "why": switch.why}
            for switch in status.switches
        ],
        "fps_cap": settings.fps_cap,
        "load_limit": settings.load_limit,
        "processor_share": round(status.processor_share, 3),
        "input_size": status.input_size,
        "source": status.source,
        "outputs": list(status.outputs),
        "captured": stats.captured,
        "matted": stats.matted,
        "failed": stats.failed,
        "sent": stats.sent,
        "shown": stats.shown,
        "dropped": stats.dropped,
        "dropped_unmatted": stats.dropped_unmatted,
        "dropped_unsent": stats.dropped_unsent,
        "repeated": stats.repeated,
        "slates": stats.slates,
        "latency_ms": {
            "p50": round(stats.latency_p50_ms, 2),
            "p95": round(stats.latency_p95_ms, 2),
            "p99": round(stats.latency_p99_ms, 2),
        },
        "stages": {
            name: {"p50_ms": round(times.p50_ms, 3), "p95_ms": round(times.p95_ms, 3)}
            for name, times in stats.stages.items()
        },
    }


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that both end the run in order; the old handlers come back after."""
    interrupted = threading.Event()
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: interrupted.set()) for number in wanted}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
