"""Files from outside, opened with a bound: no pipe or device that never ends, and no more bytes than are wanted."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from matting_core.errors import MediaError


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read. Raises OSError, also for a folder, a pipe, a device or an impossible name."""
    # Opening a pipe that nobody writes would wait for ever; O_NONBLOCK does not, and means nothing to a regular file.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a null byte, or half a surrogate pair
        raise OSError(errno.EINVAL, "this cannot be a file name") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def check_readable(path: Path) -> None:
    """Raise MediaError unless a regular file can be opened there."""
    try:
        open_regular(path).close()
    except OSError as error:
        raise MediaError(f"The file {path} cannot be read ({error.strerror}).", "Choose another file.") from error


def read_bounded(path: Path, largest: int) -> bytes:
    """A regular file's bytes. Raises OSError, also for one larger than `largest` bytes, of which no more are read."""
    with open_regular(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest / 2**20:g} MiB", str(path))
    return data


def is_file(path: str | Path) -> bool:
    """Whether a file has that path; False also for a path that may not be looked at or is impossible."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises there


def is_folder(path: Path) -> bool:
    """Likewise of a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def is_there(path: Path) -> bool:
    """Likewise of anything."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def why_no_file(path: Path) -> str:
    """What to say of a path that is not a file."""
    return "is a folder" if is_folder(path) else "does not exist"
