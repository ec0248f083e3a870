"""Runs: short rows of neighbouring pixels, fetched out of pictures and put back as one item each.

A rim is a twentieth of a picture, so work on it alone pays. But to fetch one pixel costs as much as to fetch eight that
lie together, and a rim's pixels nearly all have neighbours in it.
"""

import functools
import math
from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.buffers import Buffers
from matting_core.frames import Alpha, Array, Image

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

LONGEST = 8
_TO_UNIT: Floats = (np.arange(256) / 255.0).astype(np.float32).reshape(1, -1)
_ROW = 256  # samples in a row for OpenCV's remap, which takes neither rows nor columns above 32766
_CHUNK = 1 << 12  # runs worked on at a time: no scratch array grows with the rim


class Runs:
    """Some of the runs of pictures of one size; N is the number of their pixels.

    A run is as long as LONGEST and the width allow without crossing into the next row. Pictures are C-contiguous. What
    the methods give lies in scratch of the name they are told, until that is used again; names with _ are their own.
    """

    def __init__(self, height: int, width: int, numbers: Index, buffers: Buffers) -> None:
        """numbers: of the runs, counted row by row from the top left, at most _CHUNK for all but `chunks`."""
        self._length = _length(width)
        self._in_row = width // self._length
        self._height, self._width = height, width
        self._numbers = numbers
        self._buffers = buffers
        self.pixels = numbers.size * self._length

    def chunks(self) -> Iterator["Runs"]:
        """These runs in parts that the other methods take."""
        for start in range(0, self._numbers.size, _CHUNK):
            yield Runs(self._height, self._width, self._numbers[start : start + _CHUNK], self._buffers)

    def colours(self, image: Image, name: str) -> Floats:
        """Their pixels of a picture, float32 3×N: a row for each colour, as arithmetic is fastest."""
        items = self._fetch(image, 3)
        planes = self._scratch("_levels", 3, np.uint8)
        cv2.split(items.reshape(1, -1, 3), list(planes[:, None]))
        floats = self._scratch(name, 3, np.float32)
        np.copyto(floats, planes)
        return floats

    def levels(self, alpha: Alpha) -> npt.NDArray[np.uint8]:
        """Their pixels of a matte, uint8 N, new."""
        return self._fetch(alpha, 1).copy()

    def unit(self, alpha: Alpha, name: str) -> Floats:
        """Their pixels of a matte in [0, 1], float32 N."""
        levels = self._fetch(alpha, 1).reshape(1, -1)
        return cast(Floats, cv2.LUT(levels, _TO_UNIT, dst=self._scratch(name, 1, np.float32))[0])

    def put(self, image: Image, colours: Floats) -> None:
        """Write colours, float32 3×N in [0, 255], to their pixels, rounded."""
        planes = cv2.convertScaleAbs(colours, dst=self._scratch("_levels", 3, np.uint8))
        pixels = cv2.merge(list(planes[:, None]), dst=self._scratch("_pixels", 3, np.uint8).reshape(1, -1, 3))
        kind = f"V{3 * self._length}"
        np.put(image.reshape(-1).view(kind), self._numbers, pixels.reshape(-1).view(kind))

    def places(self, plate: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Where they lie on a plate of that shape (pixel centres aligned): x and y for `sample`."""
        count = -(-self.pixels // _ROW) * _ROW // self._length
        rows, columns = (self._buffers.get(name, (_CHUNK,), np.intp)[:count] for name in ("_rows", "_columns"))
        here = slice(self._numbers.size)  # what lies beyond is clipped to some place, and `sample` leaves it out
        np.divmod(self._numbers, self._in_row, out=(rows[here], columns[here]))
        x, y = (self._buffers.get(name, (_CHUNK, self._length), np.float32)[:count] for name in ("_x", "_y"))
        across = centres(self._width, plate[1]).reshape(self._in_row, self._length)
        across.take(columns, axis=0, out=x, mode="clip")
        down = self._buffers.get("_down", (_CHUNK,), np.float32)[:count]
        y[:] = centres(self._height, plate[0]).take(rows, out=down, mode="clip")[:, None]
        return x.reshape(-1, _ROW), y.reshape(-1, _ROW)

    def sample(self, plate: Array, places: tuple[Floats, Floats], name: str) -> Floats:
        """The bilinear values of a plate (float32 h×w×C) at their `places` on it, float32 C×N."""
        rows, channels = places[0].shape[0], plate.shape[2]
        values = self._buffers.get("_sampled", (_CHUNK * self._length // _ROW, _ROW, channels), np.float32)[:rows]
        cv2.remap(plate, *places, cv2.INTER_LINEAR, dst=values, borderMode=cv2.BORDER_REPLICATE)
        planes = self._scratch(name, channels, np.float32)
        return cast(Floats, cv2.transpose(values.reshape(-1, channels)[: self.pixels], dst=planes))

    def _fetch(self, picture: Array, channels: int) -> npt.NDArray[np.uint8]:
        """Their bytes of a picture of so many channels, flat."""
        kind = f"V{channels * self._length}"
        out = self._scratch("_fetched", channels, np.uint8).reshape(-1).view(kind)
        return picture.reshape(-1).view(kind).take(self._numbers, out=out, mode="clip").view(np.uint8)

    def _scratch(self, name: str, rows: int, kind: npt.DTypeLike) -> Array:
        """rows×N, contiguous, of an array as large as a chunk needs."""
        whole = self._buffers.get(name, (rows * _CHUNK * self._length,), kind)
        return whole[: rows * self.pixels].reshape(rows, self.pixels)


def all_runs(height: int, width: int, buffers: Buffers) -> Runs:
    """Every run of a picture."""
    return Runs(height, width, np.arange(height * width // _length(width)), buffers)


def runs_that_differ(one: Alpha, other: Alpha, buffers: Buffers) -> Runs:
    """The runs in which any pixel of two mattes (uint8 H×W, C-contiguous) differs."""
    height, width = one.shape
    words, others = (matte.reshape(-1).view(_word(_length(width))) for matte in (one, other))
    differ = np.not_equal(words, others, out=buffers.get("differ", words.shape, np.bool_))
    return Runs(height, width, np.flatnonzero(differ), buffers)


@functools.lru_cache(maxsize=8)
def centres(pixels: int, others: int) -> Floats:
    """Where the centres of so many pixels in a row lie among so many others, float32."""
    scale = others / pixels
    return np.arange(pixels, dtype=np.float32) * scale + (scale - 1) / 2


def _length(width: int) -> int:
    return math.gcd(width, LONGEST)


def _word(length: int) -> str:
    """An unsigned integer of as many bytes."""
    return f"u{length}"
