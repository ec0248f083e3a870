"""What a fused graph is built for. Apart from the builder, which needs the package onnx."""

from dataclasses import dataclass
from typing import Literal

Part = Literal["whole", "front", "back"]
YuvFormat = Literal["i420", "nv12"]


@dataclass(frozen=True, slots=True)
class FusedSpec:
    """What a fused graph is built for.

    size: (height, width) of frame, background and canvas. network: that of the network's input, multiples of 32.
    yuv: sink formats to give beside the canvas; these need even sides. half: the network in float16.
    """

    size: tuple[int, int]
    network: tuple[int, int]
    decontaminate: bool = True
    yuv: tuple[YuvFormat, ...] = ()
    half: bool = False
