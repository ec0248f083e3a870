"""The page that `eval --report` writes: one HTML file with everything in it, the worst cases side by side."""

import base64
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any, cast

import cv2
import numpy as np

from matting_core.fit import fit_image
from matting_core.frames import Alpha, Image
from matting_core.metrics import METRICS, Scores, as_unit

WORST = 12
PANEL = 360  # pixels of a panel's longer side
TOO_MUCH_BGR = (30, 120, 255)  # orange and blue, told apart by the colour-blind, too
MISSING_BGR = (255, 140, 40)
PANELS = ("Picture", "Truth", "Matte", "Difference")


@dataclass(frozen=True, slots=True)
class Case:
    """The scores of one picture, or of a clip over its frames."""

    name: str
    scores: Scores
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Strip:
    """One case as it is shown: a JPEG file for each of PANELS."""

    case: Case
    panels: tuple[bytes, ...]


class Worst:
    """Keeps the pictures of the cases with the greatest MAD, and of no others."""

    def __init__(self, limit: int = WORST) -> None:
        self._limit = limit
        self._heap: list[tuple[float, int, Strip]] = []
        self._tie = count()

    def offer(self, case: Case, image: Image, truth: Alpha, alpha: Alpha) -> None:
        """Keep small copies of image (uint8 H×W×3 BGR), truth and alpha (uint8 H×W) if the case is among the worst."""
        if len(self._heap) == self._limit and case.scores.mad <= self._heap[0][0]:
            return
        keep = heapq.heappush if len(self._heap) < self._limit else heapq.heapreplace
        keep(self._heap, (case.scores.mad, next(self._tie), Strip(case, panels(image, truth, alpha))))

    def strips(self) -> list[Strip]:
        """What was kept, the worst first."""
        return [strip for _, _, strip in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]


def panels(image: Image, truth: Alpha, alpha: Alpha) -> tuple[bytes, ...]:
    """The four PANELS as JPEG files, at most PANEL pixels long."""
    height, width = truth.shape
    scale = min(1.0, PANEL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pictures = (image, _grey(truth), _grey(alpha), difference_picture(image, truth, alpha))
    files = (cv2.imencode(".jpg", fit_image(one, *size), (cv2.IMWRITE_JPEG_QUALITY, 88))[1] for one in pictures)
    return tuple(file.tobytes() for file in files)


def difference_picture(image: Image, truth: Alpha, alpha: Alpha) -> Image:
    """The picture dim and grey, orange where the matte is too much and blue where it is too little; uint8 H×W×3."""
    difference = as_unit(alpha) - as_unit(truth)
    picture = _grey(cast(Alpha, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))) * np.float32(0.3)
    for colour, amount in ((TOO_MUCH_BGR, difference), (MISSING_BGR, -difference)):
        picture += np.clip(amount, 0, 1)[..., None] * (np.array(colour, np.float32) - picture)
    return cast(Image, np.rint(picture).astype(np.uint8))


def render_report(title: str, result: dict[str, Any], cases: list[Case], strips: list[Strip]) -> str:
    """The page. result: what `eval --json` prints; its means are shown in the papers' units."""
    mean = result["metrics"] or {}
    keys = [key for key in METRICS if mean.get(key) is not None]
    facts = (
        f"{result['frames']} frames · layout {result['layout']} · model {result['model']} · preset {result['preset']} "
        f"(input {result['input_size']}) · {result['provider']} · {result['seconds']:.1f} s"
    )
    skipped = result["skipped"]
    return _PAGE.format(
        title=escape(title),
        facts=escape(facts),
        skipped=f'<p class="warn">Not read: {escape(", ".join(skipped))}</p>' if skipped else "",
        cards="".join(_card(key, mean[key]) for key in keys),
        strips="".join(_strip(strip, keys) for strip in strips),
        head="".join(f"<th>{escape(METRICS[key].name)} <small>{METRICS[key].unit}</small></th>" for key in keys),
        rows="".join(_row(case, keys) for case in sorted(cases, key=lambda case: -case.scores.mad)),
        legend="".join(f"<dt>{METRICS[key].name}</dt><dd>{escape(METRICS[key].meaning)}</dd>" for key in keys),
    )


def _grey(alpha: Alpha) -> Image:
    return cast(Image, cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR))


def _card(key: str, value: float) -> str:
    metric = METRICS[key]
    return f"<li><b>{metric.show(value)}</b><span>{metric.name} <small>{metric.unit}</small></span></li>"


def _strip(strip: Strip, keys: Iterable[str]) -> str:
    scores = strip.case.scores.as_dict()
    words = " · ".join(f"{METRICS[key].name} {METRICS[key].show(scores[key])}" for key in keys)
    figures = "".join(
        f'<figure><img alt="{label} of {escape(strip.case.name)}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(panel).decode()}"><figcaption>{label}</figcaption></figure>'
        for label, panel in zip(PANELS, strip.panels, strict=True)
    )
    return f"<article><h3>{escape(strip.case.name)}</h3><p>{words}</p><div>{figures}</div></article>"


def _row(case: Case, keys: Iterable[str]) -> str:
    scores = case.scores.as_dict()
    cells = "".join(f'<td data-value="{_sortable(scores[key])}">{METRICS[key].show(scores[key])}</td>' for key in keys)
    return f'<tr><th scope="row">{escape(case.name)}</th>{cells}</tr>'


def _sortable(value: float | None) -> float:
    return -1.0 if value is None else value


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}: matting accuracy</title>
<style>
:root {{ color-scheme: light dark; --page: #fff; --card: #f4f5f7; --ink: #16181d; --soft: #5b6270; --line: #dfe2e8 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: #14161a; --card: #1e2127; --ink: #eceef2; --soft: #9aa2b1; --line: #31353e }}
}}
body {{ margin: 0 auto; max-width: 96rem; padding: 2rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }}
h1 {{ margin: 0; font-size: 1.6rem }} h2 {{ margin: 2.5rem 0 .75rem; font-size: 1.2rem }}
h3 {{ margin: 0; font-size: 1rem; overflow-wrap: anywhere }}
p, small, dd, figcaption {{ color: var(--soft) }} .warn {{ color: #c2410c }}
ul {{ display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; list-style: none }}
li {{ background: var(--card); border-radius: .6rem; padding: .75rem 1.1rem }}
li b {{ display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums }}
article {{ background: var(--card); border-radius: .6rem; padding: 1rem; margin-bottom: 1rem }}
article p {{ margin: .1rem 0 .75rem; font-size: .85rem; font-variant-numeric: tabular-nums }}
article div {{ display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .75rem }}
figure {{ margin: 0 }} figcaption {{ font-size: .85rem }}
img {{ display: block; width: 100%; border-radius: .3rem }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }}
td, th {{ padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right }}
th:first-child {{ text-align: left; font-weight: 500; overflow-wrap: anywhere }}
thead th {{ position: sticky; top: 0; background: var(--page); cursor: pointer; font-weight: 600 }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: .9rem }} dd {{ margin: 0 }}
i {{ display: inline-block; width: .8em; height: .8em; border-radius: .2em }}
</style></head><body>
<h1>{title}: matting accuracy</h1>
<p>{facts}</p>{skipped}
<ul>{cards}</ul>
<h2>Worst cases</h2>
<p>By MAD. Difference: <i style="background:#ff781e"></i> room taken for the person,
<i style="background:#288cff"></i> person taken for the room.</p>
{strips}
<h2>Every picture</h2>
<table><thead><tr><th>Name</th>{head}</tr></thead><tbody>{rows}</tbody></table>
<h2>What the figures mean</h2>
<dl>{legend}</dl>
<script>
document.querySelectorAll("thead th").forEach((head, column) => head.addEventListener("click", () => {{
  const body = document.querySelector("tbody");
  const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const order = (a, b) => column ? key(b) - key(a) : key(a).localeCompare(key(b));
  const flip = head.dataset.order === "down" ? -1 : 1;
  head.dataset.order = flip === 1 ? "down" : "up";
  body.append(...[...body.rows].sort((a, b) => flip * order(a, b)));
}}));
</script>
</body></html>
"""
