"""Buffers of fixed size and address on a device, each with a host side in pinned memory where that is to be had."""

from typing import Any

import numpy as np

from matting_core.errors import InferenceFailed
from matting_core.frames import Array

TYPES: dict[str, type[np.generic]] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


class DeviceBuffer:
    """One tensor where the network computes, and an array of its size that the host reads and writes.

    On the processor both are the same memory.
    """

    def __init__(self, ort: Any, device: str, shape: tuple[int, ...], kind: type[np.generic]) -> None:
        """device: 'cpu' or 'cuda'."""
        self._host = _host_value(ort, device, shape, kind)
        self.value: Any = self._host  # what is bound
        if device != "cpu":
            self.value = ort.OrtValue.ortvalue_from_shape_and_type(shape, kind, device, 0)
        self.host: Array = self._host.numpy()
        self.host.fill(0)
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

    def download(self) -> Array:
        """Bring the tensor to the host side, and give that; it lasts until the tensor is computed again."""
        if self.value is not self._host:
            try:
                self._host.update_inplace(self.value)
            except TypeError:  # ONNX Runtime before it copied between tensors
                np.copyto(self.host, self.value.numpy())
        return self.host


def _host_value(ort: Any, device: str, shape: tuple[int, ...], kind: type[np.generic]) -> Any:
    """Memory of the host as a tensor: pinned, so that the GPU copies it by itself, where ONNX Runtime offers that."""
    if device != "cpu":
        memory = _pinned_memory(ort)
        if memory is not None:
            return ort.OrtValue.ortvalue_from_shape_and_type(shape, kind, memory_info=memory)
    return ort.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", 0)


def _pinned_memory(ort: Any) -> Any:
    """Where CUDA's provider allocates memory that both sides reach; None before ONNX Runtime 1.23 or without a GPU."""
    if not hasattr(ort, "get_ep_devices") or not hasattr(ort, "OrtDeviceMemoryType"):
        return None
    for found in ort.get_ep_devices():
        if found.ep_name == "CUDAExecutionProvider":
            return found.memory_info(ort.OrtDeviceMemoryType.HOST_ACCESSIBLE)
    return None


def check_health(figures: Array) -> None:
    """InferenceFailed unless these are the least, greatest and mean of a matte: finite and in [0, 1]."""
    low, high, mean = (float(figure) for figure in figures)
    if not (np.isfinite((low, high, mean)).all() and low >= -1e-3 and high <= 1 + 1e-3):
        raise InferenceFailed(f"The fused graph computed values that are no matte ({low} to {high}, mean {mean}).")
