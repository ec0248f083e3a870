"""What `bench` tells of storage: tried on steps of known appetite."""

import itertools
from typing import cast

import numpy as np

from matting_core.benchmark import FrameWay, measure_allocations
from matting_core.frames import Image
from matting_core.predictor import Lap


class Steps:
    """Three steps: one takes a mebibyte and gives it back, one keeps a quarter of one, one takes nothing."""

    def __init__(self) -> None:
        self.kept: list[Image] = []

    def go(self, _image: Image, _index: int, lap: Lap) -> None:
        """As FrameWay.go."""
        np.empty(1 << 20, np.uint8).fill(0)
        lap("passing")
        self.kept.append(np.empty(1 << 18, np.uint8))
        lap("kept")
        lap("none")


def test_each_stage_is_told_what_it_took_itself() -> None:
    images = itertools.repeat(np.zeros((2, 2, 3), np.uint8))
    taken = measure_allocations(cast(FrameWay, Steps()), images)
    slack = 1 << 14
    assert 1 << 20 <= taken["passing"] < (1 << 20) + slack
    assert 1 << 18 <= taken["kept"] < (1 << 18) + slack
    assert taken["none"] < slack
