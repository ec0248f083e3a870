"""A camera's JPEG pictures: decoded straight into storage that is used again."""

from typing import cast

import cv2
import numpy as np
import simplejpeg

from matting_core import LARGEST_PICTURE
from matting_core.buffers import Recycler
from matting_core.frames import Array, Image

_END, _PADDING = b"\xff\xd9", 4096
"""How a whole JPEG ends, and how many bytes of zeros are expected after that at most."""
LEAVE = 60
"""So many pictures after one with a flaw go to OpenCV at once: a cheap camera may have the flaw in all of them."""


class JpegDecoder:
    """Decodes one camera's pictures. Used on one thread."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._arrays = Recycler()
        self._leave = 0

    def decode(self, data: Array) -> Image | None:
        """The picture, uint8 H×W×3 BGR; None if it is damaged too badly. An orientation in EXIF is not heeded.

        data: uint8 N; its end may be missing. A sound picture is decoded into storage used again, if the one before had
        its size: a damaged header names any size. OpenCV, which always makes new storage, is left what has a flaw, such
        as stray bytes. The pixels are the same. cv2.error: no data, or a size beyond LARGEST_PICTURE.
        """
        self._leave = max(0, self._leave - 1)
        if not self._leave and (image := self._sound(_ended(data))) is not None:
            return image
        image = cast("Image | None", cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
        if image is not None and not self._leave:
            self._leave = LEAVE
        return image

    def _sound(self, data: Array) -> Image | None:
        """The picture if nothing is wrong with it.

        Only strict: else simplejpeg takes some fatal damage for slight, and gives storage that it has not written to,
        which would be an earlier picture.
        """
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            if height * width > LARGEST_PICTURE:
                return None
            into = self._arrays.new((height, width, 3)) if (height, width) == self._size else None
            image = cast(Image, simplejpeg.decode_jpeg(data, colorspace="BGR", buffer=into, strict=True))
        except (ValueError, KeyError, MemoryError):  # KeyError: an unusual sampling of colours
            return None
        if into is None:
            self._size, self._arrays = (height, width), Recycler()
        return image


def _ended(data: Array) -> Array:
    """The same with its end, where a camera leaves that out. One that was cut before that stays damaged."""
    whole = bytes(data[-_PADDING:]).rstrip(b"\0").endswith(_END)
    return data if whole else np.append(data, np.frombuffer(_END, np.uint8))
