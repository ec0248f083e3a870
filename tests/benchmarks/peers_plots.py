"""Plain plots as SVG: bars with whiskers, numbered dots over a logarithmic axis, and curves over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 820
OURS, THEIRS, INK, FAINT = "#2563eb", "#9ca3af", "#1f2937", "#e5e7eb"
ROW = 30
LEFT, RIGHT, TOP, BOTTOM = 300, 90, 50, 30


@dataclass(frozen=True, slots=True)
class Bar:
    """label; value ≥ 0; whisker: (low, high) around it; ours: drawn in our colour."""

    label: str
    value: float
    whisker: tuple[float, float]
    ours: bool


@dataclass(frozen=True, slots=True)
class Dot:
    """label: one or two characters, drawn in the dot; x > 0; y; ours: drawn in our colour."""

    label: str
    x: float
    y: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """label: with the unit; x: minutes, rising, at least two; y: as many values; fit: y at (first x, last x) of a
    straight line over the points from `fit_from_x` on, drawn in our colour."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    fit: tuple[float, float]
    fit_from_x: float


def bars(title: str, data: Sequence[Bar]) -> str:
    """The plot as an SVG document. Raises ValueError without data."""
    if not data:
        raise ValueError("no bars")
    scale = (WIDTH - LEFT - RIGHT) / (max(max(bar.value, bar.whisker[1]) for bar in data) or 1.0)
    parts = []
    for number, bar in enumerate(data):
        middle = TOP + ROW * number + ROW / 2
        low, high = (LEFT + value * scale for value in bar.whisker)
        length = bar.value * scale
        parts += [
            _text(LEFT - 10, middle + 5, bar.label, "end"),
            f'<rect x="{LEFT}" y="{middle - 9:.1f}" width="{length:.1f}" height="18" fill="{_colour(bar.ours)}"/>',
            f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="{INK}" stroke-width="2"/>',
            _text(max(high, LEFT + length) + 8, middle + 5, f"{bar.value:.1f}"),
        ]
    return _document(title, TOP + ROW * len(data) + BOTTOM, parts)


def dots(title: str, data: Sequence[Dot]) -> str:
    """The plot as an SVG document. Raises ValueError without data, or for an x that has no logarithm."""
    if not data:
        raise ValueError("no dots")
    left, right, top, height = 80, WIDTH - 30, TOP + 10, 330
    low = 10 ** math.floor(math.log10(min(dot.x for dot in data)))
    high = 10 ** math.ceil(math.log10(max(dot.x for dot in data)) + 1e-9)
    step = _step(max(dot.y for dot in data) - min(dot.y for dot in data))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    bottom_y = math.floor(min(dot.y for dot in data) / step) * step
    top_y = max(math.ceil(max(dot.y for dot in data) / step) * step, bottom_y + step)

    def across(x: float) -> float:
        return left + (right - left) * (math.log10(x / low) / math.log10(high / low))

    def down(y: float) -> float:
        return top + height * (top_y - y) / (top_y - bottom_y)

    parts = []
    for tick in range(round((top_y - bottom_y) / step) + 1):
        y = bottom_y + tick * step
        parts.append(f'<path d="M{left} {down(y):.1f}H{right}" stroke="{FAINT}"/>')
        parts.append(_text(left - 10, down(y) + 5, f"{y:.{decimals}f}", "end"))
    decade = low
    while decade < high * 0.999:
        for x in (decade, 2 * decade, 5 * decade):
            parts.append(f'<path d="M{across(x):.1f} {top}V{top + height}" stroke="{FAINT}"/>')
            parts.append(_text(across(x), top + height + 22, f"{x:g}", "middle"))
        decade *= 10
    parts.append(_text(right, top + height + 22, f"{high:g} s", "end"))
    for dot in data:
        x, y = across(dot.x), down(dot.y)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="11" fill="{_colour(dot.ours)}" fill-opacity="0.85" stroke="#fff"/>'
        )
        parts.append(_text(x, y + 5, dot.label, "middle", "#fff" if dot.ours else INK))
    return _document(title, top + height + BOTTOM + 14, parts)


def curves(title: str, data: Sequence[Curve]) -> str:
    """The plot as an SVG document: one panel a curve, one above the other. Raises ValueError without data."""
    if not data or any(len(curve.x) != len(curve.y) or len(curve.x) < 2 for curve in data):
        raise ValueError("no curves, or one with fewer than two points")
    left, right, height, gap = 80, WIDTH - 30, 110, 42
    parts = []
    for number, curve in enumerate(data):
        top = TOP + 14 + number * (height + gap)
        # Down to zero, so that what looks steep is steep.
        step = _step(max(*curve.y, *curve.fit) * 5 / 3)
        top_y = max(1, math.ceil(max(*curve.y, *curve.fit) / step)) * step
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))

        def across(x: float, last: float = curve.x[-1]) -> float:
            return left + (right - left) * x / last

        def down(y: float, top: float = top, top_y: float = top_y) -> float:
            return top + height * (1 - y / top_y)

        for tick in range(round(top_y / step) + 1):
            parts.append(f'<path d="M{left} {down(tick * step):.1f}H{right}" stroke="{FAINT}"/>')
            parts.append(_text(left - 10, down(tick * step) + 5, f"{tick * step:.{decimals}f}", "end"))
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(curve.x, curve.y, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{THEIRS}" stroke-width="1.5"/>')
        first, last = curve.fit
        parts.append(
            f'<path d="M{across(curve.fit_from_x):.1f} {down(first):.1f}L{right} {down(last):.1f}" '
            f'stroke="{OURS}" stroke-width="2"/>'
        )
        parts.append(_text(left, top - 8, curve.label))
    foot = TOP + 14 + len(data) * (height + gap) - gap + 22
    parts.append(_text(left, foot, "0"))
    parts.append(_text(right, foot, f"{data[0].x[-1]:.3g} min", "end"))
    return _document(title, foot + 14, parts)


def _step(span: float) -> float:
    """A round distance of grid lines that divides a span into about five."""
    raw = max(span, 1e-3) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def _colour(ours: bool) -> str:
    return OURS if ours else THEIRS


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'font-family="system-ui, sans-serif" font-size="14" role="img" aria-label="{escape(title)}">'
    )
    sheet = f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="#fff"/>'
    heading = f'<text x="20" y="30" font-size="17" font-weight="600" fill="{INK}">{escape(title)}</text>'
    return "\n".join([head, sheet, heading, *parts, "</svg>"]) + "\n"
