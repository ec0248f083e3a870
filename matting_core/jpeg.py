"""A camera's JPEG pictures: decoded straight into storage that is used again."""

from typing import cast

import cv2
import simplejpeg

from matting_core import LARGEST_PICTURE
from matting_core.buffers import Recycler
from matting_core.frames import Array, Image


def decode_jpeg(data: Array, arrays: Recycler) -> Image | None:
    """The picture, uint8 H×W×3 BGR, in one of `arrays` where it is sound; None if it is damaged too badly.

    data: uint8 N. The pixels are OpenCV's, which however always makes new storage. What is slightly damaged is left to
    it, since it takes some of that. cv2.error: no data.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if height * width <= LARGEST_PICTURE:
            out = arrays.new((height, width, 3))
            simplejpeg.decode_jpeg(data, colorspace="BGR", buffer=out)
            return out
    except ValueError:
        pass
    return cast("Image | None", cv2.imdecode(data, cv2.IMREAD_COLOR))
