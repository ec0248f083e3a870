"""Files are written beside and renamed: a crash leaves the old file or the new one, never a part."""

import contextlib
import os
import secrets
from pathlib import Path

SHOWN = 40
"""Characters of a name, up to four bytes each, that its part shows."""


def part_stem(path: Path) -> str:
    """A name that begins like that of `path`, hidden, nobody else's, and not longer than a file's name may be."""
    return f".{path.stem[:SHOWN]}.{secrets.token_hex(4)}"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step, making its folder if needed. Raises OSError, with `path` untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{part_stem(path)}.part")
    try:
        with temporary.open("xb") as file:  # with the permissions of any new file, unlike tempfile's
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
