"""The one rule for bringing a picture to a canvas: crop or pad, average when shrinking, interpolate when growing.

And `within`, a quick small copy for looking at, which is no canvas.
"""

from typing import Literal

import cv2
import numpy as np

from matting_core.buffers import Recycler
from matting_core.frames import Image
from matting_core.preprocess import shrink

ABOVE_HEADS = 0.2
"""Of what has to go in height from a camera's picture, the share that goes above: there the head is."""

FitMode = Literal["cover", "contain", "stretch"]


def fit_image(
    image: Image,
    width: int,
    height: int,
    mode: FitMode = "cover",
    *,
    out: Image | None = None,
    border: tuple[int, int, int] = (0, 0, 0),
    above: float = 0.5,
) -> Image:
    """The picture at width × height: cropped to fill it, padded to fit whole, or stretched.

    image: uint8 h×w×3 of any size, left as it is; cover crops in whole pixels of `image`, centred across, and of what
    goes in height this share above. out: uint8 height×width×3, C-contiguous; without it a new array is made. Returns
    that array. border: BGR of the bars of `contain`. ValueError: an empty picture or size, an unknown mode, or an out
    that does not fit.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or width < 1 or height < 1:
        raise ValueError(f"cannot fit a picture of shape {image.shape} to {width}×{height}")
    if out is None:
        out = np.empty((height, width, 3), np.uint8)
    elif out.shape != (height, width, 3) or out.dtype != np.uint8:
        raise ValueError(f"out is {out.dtype} {out.shape}, not uint8 {(height, width, 3)}")
    if mode == "cover":
        _resize_into(_crop(image, width, height, above), out)
    elif mode == "contain":
        _contain(image, out, border)
    elif mode == "stretch":
        _resize_into(image, out)
    else:
        raise ValueError(f"unknown fit '{mode}'")
    return out


def fit_frame(image: Image, width: int, height: int, mirror: bool, arrays: Recycler | None = None) -> Image:
    """A camera's picture filling width × height, flipped left to right where `mirror` is set.

    Returns a read-only array of its own, from `arrays` if given, or `image` itself where nothing is to be done. Raises
    as fit_image does.
    """
    fits = image.shape == (height, width, 3)
    if fits and not mirror:
        return image
    arrays = arrays or Recycler()
    fitted = image
    if not fits:
        part = _crop(image, width, height, ABOVE_HEADS)
        h, w = part.shape[:2]
        if (h, w) != (height, width) and h >= height and w >= width:
            fitted = shrink(part, (height, width), arrays)  # a third of the time of averaging, every frame
        else:
            fitted = fit_image(image, width, height, out=arrays.new((height, width, 3)), above=ABOVE_HEADS)
    if mirror:
        fitted = cv2.flip(fitted, 1, dst=arrays.new((height, width, 3)))  # type: ignore[assignment]
    fitted.flags.writeable = False
    return fitted


def within(image: Image, space: tuple[int, int], arrays: Recycler | None = None) -> Image:
    """A copy of the picture, at most as large as `space` (width, height): for somebody to look at in passing.

    image: uint8 H×W×3. An array of `arrays`, if given; new otherwise.
    """
    arrays = arrays or Recycler()
    height, width = image.shape[:2]
    w, h = largest((width, height), (min(space[0], width), min(space[1], height)))
    if (w, h) != (width, height):
        return shrink(image, (h, w), arrays)
    out = arrays.new((h, w, 3))
    np.copyto(out, image)
    return out


def largest(size: tuple[int, int], space: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) with the proportions of `size` in `space`, both sides at least 1 and rounded."""
    scale = min(space[0] / size[0], space[1] / size[1])
    width, height = (max(1, min(limit, round(side * scale))) for side, limit in zip(size, space, strict=True))
    return width, height


def _crop(image: Image, width: int, height: int, above: float) -> Image:
    """The largest part of the picture with the canvas's proportions, as `fit_image` places it; a view."""
    h, w = image.shape[:2]
    crop_w = min(w, max(1, round(h * width / height)))
    crop_h = min(h, max(1, round(w * height / width)))
    left, top = (w - crop_w) // 2, int((h - crop_h) * above)
    return image[top : top + crop_h, left : left + crop_w]


def _contain(image: Image, out: Image, border: tuple[int, int, int]) -> None:
    h, w = image.shape[:2]
    height, width = out.shape[:2]
    inner_w = min(width, max(1, round(w * height / h)))
    inner_h = min(height, max(1, round(h * width / w)))
    left, top = (width - inner_w) // 2, (height - inner_h) // 2
    out[:] = border
    inner = np.empty((inner_h, inner_w, 3), np.uint8)
    _resize_into(image, inner)
    out[top : top + inner_h, left : left + inner_w] = inner


def _resize_into(image: Image, out: Image) -> None:
    """Stretch image over out. OpenCV averages only where both axes shrink, so each axis gets its own rule."""
    h, w = image.shape[:2]
    height, width = out.shape[:2]
    if (h, w) == (height, width):
        np.copyto(out, image)
        return
    if (height < h and width > w) or (height > h and width < w):
        narrow = np.empty((min(h, height), min(w, width), 3), np.uint8)
        cv2.resize(image, (narrow.shape[1], narrow.shape[0]), dst=narrow, interpolation=cv2.INTER_AREA)
        image = narrow
        h, w = image.shape[:2]
    shrinks = height <= h and width <= w
    cv2.resize(image, (width, height), dst=out, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
