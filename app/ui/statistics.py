"""The statistics overlay and the status line, as text."""

from PySide6.QtCore import QCoreApplication

from app.status import Status

STAGES = ("capture", "fit", "preprocess", "infer", "stabilise", "alpha", "background", "composite", "send", "preview")


def _tr(text: str) -> str:
    return QCoreApplication.translate("Statistics", text)


def overlay_text(status: Status) -> str:
    """Everything that is measured, as a small table in HTML."""
    stats = status.stats
    rows = [
        (_tr("Camera"), f"{stats.capture_fps:.1f} fps"),
        (_tr("Matting"), f"{stats.matting_fps:.1f} fps"),
        (_tr("Output"), f"{stats.output_fps:.1f} fps"),
        (
            _tr("Latency p50 / p95 / p99"),
            f"{stats.latency_p50_ms:.0f} / {stats.latency_p95_ms:.0f} / {stats.latency_p99_ms:.0f} ms",
        ),
        (_tr("Dropped"), str(stats.dropped)),
        (_tr("Repeated"), str(stats.repeated)),
        (_tr("Slates"), str(stats.slates)),
        (_tr("Engine"), f"{status.provider or status.engine or '–'} {status.input_size}".rstrip()),
    ]
    times = [(name, stats.stages[name]) for name in STAGES if name in stats.stages]
    rows += [(name.capitalize(), f"{time.p50_ms:.1f} / {time.p95_ms:.1f} ms") for name, time in times]
    cells = "".join(f"<tr><td>{name}&nbsp;&nbsp;</td><td align='right'>{value}</td></tr>" for name, value in rows)
    return f"<table cellspacing='1'>{cells}</table>"


def headline(status: Status) -> str:
    """The state in a few words: what a glance has to tell."""
    states = (status.capture, status.matting, status.output)
    if status.paused:
        return _tr("Paused: nobody sees you")
    if "failed" in states:
        return _tr("Stopped")
    if status.capture == "waiting":
        return _tr("Waiting for the camera")
    if "starting" in states:
        return _tr("Starting…")
    if all(state == "running" for state in states):
        return _tr("Live")
    return _tr("Off")


def status_line(status: Status) -> str:
    """Headline, what the camera gives, the provider, and how fast."""
    parts = [headline(status), status.source, status.provider]
    if status.stats.output_fps:
        parts.append(f"{status.stats.output_fps:.0f} fps")
    if status.stats.latency_p50_ms:
        parts.append(f"{status.stats.latency_p50_ms:.0f} ms")
    return "  ·  ".join(part for part in parts if part)
