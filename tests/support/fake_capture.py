"""FakeCapture: cv2.VideoCapture without a camera."""

import cv2
import numpy as np

from app.camera_list import CameraInfo

WEBCAM = CameraInfo(3, "HD Webcam", "", cv2.CAP_DSHOW)


class FakeCapture:
    """Stands in for cv2.VideoCapture: a driver that grants what it is asked for, and delivers `pictures` in turn.

    None is a frame that cannot be decoded; the end of the list is an unplugged camera.
    """

    pictures: list
    opened = True
    calls: list

    def __init__(self, target, backend):
        FakeCapture.calls = [("open", target, backend)]
        self._values = {}
        self._left = list(FakeCapture.pictures)

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return FakeCapture.opened

    def set(self, key, value):
        FakeCapture.calls.append((key, value))
        self._values[key] = value
        return True

    def get(self, key):
        return float(self._values.get(key, 0))

    def grab(self):
        return bool(self._left)

    def retrieve(self, image):
        picture = self._left.pop(0)
        if picture is not None and picture.shape == image.shape:  # as OpenCV does: another size gets a new array
            np.copyto(image, picture)
            picture = image
        return picture is not None, picture

    def release(self):
        FakeCapture.calls.append(("release",))
