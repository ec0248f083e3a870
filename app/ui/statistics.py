"""The statistics overlay and the status line, as text."""

from collections.abc import Iterable

from PySide6.QtCore import QCoreApplication

from app.status import CHOSEN, Status

translate = QCoreApplication.translate


def preset_names() -> dict[str, str]:
    """What the presets are called in the window."""
    return {
        "fast": translate("Statistics", "Fast"),
        "balanced": translate("Statistics", "Balanced"),
        "quality": translate("Statistics", "Quality"),
        "ultra": translate("Statistics", "Ultra"),
    }


def overlay_texts(status: Status) -> tuple[str, str]:
    """What is measured, as tables in HTML: all of it, wider than high so that a face stays visible; and for a small
    picture only what matters most.
    """
    stats = status.stats
    latencies = (stats.latency_p50_ms, stats.latency_p95_ms, stats.latency_p99_ms)
    vital = [
        (translate("Statistics", "Camera"), f"{stats.capture_fps:.1f} fps"),
        (translate("Statistics", "Matting"), f"{stats.matting_fps:.1f} fps"),
        (translate("Statistics", "Output"), f"{stats.output_fps:.1f} fps"),
        (translate("Statistics", "Latency p50 / p95 / p99"), " / ".join(f"{ms:.0f}" for ms in latencies) + " ms"),
    ]
    counts = [
        (translate("Statistics", "Engine"), f"{status.provider or status.engine or '–'} {input_size(status)}".rstrip()),
        (translate("Statistics", "Preset"), preset_names().get(status.preset, status.preset or "–")),
        (translate("Statistics", "Processor use"), f"{status.processor_share:.0%}"),
        (translate("Statistics", "Dropped"), str(stats.dropped)),
        (translate("Statistics", "Repeated"), str(stats.repeated)),
        (translate("Statistics", "Slates"), str(stats.slates)),
    ]
    if why := last_change(status):
        counts.insert(2, (translate("Statistics", "Last change"), why))
    times = [
        (name, f"{stats.stages[stage].p50_ms:.1f} / {stats.stages[stage].p95_ms:.1f} ms")
        for stage, name in _stages().items()
        if stage in stats.stages
    ]
    if times:
        times.insert(0, (f"<b>{translate('Statistics', 'Time per frame')}</b>", "<b>p50 / p95</b>"))
    return _beside(_table([*vital, *counts]), _table(times)), _table(vital)


def headline(status: Status) -> str:
    """The state in a few words: what a glance has to tell."""
    states = (status.capture, status.matting, status.output)
    waits = status.output == "running" and not status.has_background
    choices = (
        (status.paused, translate("Statistics", "Hidden: nobody sees you")),
        ("failed" in states, translate("Statistics", "Stopped")),
        (status.capture == "waiting", translate("Statistics", "Waiting for the camera")),
        (status.capture == "resting", translate("Statistics", "Resting: nobody is watching")),
        ("starting" in states, translate("Statistics", "Starting…")),
        (waits, translate("Statistics", "Waiting for the background")),
        (is_live(status), translate("Statistics", "Live")),
    )
    return next((text for so, text in choices if so), translate("Statistics", "Off"))


def status_line(status: Status) -> str:
    """Headline, how fast, the provider and what the camera gives; in a narrow window the end is left out."""
    parts = [headline(status)]
    if is_live(status):
        # As often as the person moves: neither repeats nor what comes too fast for the output.
        fps = min(status.stats.matting_fps, status.stats.output_fps)
        parts.append(f"{fps:.0f} fps" if fps else "")
        parts.append(f"{status.stats.latency_p50_ms:.0f} ms" if status.stats.latency_p50_ms else "")
        parts.append(status.provider)
    return "  ·  ".join(part for part in (*parts, status.source) if part)


def is_live(status: Status) -> bool:
    """Whether every stage runs and nothing hides the person."""
    running = all(state == "running" for state in (status.capture, status.matting, status.output))
    return running and status.has_background and not status.paused


def last_change(status: Status) -> str:
    """Why `auto` moved to the preset that runs; empty where it did not, or by somebody's choice."""
    last = status.switches[-1] if status.switches else None
    return last.why if last is not None and last.preset == status.preset and last.why != CHOSEN else ""


def _stages() -> dict[str, str]:
    # A function, because a translation may be loaded after this module.
    return {
        "capture": translate("Statistics", "Capture"),
        "fit": translate("Statistics", "Fit"),
        "preprocess": translate("Statistics", "Preprocess"),
        "infer": translate("Statistics", "Infer"),
        "stabilise": translate("Statistics", "Stabilise"),
        "alpha": translate("Statistics", "Alpha"),
        "whole": translate("Statistics", "Whole frame"),
        "place": translate("Statistics", "Place"),
        "background": translate("Statistics", "Background"),
        "composite": translate("Statistics", "Composite"),
        "send": translate("Statistics", "Send"),
        "preview": translate("Statistics", "Preview"),
    }


def input_size(status: Status) -> str:
    """The size of the network's input, as people write it; empty before there is one."""
    return status.input_size.replace("x", "×")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;&nbsp;&nbsp;</td><td align='right'>{value}</td></tr>" for name, value in rows
    )
    return f"<table cellspacing='1'>{cells}</table>"


def _beside(left: str, right: str) -> str:
    return f"<table><tr><td>{left}</td><td>&nbsp;&nbsp;&nbsp;&nbsp;</td><td>{right}</td></tr></table>"
