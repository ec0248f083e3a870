"""What a canvas is held against: the Compositor's, and by how many levels it may differ."""

import numpy as np

from matting_core.composite import Compositor, Edges
from matting_core.frames import Alpha, Array, Frame, Image, MattedFrame

LEVELS = 2
"""By how much a canvas of the fused graph may differ from the Compositor's, anywhere."""


def composed(frame: Image, alpha: Alpha, background: Image, decontaminate: bool = True) -> Image:
    """The OpenCV path's canvas."""
    height, width = alpha.shape
    canvas = np.empty_like(frame)
    matted = MattedFrame(Frame(frame, 0.0, 0), alpha)
    Compositor(width, height).render(matted, background, Edges(decontaminate=decontaminate), canvas)
    return canvas


def largest_difference(one: Array, other: Array) -> int:
    """In levels, of two pictures of whole numbers."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())
