"""Runs: fetched, placed, sampled and put back as the same work on every single pixel does it."""

import cv2
import numpy as np
import pytest

from matting_core import runs
from matting_core.buffers import Buffers
from matting_core.runs import Runs, all_runs, centres, runs_that_differ

SIZES = [(5, 8), (6, 12), (7, 6), (9, 7), (270, 480)]
"""(height, width): widths that give runs of 8, 4, 2 and 1 pixels, and a picture of more runs than one chunk takes."""


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def some(height: int, width: int) -> tuple[Runs, np.ndarray]:
    """The runs in which two mattes differ here and there, and which pixels these are, bool H×W."""
    matte = noise(height, width)
    other = np.where(noise(height, width) < 20, ~matte, matte)
    length = np.gcd(width, runs.LONGEST)
    touched = (matte != other).reshape(height, -1, length).any(axis=2)
    return runs_that_differ(matte, other, Buffers()), np.repeat(touched, length, axis=1)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_runs_that_differ_are_those_in_which_any_pixel_does(height: int, width: int) -> None:
    found, touched = some(height, width)
    alpha = noise(height, width)
    assert found.pixels == touched.sum() > 0
    levels = np.concatenate([chunk.levels(alpha) for chunk in found.chunks()])
    assert (levels == alpha[touched]).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_what_is_fetched_is_put_back_to_its_place_and_nowhere_else(height: int, width: int) -> None:
    found, touched = some(height, width)
    picture, canvas = noise(height, width, 3), np.zeros((height, width, 3), np.uint8)
    for chunk in found.chunks():
        assert (chunk.unit(picture[..., 0].copy(), "unit") <= 1).all()
        chunk.put(canvas, chunk.colours(picture, "colours"))
    assert (canvas[touched] == picture[touched]).all()
    assert not canvas[~touched].any()


def test_all_runs_are_every_pixel_once() -> None:
    picture, canvas = noise(270, 480, 3), np.zeros((270, 480, 3), np.uint8)
    parts = list(all_runs(270, 480, Buffers()).chunks())
    assert len(parts) > 1
    assert sum(part.pixels for part in parts) == 270 * 480
    for part in parts:
        part.put(canvas, part.colours(picture, "colours"))
    assert (canvas == picture).all()


def test_put_rounds_to_the_nearest_level() -> None:
    canvas = np.zeros((1, 8, 3), np.uint8)
    colours = np.tile(np.float32([0.4, 0.6, 1.4, 1.6, 253.4, 253.6, 254.4, 254.6]), (3, 1))
    all_runs(1, 8, Buffers()).put(canvas, colours)
    assert canvas[0, :, 0].tolist() == [0, 1, 1, 2, 253, 254, 254, 255]


@pytest.mark.parametrize(("pixels", "others"), [(1280, 320), (427, 107), (242, 61), (8, 8)])
def test_centres_are_aligned(pixels: int, others: int) -> None:
    exact = (np.arange(pixels) + 0.5) * others / pixels - 0.5
    assert centres(pixels, others).dtype == np.float32
    assert np.abs(centres(pixels, others) - exact).max() < 1e-4


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_plate_is_sampled_as_the_whole_picture_would_be(height: int, width: int) -> None:
    found, touched = some(height, width)
    plate = np.random.default_rng(0).random((-(-height // 8), -(-width // 8), 4), np.float32)
    x, y = np.meshgrid(centres(width, plate.shape[1]), centres(height, plate.shape[0]))
    whole = cv2.remap(plate, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    sampled = [chunk.sample(plate, chunk.places(plate.shape), "sampled").copy() for chunk in found.chunks()]
    assert np.abs(np.concatenate(sampled, axis=1) - whole[touched].T).max() < 1e-5
