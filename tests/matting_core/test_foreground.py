"""Foreground colour: the rim gets the person's colours, the blurred room gets none of them."""

import warnings

import cv2
import numpy as np
import pytest

from matting_core.buffers import Buffers, Recycler
from matting_core.foreground import blurred_room, estimate_foreground, estimate_plates
from matting_core.frames import Alpha, Image
from matting_core.preprocess import first_half

SHAPES = [(1, 1), (1, 7), (5, 1), (2, 2), (3, 5), (37, 53)]
RED = (20, 30, 210)


def picture(height: int, width: int) -> Image:
    """Noise."""
    return np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def soft_disc(height: int, width: int, rim: float = 6.0) -> Alpha:
    """A person's stand-in: a disc whose alpha falls over about 2 × rim pixels."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height * 0.55, x - width / 2) - height * 0.3
    return np.rint(255 * np.clip(0.5 - distance / (2 * rim), 0, 1)).astype(np.uint8)


def composite(seed: int) -> tuple[Image, Image, Alpha]:
    """Camera picture, true foreground and alpha of a striped dress in a bright, uneven room."""
    rng = np.random.default_rng(seed)
    height, width = 180, 240
    y, x = np.mgrid[:height, :width].astype(np.float32)
    stripes = 60 + 40 * np.sin(x / 5)
    person = np.stack([stripes, 40 + 0.2 * y, 90 + 0.1 * x], axis=-1)
    blobs = cv2.resize(rng.uniform(120, 255, (5, 7, 3)).astype(np.float32), (width, height))
    alpha = soft_disc(height, width)
    share = alpha[..., None] / 255
    camera = np.rint(share * person + (1 - share) * blobs).astype(np.uint8)
    return camera, np.rint(person).astype(np.uint8), alpha


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_colour_error_of_the_rim_is_at_least_halved(seed: int) -> None:
    camera, person, alpha = composite(seed)
    rim = (alpha > 0) & (alpha < 255)
    estimate = estimate_foreground(camera, alpha).astype(float)
    before = np.abs(camera.astype(float) - person)[rim].mean()
    after = np.abs(estimate - person)[rim].mean()
    assert before > 30
    assert after < before / 2


def test_one_colour_on_another_is_found_where_it_shows() -> None:
    alpha = soft_disc(120, 160)
    share = alpha[..., None] / 255
    camera = np.rint(share * RED + (1 - share) * 128).astype(np.uint8)
    as_seen = {name: share * np.abs(x.astype(int) - RED) for name, x in
               (("camera", camera), ("estimate", estimate_foreground(camera, alpha)))}  # fmt: skip
    rim = (alpha > 0) & (alpha < 255)
    assert as_seen["camera"].max() > 25
    assert as_seen["estimate"].max() < as_seen["camera"].max() * 0.7
    assert as_seen["estimate"][rim].mean() < as_seen["camera"][rim].mean() * 0.4


def test_where_all_is_the_person_the_camera_pixel_stays() -> None:
    camera, _, alpha = composite(0)
    estimate = estimate_foreground(camera, alpha)
    np.testing.assert_array_equal(estimate[alpha == 255], camera[alpha == 255])


def test_where_nothing_is_the_person_no_detail_of_the_room_gets_through() -> None:
    camera, _, alpha = composite(0)
    y, x = np.indices(alpha.shape)
    camera[alpha == 0] = np.where((x + y) % 2, 255, 0)[alpha == 0][:, None]
    estimate = estimate_foreground(camera, alpha).astype(int)
    empty = (alpha[:, :-1] == 0) & (alpha[:, 1:] == 0)
    assert np.abs(np.diff(camera.astype(int), axis=1))[empty].min() == 255
    assert np.abs(np.diff(estimate, axis=1))[empty].max() < 255 / 5


def test_a_matte_that_is_nowhere_sure_still_takes_its_colours_from_the_person() -> None:
    camera = np.full((64, 64, 3), 200, np.uint8)
    alpha = np.zeros((64, 64), np.uint8)
    camera[24:40, 24:40] = RED
    alpha[24:40, 24:40] = 120
    grown = estimate_foreground(camera, alpha)[20, 32].astype(int)  # alpha is 0 here, and the person is near
    assert np.abs(grown - RED).max() < 8


@pytest.mark.parametrize(("height", "width"), SHAPES)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_any_size_and_a_flat_alpha_give_colours(height: int, width: int, level: int) -> None:
    image, alpha = picture(height, width), np.full((height, width), level, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimate, room = estimate_foreground(image, alpha), blurred_room(image, alpha, 5.0)
    assert estimate.shape == room.shape == image.shape
    assert estimate.dtype == room.dtype == np.uint8
    if level == 255:
        np.testing.assert_array_equal(estimate, image)


def test_a_red_person_leaves_no_red_in_a_blurred_grey_room() -> None:
    alpha = soft_disc(180, 240)
    share = alpha[..., None] / 255
    image = np.rint(share * RED + (1 - share) * 120).astype(np.uint8)
    for sigma in (1.0, 5.0, 20.0, 60.0):
        room = blurred_room(image, alpha, sigma).astype(int)
        assert np.abs(room - 120).max() <= 4, f"the person shows at sigma {sigma}"


@pytest.mark.parametrize("sigma", [3.0, 8.0, 20.0])
def test_the_blur_is_a_gaussian_of_that_width(sigma: float) -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    image[:, 200:] = 240
    room = blurred_room(image, np.zeros((200, 400), np.uint8), sigma)
    true = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(room[100] - true[100]).max() < 240 * 0.03


@pytest.mark.parametrize("sigma", [2.0, 30.0, 300.0])
def test_a_room_seen_through_a_keyhole_has_its_colour_everywhere(sigma: float) -> None:
    image = np.full((180, 320, 3), RED, np.uint8)
    alpha = np.full((180, 320), 255, np.uint8)
    image[80:84, 100:104] = 120
    alpha[80:84, 100:104] = 0
    room = blurred_room(image, alpha, sigma)
    assert np.abs(room[10, 300].astype(int) - 120).max() <= 2


def test_the_blur_refuses_no_width() -> None:
    with pytest.raises(ValueError, match="not above 0"):
        blurred_room(picture(8, 8), np.zeros((8, 8), np.uint8), 0.0)


def test_kept_buffers_do_not_change_what_comes_out() -> None:
    buffers = Buffers()
    for seed in (0, 1, 0):
        camera, _, alpha = composite(seed)
        kept, fresh = estimate_plates(camera, alpha, buffers), estimate_plates(camera, alpha)
        np.testing.assert_array_equal(kept.foreground, fresh.foreground)
        np.testing.assert_array_equal(kept.background, fresh.background)
        out = np.empty_like(camera)
        assert blurred_room(camera, alpha, 9.0, out=out, buffers=buffers) is out
        np.testing.assert_array_equal(out, blurred_room(camera, alpha, 9.0))


@pytest.mark.parametrize("shape", [(96, 128), (97, 131)])
def test_a_half_made_before_is_used_and_changes_nothing(shape: tuple[int, int]) -> None:
    camera = picture(*shape)
    alpha = np.tile(np.linspace(0, 255, shape[1]).astype(np.uint8), (shape[0], 1))
    half = first_half(camera, (32, 32), Recycler())
    assert half is not None
    given, made = estimate_plates(camera, alpha, half=half), estimate_plates(camera, alpha)
    np.testing.assert_array_equal(given.foreground, made.foreground)
    np.testing.assert_array_equal(given.background, made.background)
    np.testing.assert_array_equal(blurred_room(camera, alpha, 9.0, half=half), blurred_room(camera, alpha, 9.0))
    black = np.zeros_like(half)
    assert not blurred_room(camera, alpha, 9.0, half=black).any()
    assert not estimate_plates(camera, alpha, half=black).foreground[..., :3].any()
