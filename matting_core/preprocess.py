"""The one rule that makes a picture fit the network, and its inverse that brings alpha back."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.buffers import Recycler
from matting_core.frames import Alpha, Array, FloatAlpha, Image, half_size

MULTIPLE = 32
"""The network halves its input five times, so sides are multiples of 2⁵."""

SURE = 3
SURE_LEVELS = np.clip(np.rint((np.arange(256) - SURE) * (255 / (255 - 2 * SURE))), 0, 255).astype(np.uint8)
"""uint8 256: what each level of the network's alpha becomes. The SURE outermost levels at either end are haze, not
hair: they turn to 0 and 255, and those between are spread evenly. That is a third of the pixels that need a blend."""

_BLOB = cv2.dnn.Image2BlobParams((1 / 127.5,) * 4, (0, 0), (127.5,) * 4, True)
Blob = npt.NDArray[np.float32]
"""float32, 1×3×h×w, RGB in [−1, 1]."""


def network_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """The network's (height, width) for a picture: the longer side becomes long_side, both multiples of 32.

    The published rule (shorter side 512) costs twice as much on 16:9 and is less accurate there.
    """
    scale = long_side / max(height, width)
    return _to_multiple(height * scale), _to_multiple(width * scale)


def input_size(height: int, width: int, long_side: int) -> str:
    """`network_size` as people and --json are told it: '512x288', width first."""
    h, w = network_size(height, width, long_side)
    return f"{w}x{h}"


def halve(image: Array, out: Array | None = None) -> Array:
    """A picture, H×W or H×W×C, at `half_size`; OpenCV is slow at a quarter in one step. In `out`, or a new array.

    Of even sides "linear" is the mean of 2×2 pixels each, and unlike "area" it is as fast of odd ones.
    """
    height, width = half_size(image.shape)
    return cv2.resize(image, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)


def first_half(image: Image, size: tuple[int, int], arrays: Recycler) -> Image | None:
    """What `shrink` to `size` (h, w) begins with, and may go on from: `halve` of `image` (uint8 H×W×3).

    In one of `arrays`; None where the size is above a half.
    """
    if image.shape[0] < 2 * size[0] or image.shape[1] < 2 * size[1]:
        return None
    return halve(image, arrays.new((*half_size(image.shape), 3)))


def shrink(image: Image, size: tuple[int, int], arrays: Recycler | None = None) -> Image:
    """`image` (H×W×3) resampled to size (h, w); an array of `arrays`, if given, a new one, or `image` where it fits.

    Whole halvings first, then linear interpolation for what is left, which is less than a halving: so no pixel goes
    unseen. OpenCV's area kernel for fractions is five times as slow, and the mattes were no better with it.
    """
    arrays = arrays or Recycler()

    while (half := first_half(image, size, arrays)) is not None:
        image = half
    if image.shape[:2] == size:
        return image
    height, width = size
    out = arrays.new((height, width, 3))
    return cast(Image, cv2.resize(image, (width, height), dst=out, interpolation=cv2.INTER_LINEAR))


def to_blob(small: Image, out: Blob | None = None) -> Blob:
    """A picture of the network's size (uint8 h×w×3 BGR) as the network takes it: 1×3×h×w RGB in [−1, 1].

    In `out`, if given; new otherwise.
    """
    if out is None:
        out = np.empty((1, 3, *small.shape[:2]), np.float32)
    return cast(Blob, cv2.dnn.blobFromImageWithParams(small, out, _BLOB))


def restore_alpha(alpha: FloatAlpha, height: int, width: int, arrays: Recycler | None = None) -> Alpha:
    """The inverse: alpha at the network's size, float32 in [0, 1], as uint8 0…255 at the picture's size.

    An array of `arrays`, if given; new otherwise.

    Rounded before it is enlarged, which moves no value by more than one level and handles a quarter of the bytes.
    What is nearly sure becomes sure (SURE_LEVELS).
    """
    arrays = arrays or Recycler()
    rounded = cv2.convertScaleAbs(alpha, dst=arrays.new(alpha.shape), alpha=255.0)
    cv2.LUT(rounded, SURE_LEVELS, dst=rounded)
    if rounded.shape == (height, width):
        return cast(Alpha, rounded)
    shrinking = height * width < alpha.size
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    out = arrays.new((height, width))
    return cast(Alpha, cv2.resize(rounded, (width, height), dst=out, interpolation=interpolation))


def _to_multiple(length: float) -> int:
    return max(MULTIPLE, round(length / MULTIPLE) * MULTIPLE)
