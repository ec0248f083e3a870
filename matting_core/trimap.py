"""Trimap: what of a true matte is sure, and the unknown band between. One rule for training and for measuring."""

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SURE = 0.05
"""Alpha this near to 0 or 1 counts as sure, so that the ringing of a JPEG matte does not make its inside unknown."""


def make_trimap(matte: Floats, inner: int, outer: int) -> Floats:
    """The trimap of a true matte: float32 H×W of 0 (background), 0.5 (unknown) and 1 (foreground), new.

    matte: float32 H×W in [0, 1]. The sure foreground is eroded by `inner` pixels, and all that is not sure background
    is dilated by `outer`, both ≥ 0, with a square kernel of side 2n + 1. The picture's edge erodes nothing: a person
    who is cut off by it is not unknown there.
    """
    foreground = cv2.erode((matte >= 1 - SURE).view(np.uint8), _square(inner))
    possible = cv2.dilate((matte > SURE).view(np.uint8), _square(outer))
    trimap = np.zeros(matte.shape, np.float32)
    trimap[possible > 0] = 0.5
    trimap[foreground > 0] = 1.0
    return trimap


def _square(radius: int) -> npt.NDArray[np.uint8]:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
