"""On Linux a webcam's JPEGs are handed over as they are, and decoded into storage used again."""

import cv2
import numpy as np
import pytest

from app import webcam
from app.camera import open_source
from app.camera_list import CameraInfo
from app.settings import Settings
from matting_core.benchmark import as_jpeg
from tests.support.fake_capture import FakeCapture


class JpegCapture(FakeCapture):
    """The same as V4L2 is with OpenCV's conversion off: what it retrieves are the bytes of JPEGs."""

    def retrieve(self, image=None):
        assert image is None, "the bytes are never as many as before"
        picture = self._left.pop(0)
        return picture is not None, picture if picture is None else as_jpeg(picture).reshape(1, -1)


@pytest.fixture
def jpegs(monkeypatch, capture, cameras):
    """A camera of V4L2 that sends MJPEG, however it is opened."""
    monkeypatch.setattr(webcam.cv2, "VideoCapture", JpegCapture)
    monkeypatch.setattr(webcam, "_why_not", lambda *_, **__: None)
    cameras(CameraInfo(0, "HD Webcam", "/dev/video0", cv2.CAP_V4L2))
    return capture


def test_on_linux_a_cameras_jpegs_are_handed_over_and_decoded_into_storage_used_again(jpegs):
    jpegs.pictures = [np.full((720, 1280, 3), 10 * (index % 20), np.uint8) for index in range(40)]
    source = open_source(Settings(camera="HD Webcam"))
    assert jpegs.calls[-1] == (cv2.CAP_PROP_CONVERT_RGB, 0), "last: setting the size would undo it"
    places = set()
    for index in range(40):
        image = source.read().image
        assert image.shape == (720, 1280, 3) and not image.flags.writeable
        assert abs(int(image[300, 500, 1]) - 10 * (index % 20)) <= 1
        places.add(image.__array_interface__["data"][0])
    assert len(places) < 5


def test_a_damaged_jpeg_is_passed_over(jpegs, monkeypatch):
    jpegs.pictures = [np.full((480, 640, 3), value, np.uint8) for value in (10, 20, 30)]
    source = open_source(Settings(camera="HD Webcam"))
    source.read()
    encode = iter([np.zeros((1, 900), np.uint8), as_jpeg(np.full((480, 640, 3), 30, np.uint8)).reshape(1, -1)])
    monkeypatch.setattr(JpegCapture, "retrieve", lambda self: (self._left.pop(0) is not None, next(encode)))
    assert abs(int(source.read().image[0, 0, 0]) - 30) <= 1


def test_a_camera_that_sends_no_jpeg_is_converted_by_opencv(jpegs, monkeypatch):
    monkeypatch.setattr(JpegCapture, "retrieve", FakeCapture.retrieve)
    assert open_source(Settings(camera="HD Webcam", camera_mjpeg=False)).read().image[0, 0, 0] == 10
    assert cv2.CAP_PROP_CONVERT_RGB not in [call[0] for call in jpegs.calls]
