"""Whether a file is a picture or a video: by its suffix, or, where that tells nothing, by how it begins."""

from pathlib import Path
from typing import Literal

import cv2

from matting_core.errors import MediaError
from matting_core.inputs import check_readable
from matting_core.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

MediaKind = Literal["image", "video"]


def media_kind(path: Path) -> MediaKind:
    """What to open a file as. Raises MediaError for one of another suffix that is neither."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    check_readable(path)
    return "image" if cv2.haveImageReader(str(path)) else _video(path)


def _video(path: Path) -> MediaKind:
    from matting_core.video_decode import open_video  # brings PyAV: 17 MB that a live picture seldom needs

    try:
        open_video(path)[0].close()
    except MediaError as error:
        raise MediaError(
            f"The file {path} is not a readable picture or video.", "Use a JPEG, PNG, WebP, MP4, MKV or WebM file."
        ) from error
    return "video"
