"""A rig for the live pipeline, stopped and checked after each test; and a webcam without a camera."""

from collections.abc import Iterator

import numpy as np
import pytest

from app import camera_list, webcam
from tests.support.fake_capture import WEBCAM, FakeCapture
from tests.support.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.finish()


@pytest.fixture
def capture(monkeypatch):
    FakeCapture.pictures = [np.full((720, 1280, 3), value, np.uint8) for value in (10, 20, 30)]
    FakeCapture.opened = True
    monkeypatch.setattr(webcam.cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(webcam, "FIRST_FRAME_S", 0.0)
    return FakeCapture


@pytest.fixture
def cameras(monkeypatch):
    """Sets what the machine has."""

    def have(*listed):
        monkeypatch.setattr(camera_list, "list_cameras", lambda: listed)

    have(WEBCAM)
    return have
