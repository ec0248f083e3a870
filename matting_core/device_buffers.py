"""Buffers of fixed size and address on a device, each with a host side in pinned memory."""

import logging
import mmap
import weakref
from typing import Any

import numpy as np

from matting_core.frames import Array
from matting_core.nvidia import pin_pages, unpin_pages

log = logging.getLogger(__name__)

_kept: list[mmap.mmap] = []
"""Memory that the driver did not let go of."""

TYPES: dict[str, type[np.generic]] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


class DeviceBuffer:
    """One tensor where the network computes, and an array of its size that the host reads and writes.

    On the processor both are the same memory.
    """

    def __init__(self, ort: Any, device: str, shape: tuple[int, ...], kind: type[np.generic]) -> None:
        """device: 'cpu' or 'cuda', on a thread that has used the GPU. shape and kind: those of the tensor, of zeros.

        Raises what ONNX Runtime does where the device has no room.
        """
        on_host = device == "cpu"
        self.host: Array = np.zeros(shape, kind) if on_host else pinned_array(shape, kind)
        self._host = ort.OrtValue.ortvalue_from_numpy(self.host)
        self.value: Any = (  # what is bound
            self._host if on_host else ort.OrtValue.ortvalue_from_shape_and_type(shape, kind, device, 0)
        )
        self.upload()

    def load(self, array: Array) -> None:
        """Copy an array into the tensor. ValueError: it has another shape or type."""
        if array.shape != self.host.shape or array.dtype != self.host.dtype:
            raise ValueError(f"{array.dtype} {array.shape} for a buffer of {self.host.dtype} {self.host.shape}")
        if array is not self.host:
            np.copyto(self.host, array)
        self.upload()

    def upload(self) -> None:
        """Bring what the host side holds to the device."""
        if self.value is not self._host:
            self.value.update_inplace(self.host)

    def take(self, other: "DeviceBuffer") -> None:
        """Copy another tensor of the same shape and type, on the device."""
        try:
            self.value.update_inplace(other.value)
        except TypeError:  # see `download`
            self.load(other.download())

    def download(self) -> Array:
        """Bring the tensor to the host side, and give that; it lasts until the next load or download."""
        if self.value is not self._host:
            try:
                self._host.update_inplace(self.value)
            except TypeError:  # ONNX Runtime before it copied between tensors
                np.copyto(self.host, self.value.numpy())
        return self.host


def pinned_array(shape: tuple[int, ...], kind: type[np.generic]) -> Array:
    """A new array of zeros that the GPU reads and writes by itself, on a thread that has used the GPU.

    It is an ordinary one where the driver pins no pages. They are let go with the last view of it.
    """
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    memory = mmap.mmap(-1, size)  # of its own, as pages are pinned as a whole
    pages = np.frombuffer(memory, np.uint8)
    if pin_pages(pages.ctypes.data, size):
        weakref.finalize(pages, _let_go, memory, pages.ctypes.data).atexit = False
    else:
        log.info("the driver pins no memory of %s bytes", size)
    return pages.view(kind).reshape(shape)


def _let_go(memory: mmap.mmap, address: int) -> None:
    if not unpin_pages(address):
        _kept.append(memory)  # a new array at this address would be taken for the old one
