"""Pillarbox: a picture taller than wide, as from a phone, shown whole on a canvas that is not, instead of cropped.

It is matted on its own and then placed in the middle. Alpha is 0 beside it, so the background shows there. The picture
itself is filled up with a blur of the room without the person, for a blurred background and for the rim's colours.
"""

from typing import cast

import cv2

from matting_core.buffers import Recycler
from matting_core.fit import fit_image
from matting_core.foreground import blurred_room
from matting_core.frames import Alpha, Frame, Image, MattedFrame
from matting_core.preprocess import shrink

_REDUCED = 8  # the blur is made of a picture this many times smaller
_SIGMA = 0.03  # of its height


def placed_size(image: Image, width: int, height: int) -> tuple[int, int]:
    """The (width, height) at which a camera's picture goes onto a canvas of width × height.

    Usually the canvas's own, to which the picture is cropped. A picture taller than wide on a canvas that is not keeps
    its proportions and gets the canvas's height. image: uint8 h×w×3.
    """
    h, w = image.shape[:2]
    if h <= w or width < height:
        return width, height
    return max(1, round(w * height / h)), height


def on_canvas(matted: MattedFrame, width: int, height: int, arrays: Recycler) -> MattedFrame:
    """The frame placed in the middle of width × height, alpha 0 beside it; the frame itself where it is that wide.

    matted: as high as that, and no wider. The arrays are new ones of `arrays`.
    """
    image, alpha = matted.frame.image, matted.alpha
    inner = image.shape[1]
    if inner == width:
        return matted
    left = (width - inner) // 2
    picture = _beside(image, alpha, width, height, arrays)
    picture[:, left : left + inner] = image
    picture.flags.writeable = False
    wide: Alpha = arrays.new((height, width))
    wide.fill(0)
    wide[:, left : left + inner] = alpha
    frame = Frame(picture, matted.frame.captured_at, matted.frame.index)
    return MattedFrame(frame, wide, columns=(left, left + inner))


def _beside(image: Image, alpha: Alpha, width: int, height: int, arrays: Recycler) -> Image:
    """The room's blur, filling width × height."""
    h, w = max(1, height // _REDUCED), max(1, image.shape[1] // _REDUCED)
    matte = cast(Alpha, cv2.resize(alpha, (w, h), interpolation=cv2.INTER_AREA))
    filling = fit_image(blurred_room(shrink(image, (h, w)), matte, _SIGMA * h), max(1, width // _REDUCED), h)
    return cast(Image, cv2.resize(filling, (width, height), dst=arrays.new((height, width, 3))))
