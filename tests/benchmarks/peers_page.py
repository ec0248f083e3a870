"""From the raw results of peers.py to the page: docs/peers.md and its plots. Measures nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.atomic import write_atomically
from tests.benchmarks.contenders import OURS
from tests.benchmarks.peers_plots import Bar, Dot, bars, dots

SPEED, QUALITY = "peers-speed.svg", "peers-quality.svg"
Results = dict[str, Any]
BUSY = 10
"""From this percentage of the processor on, other work ran before the run began, and the page says so."""


@dataclass(frozen=True, slots=True)
class Row:
    """One contender's figures. ms: quartiles of a frame's time; cpu_ms: processor time of a frame, mean.

    gain: how many times as fast as the first contender, (least, median, most) of the rounds. flicker, bare: mean |Δα|
    where the picture stands still, as used and without smoothing. twin: whose mattes it shares, with their figures.
    """

    name: str
    licence: str
    input: str
    runs: str
    ms: tuple[float, float, float]
    gain: tuple[float, float, float]
    cpu_ms: float
    iou: float
    flicker: float
    bare: float | None
    twin: str

    @property
    def fps(self) -> float:
        """Frames a second at the median time."""
        return 1e3 / self.ms[1]

    @property
    def ours(self) -> bool:
        """Whether it is one of our presets."""
        return self.name.startswith(OURS)


def rows(results: Results) -> list[Row]:
    """The figures of every contender, in the order of the results, of which the first is the baseline."""
    by_name = {one["name"]: one for one in results["contenders"]}
    baseline = _round_medians(results["contenders"][0])
    return [_row(one, by_name[one["twin"] or one["name"]], baseline) for one in results["contenders"]]


def table(results: Results) -> str:
    """The figures as a Markdown table, numbered as the plots number them."""
    head = ["#", "", "network sees, runs on", "fps", "ms a frame (quartiles)", "× plain (rounds)", "CPU s a frame"]
    head += ["IoU", "flicker ×10⁻⁴", "unsmoothed", "licence"]
    lines = [head, ["---"] * len(head)]
    figures = rows(results)
    numbers = {row.name: number for number, row in enumerate(figures, 1)}
    for number, row in enumerate(figures, 1):
        low, middle, high = row.ms
        least, gain, most = row.gain
        lines.append(
            [
                str(number),
                f"**{row.name}**" if row.ours else row.name,
                f"{row.input}, {row.runs}",
                f"{row.fps:.1f}",
                f"{middle:.1f} ({low:.1f} – {high:.1f})",
                f"{gain:.2f} ({least:.2f} – {most:.2f})",
                f"{row.cpu_ms / 1e3:.3f}",
                f"as {numbers[row.twin]}" if row.twin else f"{row.iou:.4f}",
                f"as {numbers[row.twin]}" if row.twin else f"{row.flicker * 1e4:.2f}",
                "–" if row.bare is None else f"{row.bare * 1e4:.2f}",
                row.licence,
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(results: Results) -> str:
    """The whole page in Markdown."""
    machine, clip, about = results["machine"], results["clip"], results["about"]
    size = "1280×720" if clip["height"] == 720 else f"{clip['width']}×{clip['height']} brought to 1280×720"
    versions = ", ".join(f"{name.replace('_', '-')} {version}" for name, version in results["versions"].items())
    absent = [f"* {name}: {reason}." for name, reason in results["absent"].items()]
    return PAGE.format(
        speed=SPEED,
        quality=QUALITY,
        table=table(results),
        baseline=results["contenders"][0]["name"],
        processor=machine["processor"],
        cores=machine["cores_used"],
        all_cores=machine["cores"],
        threads=machine["threads"],
        date=results["date"],
        busy=_busy(machine["busy_percent"]),
        versions=versions,
        clip=f"{clip['frames']} frames of {about['clip']}, {size}",
        pictures=f"{results['pictures']} {about['pairs']}",
        still=f"{np.mean([one['still'] for one in results['contenders'] if not one['twin']]):.0%}",
        absent="\n".join([*absent, *NOT_MEASURED]),
    )


def write_page(results: Results, folder: Path) -> None:
    """Write the page and its two plots into a folder, each beside and renamed. Raises OSError."""
    figures = rows(results)
    speed = [
        Bar(f"{n}  {row.name}", row.fps, (1e3 / row.ms[2], 1e3 / row.ms[0]), row.ours) for n, row in _count(figures)
    ]
    quality = [Dot(str(n), row.cpu_ms / 1e3, row.iou, row.ours) for n, row in _count(figures)]
    write_atomically(folder / SPEED, bars("Frames a second, 720p frame to 720p alpha (blue: Mattecam)", speed).encode())
    title = "IoU against processor seconds a frame: left and up is better (blue: Mattecam)"
    write_atomically(folder / QUALITY, dots(title, quality).encode())
    write_atomically(folder / "peers.md", page(results).encode())


def _count(figures: list[Row]) -> list[tuple[int, Row]]:
    return list(enumerate(figures, 1))


def _row(one: dict[str, Any], mattes: dict[str, Any], baseline: Any) -> Row:
    ms = [value for block in one["ms"] for value in block]
    processor = [value for block in one["cpu_ms"] for value in block]
    low, middle, high = (float(value) for value in np.percentile(ms, (25, 50, 75)))
    gains = baseline / _round_medians(one)
    return Row(
        name=one["name"],
        licence=one["licence"],
        input=one["input"],
        runs=one["runs"],
        ms=(low, middle, high),
        gain=(float(gains.min()), float(np.median(gains)), float(gains.max())),
        cpu_ms=float(np.mean(processor)),
        iou=float(np.mean(mattes["iou"])),
        flicker=mattes["flicker"],
        bare=mattes["bare"],
        twin=one["twin"],
    )


def _round_medians(one: dict[str, Any]) -> Any:
    return np.array([np.median(block) for block in one["ms"]])


def _busy(percent: float) -> str:
    if percent < BUSY:
        return ""
    return (
        f" Other work took {percent:.0f} % of the machine before the run, so milliseconds and fps are worse than on a "
        "quiet one; ratios hold better, because everyone took turns."
    )


NOT_MEASURED = (
    "* Any GPU, and phones, for which MediaPipe is made.",
    "* MODNet's webcam demo, which cuts off the sides of a 16:9 picture (672×512); its image demo sees all of it.",
    "* Decoding, blending, colour at the rim and output, the same for all: see `bench` and [quality.md](quality.md).",
    "* Fine hair: the true mattes limit what IoU can show, and it looks only at α > 0.5.",
)

PAGE = """# Compared with its peers

![Frames a second of each contender as bars]({speed})

{table}

![Overlap with the true mattes against processor time of each contender]({quality})

One run on {date}: {processor}, {cores} of {all_cores} cores, {threads} threads each, no GPU.{busy}

* **Speed**: {clip}. A frame's time is from its BGR picture to its alpha, both at 720p. Each contender runs in a
  process of its own; they take turns, ten frames each (PyTorch two, since its mattes are those of ONNX Runtime).
  "× plain" compares with "{baseline}" (512×288) in the same turn: median, least and most of the turns. CPU seconds are
  the whole process's processor time while it mattes a frame.
* **IoU**: mean overlap at α > 0.5 on {pictures}, each with the contender's own input size, one pass, no earlier frames.
* **Flicker**: mean |Δα| from frame to frame where the picture changes by less than two levels ({still} of it), on the
  clip, at 512×288, as in [quality.md](quality.md). Mattecam's smoothing is on, as by default, and off in "unsmoothed";
  RobustVideoMatting's memory is part of its network.
* **Input sizes**: Mattecam and the plain MODNet follow Mattecam's rule; MODNet's demo follows the rule of its ONNX demo
  (shorter side 512); MediaPipe's picture is stretched to its fixed size. RobustVideoMatting uses the two ratios that
  its authors advise for portraits at 720p (0.375) and 1080p (0.25); other picture sizes get the same longer side
  inside. All resample with the same code.
* {versions}

Not measured:

{absent}

To regenerate the page (PyTorch comes with the extra `train`; RobustVideoMatting's weights are fetched for this
measurement only; you supply MediaPipe's file):

```
.venv/bin/python tests/benchmarks/peers.py --clip VIDEO --pairs FOLDER --mediapipe FILE --page \\
    --about-clip "a clip of …" --about-pairs "hand-masked …"
```

`--page` alone redraws it from the raw results, [peers.json](peers.json).
"""
