"""Scratch arrays kept from frame to frame (Buffers), and arrays that travel and come back (Recycler)."""

import math
import sys

import numpy as np
import numpy.typing as npt

from matting_core.frames import Array


class Buffers:
    """Scratch arrays by name and type, in storage as large as the largest asked for. Not for two threads at once.

    A fresh array of a picture's size comes from the system page by page, and the faults take longer than the
    arithmetic on it.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, np.dtype[np.generic]], Array] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> Array:
        """An array of that shape, C-contiguous, with whatever was last written to the storage of that name and type."""
        key, size = (name, np.dtype(dtype)), math.prod(shape)
        kept = self._kept.get(key)
        if kept is None or kept.size < size:
            kept = self._kept[key] = np.empty(size, dtype)
        return kept[:size].reshape(shape)


class Recycler:
    """Arrays to hand on to others, made again of storage that nobody holds any more. Used on one thread.

    Python counts who holds an array, so nobody has to give one back, and one that is held, or of which a view is held,
    on whatever thread, is never handed out again. As many are kept as were ever held at once.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[int, ...], np.dtype[np.generic]], list[Array]] = {}

    def new(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> Array:
        """An array of that shape and type, with whatever it last held, that belongs to the caller alone."""
        kept = self._kept.setdefault((shape, np.dtype(dtype)), [])
        index = next((index for index in range(len(kept)) if _holders(kept, index) == _UNHELD), len(kept))
        if index == len(kept):
            kept.append(np.empty(shape, dtype))
        # A view: whoever makes theirs read-only does not make the storage so, and it counts as a holder of it.
        return kept[index][...]


def _holders(kept: list[Array], index: int) -> int:
    return sys.getrefcount(kept[index])


_UNHELD = _holders([np.empty(0)], 0)
"""What the count is of an array that only its list holds; which differs between Pythons."""
