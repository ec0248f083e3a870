"""What must hold of pictures that a second program read, whoever sent them."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from matting_core.frames import Image
from tests.testbed import picture
from tests.testbed.rig import check

COLOUR_TOLERANCE = 3
"""Levels: what two conversions between BGR and 8-bit I420 may cost."""


def check_size(seen: Sequence[dict[str, Any]], size: tuple[int, int]) -> None:
    """Every picture has the size that was sent."""
    sizes = {tuple(each["size"]) for each in seen}
    check(sizes == {size}, f"pictures of {sorted(sizes)} came, of {size} were sent")


def check_order(pairs: Sequence[Sequence[int]], least: int) -> dict[str, Any]:
    """No picture is torn, and none comes before an earlier one; slates (0, 0) are not counted.

    Returns how many different pictures were seen, repeated and passed over. Raises CheckFailed.
    """
    torn = [pair for pair in pairs if pair[0] != pair[1]]
    check(not torn, f"{len(torn)} of {len(pairs)} pictures are torn, e.g. {torn[:3]} (top, bottom)")
    counts = [pair[0] for pair in pairs if pair[0]]
    backwards = [(a, b) for a, b in itertools.pairwise(counts) if b < a]
    check(not backwards, f"pictures came out of order: {backwards[:3]}")
    different = len(set(counts))
    check(different >= least, f"{different} different pictures came, {least} are the least")
    return {
        "pictures": len(counts),
        "different": different,
        "repeated": len(counts) - different,
        "passed_over": counts[-1] - counts[0] + 1 - different,
    }


def check_colours(bars: Sequence[Sequence[int]], ramp: Sequence[Sequence[int]], size: tuple[int, int]) -> int:
    """Bars and ramp are what was painted, within COLOUR_TOLERANCE; returns the largest difference, in levels."""
    sent = picture.bars_picture(size, 1)
    wanted = [*picture.pick(sent, picture.bar_points(size)), *picture.pick(sent, picture.ramp_points(size))]
    difference = np.abs(np.array([*bars, *ramp]) - np.array(wanted))
    worst = int(difference.max())
    at = int(difference.max(axis=1).argmax())
    check(worst <= COLOUR_TOLERANCE, f"colours are off by {worst}: {[*bars, *ramp][at]} for {wanted[at]} (BGR)")
    return worst


def check_i420(data: bytes, size: tuple[int, int]) -> dict[str, Any]:
    """Raw I420 pictures of the bars, by BT.601's definition in limited range. Raises CheckFailed.

    Returns the largest differences in levels, and how far the picture is from what BT.709 would have been.
    """
    width, height = size
    length = width * height * 3 // 2
    check(len(data) >= length and len(data) % length == 0, f"{len(data)} bytes are no whole pictures of {length}")
    planes = [np.frombuffer(data, np.uint8, length, at).astype(int) for at in range(0, len(data), length)]
    worst: dict[str, float] = {"luma": 0.0, "chroma": 0.0}
    pairs = []
    for raw in planes:
        luma = raw[: width * height].reshape(height, width)
        pairs.append(picture.counts_of(np.repeat(luma.astype(np.uint8)[:, :, None], 3, axis=2)))
        wanted = _wanted(size, pairs[-1][0])
        worst["luma"] = max(worst["luma"], float(np.abs(luma - wanted[0]).max()))
        chroma = raw[width * height :].reshape(2, height // 2, width // 2)
        points = [(x // 2, y // 2) for x, y in (*picture.bar_points(size), *picture.ramp_points(size))]
        for plane, true in zip(chroma, wanted[1:], strict=True):
            worst["chroma"] = max(worst["chroma"], *(abs(plane[y, x] - true[2 * y, 2 * x]) for x, y in points))
    # Half a level is the rounding; the ramp's steps and OpenCV's integer weights take the rest.
    check(max(worst.values()) <= 1.5, f"raw I420 is off by {worst} from BT.601 in limited range")
    green = picture.bars_picture(size, 1)[: height // 3, width * 7 // 16 : width * 7 // 16 + 1]
    other = abs(float(picture.i420(green, 0.2126, 0.0722)[0][-1, 0]) - float(picture.i420(green)[0][-1, 0]))
    order = check_order(pairs, 2)
    return {**{f"{name}_difference": round(value, 2) for name, value in worst.items()},
            "green_in_709_would_differ_by": round(other, 1), "raw_order": order}  # fmt: skip


def _wanted(size: tuple[int, int], count: int) -> tuple[Any, Any, Any]:
    image: Image = picture.bars_picture(size, count)
    return picture.i420(image)


def intervals(seen: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How evenly pictures came: milliseconds between them, p50, p95, p99 and standard deviation; and the rate."""
    times = np.array([each["at_s"] for each in seen])
    steps = np.diff(times) * 1e3
    p50, p95, p99 = np.percentile(steps, (50, 95, 99))
    rate = (len(times) - 1) / (times[-1] - times[0])
    return {"fps": round(float(rate), 2), "p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1),
            "p99_ms": round(float(p99), 1), "jitter_ms": round(float(steps.std()), 1)}  # fmt: skip
