"""Picture files in and out: one reader and one writer for backgrounds, stills and snapshots."""

from pathlib import Path
from typing import cast

import cv2
import numpy as np

from matting_core.atomic import write_atomically
from matting_core.errors import MediaError
from matting_core.frames import Array, Image
from matting_core.inputs import read_bounded

LARGEST = 1 << 28
"""Bytes of a picture file that are read at most. Its pixels are bounded in matting_core/__init__.py."""


def read_image(path: Path) -> Image:
    """A picture file as uint8 H×W×3 BGR, turned upright by its EXIF orientation; its own alpha is dropped.

    Raises MediaError if it is missing, unreadable or not a picture.
    """
    try:
        data = np.frombuffer(read_bounded(path, LARGEST), np.uint8)  # cv2.imread cannot open every file name on Windows
    except OSError as error:
        raise MediaError(f"The picture {path} cannot be read ({error.strerror}).", "Choose another file.") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:
        reason = "it has too many pixels" if "IMAGE_PIXELS" in error.err else error.err
        raise MediaError(f"The picture {path} cannot be decoded ({reason}).", "Choose a smaller picture.") from error
    if image is None:
        raise MediaError(f"The file {path} is not a readable picture.", "Use a JPEG, PNG or WebP file.")
    return cast(Image, image)


def write_image(path: Path, image: Array) -> None:
    """Write a picture (H×W, H×W×3 BGR or H×W×4 BGRA, uint8) in the format of the suffix, beside and renamed.

    Raises MediaError; a file that was there stays until the new one is whole.
    """
    try:
        done, data = cv2.imencode(path.suffix or ".png", image)
    except cv2.error:
        done = False
    if not done:
        raise MediaError(f"Pictures cannot be written in the format '{path.suffix}'.", "Use .png or .jpg.")
    try:
        write_atomically(path, data.tobytes())
    except OSError as error:
        raise MediaError(
            f"The picture {path} cannot be written ({error.strerror}).", "Choose another folder or a shorter name."
        ) from error
