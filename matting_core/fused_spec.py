"""What a fused graph is built for. Apart from the builder, which needs the package onnx."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from matting_core.frames import Array
from matting_core.stabilise_motion import MotionAware

YuvFormat = Literal["i420", "nv12"]
SMALLEST = 96
"""Pixels of a frame's side: the widest average reaches four pixels around at a sixteenth of the size."""
STATE = {"memory": "memory_next", "mood": "mood_next"}
"""What smoothing remembers: a graph's inputs, and its outputs that are those of the next frame."""


@dataclass(frozen=True, slots=True)
class FusedSpec:
    """What a fused graph is built for.

    size: (height, width) of frame, background and canvas. network: that of the network's input, multiples of 32.
    yuv: sink formats to give beside the canvas; these need even sides. half: the network in float16. smooth: with
    `MotionAware`'s smoothing. matte: give alpha at the frame's size, too. blur: instead of a background, the
    room under a Gaussian of so many pixels, if above 0.
    """

    size: tuple[int, int]
    network: tuple[int, int]
    decontaminate: bool = True
    yuv: tuple[YuvFormat, ...] = ()
    half: bool = False
    smooth: bool = False
    matte: bool = False
    blur: float = 0.0


def fresh_mood() -> Array:
    """`mood` before the first frame, float32 2: the noise, and 0; once there are earlier frames the second is 1."""
    return np.array([MotionAware.NOISE, 0], np.float32)
