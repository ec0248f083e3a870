"""Views of a picture and a webcam's faults: what a training sample is made of."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from matting_core.modnet.augment import View, WebcamLook, look, random_view

SIZE = (64, 96)


def test_the_view_stays_in_the_picture_where_the_person_is_cut_off() -> None:
    matte = np.zeros((100, 80), np.uint8)
    matte[30:, 20:60] = 255  # cut off by the bottom edge
    seen_beyond = {"left": False, "top": False, "right": False}
    for seed in range(200):
        random = np.random.default_rng(seed)
        inside = random_view(matte, SIZE, random, leave=False)
        assert inside.left >= 0
        assert inside.top >= 0
        assert inside.left + inside.width <= 80 + 1e-6
        assert inside.top + inside.height <= 100 + 1e-6
        view = random_view(matte, SIZE, random, leave=True)
        assert view.top + view.height <= 100 + 1e-6
        assert view.width / view.height == pytest.approx(96 / 64)
        seen_beyond["left"] |= view.left < 0
        seen_beyond["top"] |= view.top < 0
        seen_beyond["right"] |= view.left + view.width > 80
        plain = View(view.left, view.top, view.width, view.height)
        assert look(matte, plain, SIZE, cv2.BORDER_REPLICATE).max() > 127, "some of the person is to be seen"
    assert all(seen_beyond.values())


def test_feet_are_looked_at_and_heads_more_often() -> None:
    matte = np.zeros((200, 60), np.uint8)
    matte[10:190, 20:40] = 255
    views = [random_view(matte, (32, 32), np.random.default_rng(seed), leave=False) for seed in range(400)]
    heads, feet = (sum(view.top <= row <= view.top + view.height for view in views) for row in (15, 185))
    assert 30 < feet < heads


def test_looking_is_a_resize_of_the_part() -> None:
    picture = cv2.resize(astronaut(), (96, 64), interpolation=cv2.INTER_AREA)
    assert (look(picture, View(0, 0, 96, 64), (64, 96)) == picture).all()
    assert (look(picture, View(8, 4, 48, 32), (32, 48)) == picture[4:36, 8:56]).all()
    mirrored = look(picture, View(8, 4, 48, 32, mirrored=True), (32, 48))
    assert (mirrored == picture[4:36, 8:56][:, ::-1]).all()
    quarter = look(picture, View(0, 0, 96, 64), (16, 24)).astype(int)
    assert np.abs(quarter - cv2.resize(picture, (24, 16), interpolation=cv2.INTER_AREA)).max() <= 2
    turned = look(np.ascontiguousarray(picture[:64, :64]), View(0, 0, 64, 64, turn_deg=90), (64, 64))
    assert (turned == np.rot90(picture[:64, :64])).all() or (turned == np.rot90(picture[:64, :64], -1)).all()


def test_the_camera_blurs_the_matte_with_the_picture_and_changes_colours_alone_otherwise() -> None:
    """A picture that equals its matte stays so through every blur, wherever light, noise and JPEG are off."""
    camera = WebcamLook()
    edge = torch.zeros(1, 48, 64)
    edge[:, :, 32:] = 1
    blurred = plain = changed = 0
    for seed in range(30):
        image, matte = camera(edge.expand(3, -1, -1).clone(), edge, seed)
        assert image.shape == (3, 48, 64)
        again = camera(edge.expand(3, -1, -1).clone(), edge, seed)
        assert torch.equal(image, again[0])
        soft = bool(((matte > 0.02) & (matte < 0.98)).any())
        blurred += soft
        plain += not soft
        changed += not torch.allclose(image, matte.expand(3, -1, -1), atol=1e-4)
        if not soft:
            assert torch.equal(matte, edge)
    assert min(blurred, plain, changed) >= 5
    camera._light, camera._sensor, camera._jpeg = (), (), torch.nn.Identity()
    for seed in range(12):
        image, matte = camera(edge.expand(3, -1, -1).clone(), edge, seed)
        assert torch.allclose(image, matte.expand(3, -1, -1), atol=1e-6)


def test_the_camera_can_be_sent_to_a_worker() -> None:
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    camera = WebcamLook()
    copy = pickle.loads(pickle.dumps(camera))
    assert torch.equal(camera(image, image[:1], 3)[0], copy(image, image[:1], 3)[0])
