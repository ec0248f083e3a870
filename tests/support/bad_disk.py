"""What a full disk and a read-only one say to whoever writes to them, and what of a film is then there."""

import contextlib
import errno
import os
from pathlib import Path

import av
import pytest

FULL, READ_ONLY = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EROFS, os.strerror(errno.EROFS))
DISKS = pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])


def frames_in(path: Path) -> int:
    """How many pictures play before the place where the disk was full."""
    count = 0
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        for _ in container.decode(video=0):
            count += 1
    return count
