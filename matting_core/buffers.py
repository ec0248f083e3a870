"""Buffers: scratch arrays kept from frame to frame."""

import numpy as np
import numpy.typing as npt

from matting_core.frames import Array


class Buffers:
    """Scratch arrays by name, shape and type, each made once. Not for use from two threads at once.

    A fresh array of a picture's size comes from the system page by page, and the faults take longer than the
    arithmetic on it.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...], np.dtype[np.generic]], Array] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> Array:
        """The array of that name, shape and type, with whatever was last written to it."""
        key = (name, shape, np.dtype(dtype))
        if key not in self._kept:
            self._kept[key] = np.empty(shape, dtype)
        return self._kept[key]
