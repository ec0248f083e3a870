"""open_source finds what a setting means, a webcam counts as open only with a frame, and errors say apart why not."""

import errno
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from app import webcam
from app.camera import open_source
from app.camera_list import CameraInfo
from app.camera_watch import BlackWatch
from app.settings import Settings
from matting_core.errors import SourceError, SourceLost
from matting_core.frames import Frame
from tests.support.fake_capture import WEBCAM

LOOPBACK = CameraInfo(9, "Phone", "/dev/video9", cv2.CAP_V4L2, virtual=True)


def test_the_compression_is_asked_for_before_the_size_and_the_rate(capture, cameras):
    open_source(Settings(camera="HD Webcam", camera_size="1280x720", camera_fps=30))
    assert capture.calls == [
        ("open", 3, cv2.CAP_DSHOW),
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30),
    ]


def test_without_mjpeg_the_compression_is_left_to_the_driver(capture, cameras):
    open_source(Settings(camera="HD Webcam", camera_mjpeg=False))
    assert cv2.CAP_PROP_FOURCC not in [call[0] for call in capture.calls]


def test_the_description_has_the_real_size_and_the_drivers_codec_and_rate(capture, cameras):
    capture.pictures = [np.zeros((480, 640, 3), np.uint8)]
    source = open_source(Settings(camera="hd webcam", camera_size="1920x1080", camera_fps=25))
    assert source.description == "HD Webcam, 640×480 MJPG at 25 fps"


def test_frames_count_up_are_read_only_and_none_is_lost(capture, cameras):
    source = open_source(Settings(camera="3"))
    frames = [source.read() for _ in range(3)]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 30]
    assert frames[0].captured_at <= frames[1].captured_at <= frames[2].captured_at
    with pytest.raises(ValueError, match="read-only"):
        frames[0].image[0, 0] = 1


def test_storage_is_used_again_but_never_while_a_frame_is_held(capture, cameras):
    capture.pictures = [np.full((48, 64, 3), value, np.uint8) for value in range(12)]
    source = open_source(Settings(camera="3"))
    held = [source.read() for _ in range(4)]
    assert [int(frame.image[0, 0, 0]) for frame in held] == [0, 1, 2, 3]
    places = set()
    for value in range(4, 12):
        frame = source.read()
        assert int(frame.image[0, 0, 0]) == value
        places.add(frame.image.__array_interface__["data"][0])
        del frame
    assert len(places) <= 2
    assert [int(frame.image[0, 0, 0]) for frame in held] == [0, 1, 2, 3]


def test_the_first_failed_read_is_a_lost_source(capture, cameras):
    source = open_source(Settings(camera="3"))
    for _ in range(3):
        source.read()
    with pytest.raises(SourceLost, match="HD Webcam stopped"):
        source.read()
    source.close()
    source.close()
    assert ("release",) in capture.calls


def test_damaged_frames_are_passed_over_but_not_for_ever(capture, cameras, monkeypatch):
    good = np.full((8, 8, 3), 7, np.uint8)
    now_s = [10.0]
    monkeypatch.setattr(webcam, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    capture.pictures = [good, *[None] * 30, good, *[None] * 60, good]
    monkeypatch.setattr(capture, "grab", lambda self: now_s.append(now_s.pop() + 1 / 30) or bool(self._left))
    source = open_source(Settings(camera="3"))
    assert [source.read().index for _ in range(2)] == [0, 1]
    with pytest.raises(SourceLost):
        source.read()
    assert source.read().index == 2, "it was given up before the end"


def test_the_size_may_change_in_mid_stream(capture, cameras):
    capture.pictures = [np.zeros((480, 640, 3), np.uint8), np.zeros((720, 1280, 3), np.uint8)]
    source = open_source(Settings(camera="3"))
    assert [source.read().image.shape for _ in range(2)] == [(480, 640, 3), (720, 1280, 3)]


def test_opened_without_a_frame_is_an_error_and_the_device_is_freed(capture, cameras):
    capture.pictures = []
    with pytest.raises(SourceError, match="opened but sent no picture"):
        open_source(Settings(camera="3"))
    assert capture.calls[-1] == ("release",)


def test_not_opened_names_the_camera_and_frees_it(capture, cameras):
    capture.opened = False
    with pytest.raises(SourceError, match="HD Webcam"):
        open_source(Settings(camera="3"))
    assert capture.calls[-1] == ("release",)


def test_an_unknown_name_lists_the_choices(cameras):
    with pytest.raises(SourceError) as caught:
        open_source(Settings(camera="kitchen cam"))
    assert "kitchen cam" in caught.value.problem
    assert "'HD Webcam'" in caught.value.mend
    assert "'demo'" in caught.value.mend


def test_a_missing_video_file_is_named(cameras, tmp_path):
    with pytest.raises(SourceError, match=r"gone\.mp4"):
        open_source(Settings(camera=str(tmp_path / "gone.mp4")))


def test_auto_takes_the_first_real_camera(capture, cameras):
    cameras(WEBCAM, LOOPBACK)
    assert open_source(Settings(camera="auto")).description.startswith("HD Webcam")


def test_auto_is_the_demo_when_there_is_no_real_camera_and_says_so(cameras):
    cameras(LOOPBACK)
    assert open_source(Settings(camera="auto")).description.startswith("Demo portrait (no camera found)")


def test_auto_waits_instead_of_showing_the_demo_where_that_is_asked(cameras):
    cameras()
    with pytest.raises(SourceError, match="No camera is connected"):
        open_source(Settings(camera="auto"), demo_if_none=False)


linux_only = pytest.mark.skipif(os.name != "posix", reason="device nodes")


@linux_only
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "There is no camera at /dev/video7"),
        (errno.ENODEV, "There is no camera at /dev/video7"),
        (errno.EACCES, "no permission to open the camera Cam"),
        (errno.EBUSY, "in use by another program"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_the_kernels_reason_becomes_its_own_sentence(monkeypatch, number, words):
    def refuse(path, flags):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(webcam.os, "open", refuse)
    with pytest.raises(SourceError, match=words) as caught:
        webcam.Webcam(CameraInfo(7, "Cam", "/dev/video7", cv2.CAP_V4L2), Settings())
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.mend
    assert ("usermod -aG video" in caught.value.mend) == (number == errno.EACCES)


@linux_only
def test_busy_is_found_by_asking_the_driver_after_a_failed_start(monkeypatch, capture):
    import fcntl

    def busy(node, request, argument):
        raise OSError(errno.EBUSY, "Device or resource busy")

    capture.opened = False
    monkeypatch.setattr(fcntl, "ioctl", busy)
    # Any character device that may be opened stands in for the node; the driver's answer is the point.
    with pytest.raises(SourceError, match="in use by another program"):
        webcam.Webcam(CameraInfo(0, "Cam", "/dev/null", cv2.CAP_V4L2), Settings())


def test_a_virtual_camera_that_nobody_feeds_says_so(capture, cameras):
    capture.opened = False
    cameras(CameraInfo(9, "Phone", "", cv2.CAP_DSHOW, virtual=True))
    with pytest.raises(SourceError, match="virtual camera Phone sends no picture"):
        open_source(Settings(camera="Phone"))


@linux_only
def test_a_device_that_is_no_camera_does_not_open():
    with pytest.raises(SourceError, match="cannot be opened as a camera"):
        webcam.Webcam(CameraInfo(0, "Null", "/dev/null", cv2.CAP_V4L2), Settings())


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.full((2, 4), 77, np.uint8), (77, 77, 77)),
        (np.full((2, 4, 1), 77, np.uint8), (77, 77, 77)),
        (np.full((2, 4, 3), (1, 2, 3), np.uint8), (1, 2, 3)),
        (np.full((2, 4, 4), (1, 2, 3, 99), np.uint8), (1, 2, 3)),
        (np.full((2, 4), 0x4D01, np.uint16), (77, 77, 77)),
        (np.full((2, 4, 2), (235, 128), np.uint8), (255, 255, 255)),
    ],
)
def test_every_odd_format_becomes_bgr(picture, expected):
    image = webcam.to_bgr(picture)
    assert image.dtype == np.uint8
    assert image.shape == (2, 4, 3)
    assert (image == expected).all()


def black_frame(at_s, value=0):
    return Frame(np.full((64, 64, 3), value, np.uint8), at_s, 0)


def test_black_is_told_after_two_seconds_and_forgotten_at_the_first_light():
    watch = BlackWatch()
    assert not watch.update(black_frame(10.0))
    assert not watch.update(black_frame(12.0, value=7))
    assert watch.update(black_frame(12.1))
    assert not watch.update(black_frame(12.2, value=8))
    assert not watch.update(black_frame(12.3))
    assert not watch.update(black_frame(14.2))
    assert watch.update(black_frame(14.4))


def test_a_dark_room_with_one_lamp_is_not_black():
    watch = BlackWatch()
    for at_s in range(10):
        frame = black_frame(float(at_s))
        frame.image[16:32, 16:32] = 40
        assert not watch.update(frame)
