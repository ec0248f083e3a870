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
from app.output import Output, file_identity, open_output, parse_output
from app.pipeline import Parts, Pipeline
from app.settings import Settings, parse_size
from app.status import Status
from matting_core.background import open_background
from matting_core.background_spec import existing_spec
from matting_core.errors import MattecamError, OutputError, UsageError
from matting_core.pictures import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from matting_core.presets import live_preset

log = logging.getLogger(__name__)

REPORT_S = 5.0


def run(
    camera: str | None,
    background: str | None,
    output: str,
    preset: str | None,
    engine: str | None,
    seconds: float | None,
    as_json: bool,
    model: str | None = None,
    fps_cap: int | None = None,
    load_limit: int | None = None,
    size: str | None = None,
) -> int:
    """Run until `seconds` are over, a signal comes or a stage fails; options left out come from the user's settings.

    output: 'virtual', 'null' or a video file. size: 'WIDTHxHEIGHT' of the camera's picture and of the output's. Raises
    what made a stage fail; returns the exit code.
    """
    saved, notices = settings_file.load()
    for notice in notices:
        print(f"mattecam: {notice}", file=sys.stderr)
    settings = _chosen(
        saved,
        size,
        virtual_camera=output == "virtual",
        camera=camera,
        background=background,
        preset=preset,
        engine=engine,
        model=model,
        fps_cap=fps_cap,
        load_limit=load_limit,
    )
    if camera is not None:
        _check_camera(camera)
    _check_background(settings, given=background is not None)
    if settings.background == "transparent":
        print("mattecam: What is transparent is sent as green: a camera or film has no transparency.", file=sys.stderr)
    looks = _windows_looks(settings)
    if looks:
        print(f"mattecam: As chosen in the window: {looks}.", file=sys.stderr)
    # The signals first: a recording that is open already must be finished, too.
    with _signals() as interrupted:
        outputs = _open_outputs(output, settings)
        kind, target = parse_output(output)
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
        if output == "virtual" and isinstance(failure.__cause__, OutputError):
            failure.mend += " Without one, --output FILE.mp4 records what would be sent."
        raise failure
    if not joined:
        raise MattecamError("A part of Mattecam did not stop in time.", "Report it with the log of --debug.")
    _report(pipeline, status, settings, (began_s, ended_s), as_json)
    return 0


def _chosen(saved: Settings, size: str | None, **given: str | int | None) -> Settings:
    """The saved settings with what was given on the command line. Raises UsageError."""
    if size is not None:
        width, height = parse_size(size)
        given |= dict.fromkeys(("camera_size", "output_size"), f"{width}x{height}")
    return saved.changed(**{name: value for name, value in given.items() if value is not None})


def _windows_looks(settings: Settings) -> str:
    """What of the looks `run` has no option for and is not as it comes; empty where nothing is."""
    chosen = settings.scene().model_dump(exclude_defaults=True, exclude={"background"})
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def _open_outputs(output: str, settings: Settings) -> tuple[Output, ...]:
    if output == "virtual":
        return ()  # the pipeline's own
    return (open_output(output, parse_size(settings.output_size), settings.output_fps),)


def _take_back(path: Path, recording: tuple[int, int]) -> None:
    """Delete this run's recording of slates alone, which is in the way of the next try, if it is still that file."""
    with contextlib.suppress(OSError):
        if file_identity(path) == recording:
            path.unlink()


def _check_camera(camera: str) -> None:
    """UsageError for a file that is not there: it is no device that somebody might still plug in."""
    path = Path(camera.strip()).expanduser()
    if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not path.exists():
        raise UsageError(f"The file {camera} for a camera does not exist.", "Check the path; 'demo' needs no file.")


def _check_background(settings: Settings, given: bool) -> None:
    """Raises UsageError or MediaError now: a background that cannot be shown would mean slates to the end."""
    try:
        open_background(existing_spec(settings.background), *parse_size(settings.output_size)).close()
    except MattecamError as error:
        if not given:
            error.mend = f"It is the window's choice; choose another there, or add --background. {error.mend}"
        raise


def _watch(pipeline: Pipeline, interrupted: threading.Event, until_s: float | None) -> None:
    reported_s = time.monotonic()
    told: set[str] = set()
    while not interrupted.wait(0.05):
        now_s = time.monotonic()
        if pipeline.failure is not None or (until_s is not None and now_s >= until_s):
            return
        status = pipeline.status()
        for notice in status.notices:
            if notice.problem not in told:
                told.add(notice.problem)
                print(f"mattecam: {notice.problem} {notice.mend}".rstrip(), file=sys.stderr)
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
        f"({status.preset}), latency {stats.latency_p50_ms:.0f} ms, {stats.dropped} frames dropped for newer ones, "
        f"{stats.slates} slates sent for want of a picture"
    )


def _report(pipeline: Pipeline, status: Status, settings: Settings, ran: tuple[float, float], as_json: bool) -> None:
    """ran: when the run began and ended, monotonic seconds."""
    stats = pipeline.run_stats()
    seconds = ran[1] - ran[0]
    if not as_json:
        print(f"{stats.shown} frames in {seconds:.1f} s. {_line(status)}")
        return
    result: dict[str, Any] = {
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
    print(json.dumps(result))


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
