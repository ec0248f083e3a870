"""What a full disk and a read-only one say to whoever writes to them, and what of a film is then there."""

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

FULL, READ_ONLY = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EROFS, os.strerror(errno.EROFS))
DISKS = pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to a writer: the kernel refuses, in the middle of a write, what would go beyond `size` bytes.

    That holds for pytest's own output as well, if it goes to a file: leave it before the test ends. POSIX only.
    """
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def frames_in(path: Path) -> int:
    """How many pictures play before the place where the disk was full."""
    count = 0
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        for _ in container.decode(video=0):
            count += 1
    return count
