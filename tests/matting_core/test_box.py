"""Box: what lies in it, larger and halved."""

import numpy as np
import pytest

from matting_core.box import Box
from matting_core.preprocess import halve


def test_what_lies_in_it_is_a_view() -> None:
    picture = np.arange(5 * 7 * 3).reshape(5, 7, 3)
    box = Box(1, 4, 2, 6)
    assert (box.height, box.width) == box.of(picture).shape[:2] == (3, 4)
    np.testing.assert_array_equal(box.of(picture), picture[1:4, 2:6])
    assert np.shares_memory(box.of(picture), picture)


@pytest.mark.parametrize(
    ("box", "whole", "larger"),
    [
        (Box(100, 140, 200, 230), Box(0, 320, 0, 640), Box(80, 160, 176, 256)),
        (Box(3, 318, 0, 640), Box(0, 320, 0, 640), Box(0, 320, 0, 640)),
        (Box(100, 140, 200, 230), Box(0, 330, 0, 641), Box(0, 330, 0, 641)),
        (Box(100, 140, 200, 230), Box(0, 330, 0, 640), Box(0, 330, 176, 256)),
    ],
)
def test_it_grows_to_the_grid_within_the_picture(box: Box, whole: Box, larger: Box) -> None:
    assert box.grown(20, 16, whole) == larger


@pytest.mark.parametrize("shape", [(64, 96), (65, 97)])
def test_its_half_is_where_it_lies_in_a_picture_of_half_the_size(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for box in (Box(16, 32, 0, 48), Box(0, shape[0], 0, shape[1])):
        part = halve(box.of(picture))
        assert box.halved().of(halve(picture)).shape == part.shape
    np.testing.assert_array_equal(Box(16, 32, 0, 48).halved().of(halve(picture[:64, :96])), halve(picture[16:32, :48]))
