"""Runs: short rows of neighbouring pixels, fetched out of pictures and put back as one item each.

A rim is a twentieth of a picture, so work on it alone pays. But to fetch one pixel costs as much as to fetch eight that
lie together, and a rim's pixels nearly all have neighbours in it.
"""

import functools
import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.frames import Alpha, Array, Image

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

LONGEST = 8
_TO_UNIT: Floats = (np.arange(256) / 255.0).astype(np.float32)
_ROW = 256  # samples in a row for OpenCV's remap, which takes neither rows nor columns above 32766
_CHUNK = 1 << 11  # runs worked on at a time: the float work stays in the cache and no buffer grows with the rim


class Runs:
    """Some of the runs of pictures of one size; N is the number of their pixels.

    A run is as long as LONGEST and the width allow without crossing into the next row. Pictures are C-contiguous.
    """

    def __init__(self, height: int, width: int, numbers: Index) -> None:
        """numbers: of the runs, counted row by row from the top left."""
        self._length = _length(width)
        self._in_row = width // self._length
        self._height, self._width = height, width
        self._numbers = numbers
        self.pixels = numbers.size * self._length

    def chunks(self) -> Iterator["Runs"]:
        """These runs in parts whose float arrays fit the processor's cache."""
        for start in range(0, self._numbers.size, _CHUNK):
            yield Runs(self._height, self._width, self._numbers[start : start + _CHUNK])

    def colours(self, image: Image) -> Floats:
        """Their pixels of a picture, float32 3×N, new: a row for each colour, as arithmetic is fastest."""
        items = image.reshape(-1).view(f"V{3 * self._length}").take(self._numbers)
        planes = np.empty((3, 1, self.pixels), np.uint8)
        cv2.split(items.view(np.uint8).reshape(1, -1, 3), list(planes))
        return planes[:, 0].astype(np.float32)

    def levels(self, alpha: Alpha) -> npt.NDArray[np.uint8]:
        """Their pixels of a matte, uint8 N, new."""
        return alpha.reshape(-1).view(_word(self._length)).take(self._numbers).view(np.uint8)

    def unit(self, alpha: Alpha) -> Floats:
        """Their pixels of a matte in [0, 1], float32 N, new."""
        return _TO_UNIT.take(self.levels(alpha))

    def put(self, image: Image, colours: Floats) -> None:
        """Write colours, float32 3×N in [0, 255], to their pixels; `colours` is rounded in place."""
        np.rint(colours, out=colours)
        pixels = cv2.merge(list(colours.astype(np.uint8)[:, None]))
        kind = f"V{3 * self._length}"
        np.put(image.reshape(-1).view(kind), self._numbers, pixels.reshape(-1).view(kind))

    def places(self, plate: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Where they lie on a plate of that shape (pixel centres aligned): x and y for `sample`."""
        padded = np.zeros(-(-self.pixels // _ROW) * _ROW // self._length, np.intp)
        padded[: self._numbers.size] = self._numbers
        rows, columns = np.divmod(padded, self._in_row)
        x = _centres(self._width, plate[1]).reshape(self._in_row, self._length).take(columns, axis=0)
        y = np.empty_like(x)
        y[:] = _centres(self._height, plate[0]).take(rows)[:, None]
        return x.reshape(-1, _ROW), y.reshape(-1, _ROW)

    def sample(self, plate: Array, places: tuple[Floats, Floats]) -> Floats:
        """The bilinear values of a plate (h×w×C) at their `places` on it, float32 C×N, new."""
        values = cv2.remap(plate, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        planes = np.empty((values.shape[2], *values.shape[:2]), values.dtype)
        cv2.split(values, list(planes))
        return planes.reshape(len(planes), -1)[:, : self.pixels].astype(np.float32)


def all_runs(height: int, width: int) -> Runs:
    """Every run of a picture."""
    return Runs(height, width, np.arange(height * width // _length(width)))


def runs_of(band: Alpha) -> Runs:
    """The runs in which any pixel of `band` (uint8 H×W) is not 0."""
    height, width = band.shape
    return Runs(height, width, np.flatnonzero(band.reshape(-1).view(_word(_length(width))) != 0))


@functools.lru_cache(maxsize=8)
def _centres(pixels: int, others: int) -> Floats:
    """Where the centres of so many pixels in a row lie among so many others."""
    scale = others / pixels
    return (np.arange(pixels, dtype=np.float32) + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)


def _length(width: int) -> int:
    return math.gcd(width, LONGEST)


def _word(length: int) -> str:
    """An unsigned integer of as many bytes."""
    return f"u{length}"
