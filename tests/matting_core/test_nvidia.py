"""The NVIDIA driver's library, played by an object: what is said without a GPU, and which memory is pinned."""

import ctypes
from typing import Any

import numpy as np
import pytest

from matting_core import device_buffers, nvidia
from matting_core.device_buffers import pinned_array
from matting_core.errors import EngineError


class Driver:
    """A driver with one GPU that remembers what is pinned."""

    def __init__(self, devices: int = 1, refuses: int = 0) -> None:
        self._devices = devices
        self._refuses = refuses
        self.keeps = False
        self.pinned: dict[int | None, int] = {}

    def cuInit(self, _flags: int) -> int:  # noqa: N802  the driver's names
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self._devices
        return 0

    def cuDeviceGet(self, _device: Any, _number: int) -> int:  # noqa: N802
        return 0 if self._devices else 101

    def cuDeviceGetName(self, name: Any, _length: int, _device: Any) -> int:  # noqa: N802
        name.value = b"NVIDIA Test"
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:  # noqa: N802
        free._obj.value, total._obj.value = 3 << 20, 8 << 20
        return self._refuses

    def cuMemHostRegister_v2(self, address: ctypes.c_void_p, size: ctypes.c_size_t, _flags: int) -> int:  # noqa: N802
        if not self._refuses:
            self.pinned[address.value] = size.value
        return self._refuses

    def cuMemHostUnregister(self, address: ctypes.c_void_p) -> int:  # noqa: N802
        if not self.keeps:
            del self.pinned[address.value]
        return 201 if self.keeps else 0


def use(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Driver:
    monkeypatch.setattr(nvidia, "_driver", lambda: driver)
    return driver


def test_what_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Driver())
    nvidia.require_device()
    assert nvidia.has_driver()
    assert nvidia.device_name() == "NVIDIA Test"
    assert nvidia.memory_in_use_mib() == 5


def test_a_driver_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Driver(devices=0, refuses=201))
    with pytest.raises(EngineError, match="finds no usable GPU"):
        nvidia.require_device()
    assert nvidia.device_name() == ""
    assert nvidia.memory_in_use_mib() == 0


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(nvidia, "_driver", missing)
    assert not nvidia.has_driver()
    with pytest.raises(EngineError, match="has no NVIDIA driver"):
        nvidia.require_device()
    assert pinned_array((4, 4), np.float32).sum() == 0


def test_pages_are_pinned_as_long_as_a_view_of_them_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = use(monkeypatch, Driver())
    array = pinned_array((3, 5), np.float32)
    assert driver.pinned == {array.ctypes.data: 60}
    array[1] = 7
    row = array[1]
    del array
    assert len(driver.pinned) == 1
    np.testing.assert_array_equal(row, np.full(5, 7, np.float32))
    del row
    assert driver.pinned == {}


def test_where_nothing_can_be_pinned_the_memory_is_ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = use(monkeypatch, Driver(refuses=2))
    array = pinned_array((3, 5), np.uint8)
    array.fill(1)
    assert array.sum() == 15
    del array
    assert driver.pinned == {}


def test_memory_that_the_driver_keeps_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another array there would be taken for the old one."""
    kept: list[Any] = []
    monkeypatch.setattr(device_buffers, "_kept", kept)
    driver = use(monkeypatch, Driver())
    array = pinned_array((3, 5), np.float32)
    driver.keeps = True
    del array
    assert len(kept) == 1
