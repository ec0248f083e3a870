"""The NVIDIA driver's own library: whether there is a GPU, which, how full it is, and memory that it copies by itself.

Needs no package, so that the doctor can ask it.
"""

import ctypes
import functools
import sys

from matting_core.errors import EngineError

_PORTABLE = 1  # CU_MEMHOSTREGISTER_PORTABLE: for whatever thread uses the device
_MIB = 1 << 20


def has_driver() -> bool:
    """Whether the driver's library loads: the words of ONNX Runtime do not tell a missing driver from a bad one."""
    try:
        _driver()
    except OSError:
        return False
    return True


def require_device() -> None:
    """EngineError without a GPU: a CUDA build of ONNX Runtime falls back to the processor in silence."""
    count = ctypes.c_int(0)
    try:
        driver = _driver()
        works = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError) as error:
        raise EngineError(
            "This machine has no NVIDIA driver, which cuda, tensorrt and bench --fused need.",
            "Install the driver, or choose the engine auto, without --fused.",
        ) from error
    if not works or count.value < 1:
        raise EngineError(
            "The NVIDIA driver finds no usable GPU.", "Check it with nvidia-smi, or choose the engine auto."
        )


def device_name() -> str:
    """What the first GPU is called; empty if the driver does not say. OSError without a driver."""
    name, device = ctypes.create_string_buffer(128), ctypes.c_int(0)
    driver = _driver()
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDeviceGetName(name, len(name), device):
        return ""
    return name.value.decode("utf-8", "replace")


def memory_in_use_mib() -> int:
    """How much of the GPU's memory is taken, by all programs. On a thread that has used the GPU; 0 on another.

    OSError without a driver.
    """
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    if _driver().cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)):
        return 0
    return (total.value - free.value) // _MIB


def pin_pages(address: int, size: int) -> bool:
    """Have these pages of memory stay where they are, so that the GPU copies from and to them by itself.

    On a thread that has used the GPU. False where the driver refuses: all works without, at a third of the speed.
    """
    try:
        return not _driver().cuMemHostRegister_v2(ctypes.c_void_p(address), ctypes.c_size_t(size), _PORTABLE)
    except (OSError, AttributeError):
        return False


def unpin_pages(address: int) -> bool:
    """Let go of what `pin_pages` pinned, before the memory is given back; False where the driver does not."""
    return not _driver().cuMemHostUnregister(ctypes.c_void_p(address))


@functools.cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
