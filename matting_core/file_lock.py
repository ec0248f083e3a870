"""A lock on an open file that only one process can hold; the system drops it with the process, even after kill -9."""

import errno
import os
from typing import IO

_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}


def lock_file(file: IO[bytes]) -> None:
    """Lock an open file, or raise OSError at once where another process holds it. The file's position is kept."""
    if os.name == "nt":
        import msvcrt

        at = file.tell()
        file.seek(0x7FFF0000)  # locking a byte far beyond the end hinders nobody's reading
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        finally:
            file.seek(at)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(error: OSError) -> bool:
    """Whether `lock_file` failed because another process holds the lock, not because the file system has none."""
    return error.errno in _HELD
