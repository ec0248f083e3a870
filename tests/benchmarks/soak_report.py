"""What a soak's samples say: a slope with its error for each figure, held beside a bound; JSON, a table and a plot."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.status import Stats
from tests.benchmarks.peers_plots import Curve, curves

BATCHES = 20
ERRORS = 3.0
"""A slope is called too steep when it lies this many of its standard errors above its bound."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the running program. at_s: since the start; rss_mb: resident memory in MiB; file_handles: open
    descriptors; latency: capture to sent over the last frames; others_cpu: share of the machine that others use."""

    at_s: float
    rss_mb: float
    threads: float
    file_handles: float
    latency_p50_ms: float
    latency_p99_ms: float
    others_cpu: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of Sample; bound: the steepest rise that counts as flat, in units an hour."""

    name: str
    label: str
    unit: str
    bound: float


FIGURES = (
    Figure("rss_mb", "memory (RSS)", "MiB", 10.0),
    Figure("threads", "threads", "", 1.0),
    Figure("file_handles", "file handles", "", 1.0),
    Figure("latency_p50_ms", "latency p50", "ms", 20.0),
    Figure("latency_p99_ms", "latency p99", "ms", 20.0),
)


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through one figure: at_start is its value at the first sample used, per_hour its rise and
    error its standard error; NaN where there are fewer than three batches."""

    figure: Figure
    at_start: float
    per_hour: float
    error: float

    @property
    def too_steep(self) -> bool:
        return self.per_hour - ERRORS * self.error > self.figure.bound


def fit_slope(figure: Figure, at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares through the means of up to BATCHES batches of samples next to each other.

    Samples next to each other resemble each other, so their scatter would promise too small an error; that of the
    batches' means does not. Raises ValueError with fewer than three samples.
    """
    if len(values) < 3:
        raise ValueError("a slope with an error needs three samples")
    groups = np.array_split(np.arange(len(values)), min(BATCHES, len(values)))
    hours = np.array([np.mean([at_s[i] for i in group]) for group in groups]) / 3600
    means = np.array([np.mean([values[i] for i in group]) for group in groups])
    spread = hours - hours.mean()
    slope = float((spread * means).sum() / (spread**2).sum())
    residuals = means - means.mean() - slope * spread
    error = math.sqrt(float((residuals**2).sum()) / (len(groups) - 2) / float((spread**2).sum()))
    return Slope(figure, float(means.mean() + slope * (at_s[0] / 3600 - hours.mean())), slope, error)


def unaccounted(stats: Stats, read: int, sent: int) -> list[str]:
    """The sums of ARCHITECTURE.md that do not hold at the end of a run, as sentences; [] when every frame is known.

    read: frames that the source gave; sent: canvases that the output got.
    """
    sums = {
        "read = captured": (read, stats.captured),
        "captured = matted + failed + dropped_unmatted": (
            stats.captured,
            stats.matted + stats.failed + stats.dropped_unmatted,
        ),
        "matted = shown + dropped_unsent": (stats.matted, stats.shown + stats.dropped_unsent),
        "sent = shown + repeated + slates": (stats.sent, stats.shown + stats.repeated + stats.slates),
        "sent = received": (stats.sent, sent),
    }
    return [f"{rule} does not hold: {left} ≠ {right}" for rule, (left, right) in sums.items() if left != right]


def write_report(
    folder: Path, samples: Sequence[Sample], warm_up_s: float, stats: Stats, wrong: Sequence[str], about: dict[str, Any]
) -> list[str]:
    """Write soak.json, soak.md (the table) and soak.svg into a folder; the reasons why the soak failed, [] if none.

    wrong: what failed besides the slopes. Samples before warm_up_s are drawn and not fitted.
    """
    used = [sample for sample in samples if sample.at_s >= warm_up_s]
    at_s = [sample.at_s for sample in used]
    slopes = [fit_slope(figure, at_s, [getattr(sample, figure.name) for sample in used]) for figure in FIGURES]
    failures = [*wrong, *(f"{slope.figure.label} rises: {_rise(slope)}" for slope in slopes if slope.too_steep)]
    counts = {name: value for name, value in asdict(stats).items() if isinstance(value, int)}
    result = {
        **about,
        "warm_up_s": warm_up_s,
        "failures": failures,
        "counts": counts,
        "slopes": [
            {**asdict(slope.figure), "at_start": slope.at_start, "per_hour": slope.per_hour, "error": slope.error}
            for slope in slopes
        ],
        "samples": [asdict(sample) for sample in samples],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "soak.md").write_text(table(slopes, used) + "\n" + count_table(counts), encoding="utf-8")
    (folder / "soak.svg").write_text(plot(slopes, samples, used), encoding="utf-8")
    return failures


def table(slopes: Sequence[Slope], used: Sequence[Sample]) -> str:
    """The slopes as Markdown."""
    lines = ["| figure | median | least … most | slope an hour | bound |", "| --- | --- | --- | --- | --- |"]
    for slope in slopes:
        values = [getattr(sample, slope.figure.name) for sample in used]
        unit = f" {slope.figure.unit}".rstrip()
        lines.append(
            f"| {slope.figure.label} | {np.median(values):.1f}{unit} | {min(values):.1f} … {max(values):.1f} | "
            f"{_rise(slope)} | {slope.figure.bound:g}{unit} |"
        )
    return "\n".join(lines) + "\n"


def count_table(counts: dict[str, int]) -> str:
    """What became of every frame, as Markdown."""
    return (
        "\n".join(["| frames | |", "| --- | --- |", *(f"| {name} | {count} |" for name, count in counts.items())])
        + "\n"
    )


def plot(slopes: Sequence[Slope], samples: Sequence[Sample], used: Sequence[Sample]) -> str:
    """Every figure over time with its fitted line, as an SVG document."""
    start_s, end_s = used[0].at_s, samples[-1].at_s
    minutes = [sample.at_s / 60 for sample in samples]
    return curves(
        "Soak: what grows?",
        [
            Curve(
                f"{slope.figure.label}{', ' if slope.figure.unit else ''}{slope.figure.unit}: {_rise(slope)} an hour",
                minutes,
                [getattr(sample, slope.figure.name) for sample in samples],
                (slope.at_start, slope.at_start + slope.per_hour * (end_s - start_s) / 3600),
                start_s / 60,
            )
            for slope in slopes
        ],
    )


def _rise(slope: Slope) -> str:
    unit = f" {slope.figure.unit}".rstrip()
    return f"{slope.per_hour:+.2f} ± {slope.error:.2f}{unit}"
