"""What a full disk and a read-only one say to whoever writes to them."""

import errno
import os

import pytest

FULL, READ_ONLY = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EROFS, os.strerror(errno.EROFS))
DISKS = pytest.mark.parametrize("fault", [FULL, READ_ONLY], ids=["full", "read-only"])
