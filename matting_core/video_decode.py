"""One rule for turning a decoded video frame into a picture: its own colour matrix, upright, BGR."""

from typing import Any

import numpy as np
from av.video.reformatter import Colorspace

from matting_core.frames import Image

HD_HEIGHT = 720
"""From this height on untagged video is BT.709, below it BT.601, as players assume."""

_TAGS = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}


def colour_matrix(tag: int, height: int) -> Colorspace:
    """The YUV matrix of a frame with the stream's colour tag (ISO/IEC 23091-2 matrix coefficients) and height."""
    return _TAGS.get(tag, Colorspace.ITU709 if height >= HD_HEIGHT else Colorspace.ITU601)


def to_bgr(frame: Any) -> Image:
    """A decoded av.VideoFrame as a new picture: uint8 H×W×3 BGR, turned as its rotation metadata says."""
    matrix = colour_matrix(int(frame.colorspace), frame.height)
    image: Image = frame.reformat(format="bgr24", src_colorspace=matrix).to_ndarray()
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
