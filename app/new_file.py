"""Where a recording or a snapshot goes: named by the time, and never by a name that is taken."""

import os
import time
from pathlib import Path

from matting_core.errors import MediaError


def new_file(folder: Path, suffix: str) -> Path:
    """A path in `folder`, which is made if needed, that does not exist.

    'Mattecam 2026-11-23 23.59.01.mp4', then '… (2).mp4'. Raises MediaError where the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"The folder {folder} cannot be created ({error.strerror}).", "Create it yourself, or fix the permissions."
        ) from error
    stem = time.strftime("Mattecam %Y-%m-%d %H.%M.%S")
    path, number = folder / f"{stem}{suffix}", 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{stem} ({number}){suffix}"
    return path
