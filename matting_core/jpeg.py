"""A camera's JPEG pictures: decoded straight into storage that is used again."""

from typing import cast

import cv2
import simplejpeg

from matting_core import LARGEST_PICTURE
from matting_core.buffers import Recycler
from matting_core.frames import Array, Image

_END, _PADDING = b"\xff\xd9", 4096
"""How a whole JPEG ends, and how many bytes of zeros are expected after that at most."""


class JpegDecoder:
    """Decodes one camera's pictures. Used on one thread."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._arrays = Recycler()

    def decode(self, data: Array) -> Image | None:
        """The picture, uint8 H×W×3 BGR; None if it is damaged too badly. An orientation in EXIF is not heeded.

        data: uint8 N. In storage used again, if the one before had that size: a damaged header names any size. The
        pixels are OpenCV's, which however always makes new storage. cv2.error: no data.
        """
        if bytes(data[-_PADDING:]).rstrip(b"\0").endswith(_END):
            try:
                return self._decode(data)
            except ValueError:
                return None
        # One that was cut, or has something else behind it.
        return cast("Image | None", cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))

    def _decode(self, data: Array) -> Image:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
        if height * width > LARGEST_PICTURE:
            raise ValueError(f"a picture of {width}×{height}")
        into = self._arrays.new((height, width, 3)) if (height, width) == self._size else None
        # Not strict: many a cheap camera has a few stray bytes in all its pictures.
        image = cast(Image, simplejpeg.decode_jpeg(data, colorspace="BGR", buffer=into, strict=False))
        if into is None:
            self._size, self._arrays = (height, width), Recycler()
        return image
