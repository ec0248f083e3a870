"""The one preprocess rule and its inverse, against their definitions."""

import numpy as np
import pytest

from matting_core.preprocess import network_size, restore_alpha, shrink, to_blob


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (720, 1280, (288, 512)),
        (1080, 1920, (288, 512)),
        (1280, 720, (512, 288)),
        (480, 640, (384, 512)),
        (500, 500, (512, 512)),
        (1, 1, (512, 512)),
        (1, 5000, (32, 512)),
        (4320, 7680, (288, 512)),
        (333, 501, (352, 512)),
    ],
)
def test_the_long_side_is_the_presets_and_both_are_multiples_of_32(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert network_size(height, width, 512) == expected


def test_a_blob_is_rgb_from_minus_one_to_one() -> None:
    small = np.zeros((32, 64, 3), np.uint8)
    small[0, 0] = (0, 127, 255)
    blob = to_blob(small)
    assert blob.shape == (1, 3, 32, 64)
    assert blob.dtype == np.float32
    np.testing.assert_allclose(blob[0, :, 0, 0], (1.0, 127 / 127.5 - 1, -1.0), atol=1e-6)
    assert blob[0, :, 5, 5].tolist() == [-1.0, -1.0, -1.0]


def test_shrinking_is_the_mean_over_the_area() -> None:
    image = np.random.default_rng(0).integers(0, 256, (192, 256, 3), dtype=np.uint8)
    wanted = image.reshape(48, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shrink(image, (48, 64)).astype(float) - wanted).max() <= 1.0


def test_shrinking_by_less_than_a_halving_looks_at_every_pixel() -> None:
    """Lines of one pixel, the hardest case: each leaves about its share of the light, wherever it lies."""
    for column in range(300, 340):
        image = np.zeros((360, 640, 3), np.uint8)
        image[:, column] = 200
        light = shrink(image, (288, 512)).sum(axis=1).mean()
        assert 0.6 < light / (200 * 512 / 640) < 1.4


def test_shrinking_by_a_fraction_keeps_the_mean() -> None:
    image = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    small = shrink(image, (288, 512))
    assert small.shape == (288, 512, 3)
    assert abs(float(small.mean()) - float(image.mean())) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 31), (719, 1279), (32, 32), (2000, 3000)])
def test_any_picture_goes_in_and_alpha_comes_back_at_its_size(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    size = network_size(*shape, 128)
    blob = to_blob(shrink(image, size))
    assert blob.shape == (1, 3, *size)
    restored = restore_alpha(np.full(size, 0.5, np.float32), *shape)
    assert restored.shape == shape
    assert restored.dtype == np.uint8
    assert set(np.unique(restored)) <= {127, 128}


def test_what_is_nearly_sure_becomes_sure_and_the_rest_stays_in_order() -> None:
    levels = np.arange(256, dtype=np.float32)
    restored = restore_alpha(np.tile(levels / 255, (32, 1)), 32, 256)[0].astype(int)
    assert (restored[:4] == 0).all()
    assert (restored[-4:] == 255).all()
    assert np.isin(restored[4:-4], (0, 255)).sum() == 0
    assert (np.diff(restored[3:-3]) >= 1).all()
    assert np.abs(restored - levels).max() <= 3


def test_alpha_0_half_and_1_come_back_exactly() -> None:
    alpha = np.zeros((32, 96), np.float32)
    alpha[:, 32:64] = 0.5
    alpha[:, 64:] = 1.0
    restored = restore_alpha(alpha, 320, 960)
    assert restored[160, 100] == 0
    assert restored[160, 480] in (127, 128)
    assert restored[160, 860] == 255
