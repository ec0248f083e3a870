"""What a network left behind when it was compiled or closed: glibc keeps it, and the next one comes on top of that."""

import ctypes
import sys


def give_back() -> None:
    """Give freed memory back to the system where the C library keeps it; it takes some milliseconds."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
        if trim is not None:
            trim(0)
