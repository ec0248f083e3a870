"""Cameras that go away, hang, freeze, crawl or send rubbish: told plainly, never shown raw, back by themselves."""

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from app import camera_watch, capture_stage, webcam
from app import pipeline as pipeline_module
from app.camera import FrameSource
from app.camera_list import CameraInfo
from app.settings import Settings
from matting_core.errors import SourceLost
from matting_core.frames import Frame, Image
from tests.support.rig import Rig, assert_accounted
from tests.support.room import HEIGHT, WIDTH, RoomSource, looks_like_the_room, room_picture

CAMERA = CameraInfo(7, "HD Webcam", "/dev/video7", cv2.CAP_V4L2)


class OddRoom(RoomSource):
    """A lens in the made-up room; `distort` says what becomes of the picture of each index."""

    live = True

    def __init__(self, distort: Callable[[int, Image], Image], pause_s: float = 0.0) -> None:
        super().__init__()
        self._distort = distort
        self._pause_s = pause_s

    def read(self) -> Frame:
        time.sleep(self._pause_s)
        frame = super().read()
        return Frame(self._distort(frame.index, frame.image), frame.captured_at, frame.index)


def opener(*sources: FrameSource | Callable[[], FrameSource]) -> Callable[..., FrameSource]:
    """Hands out one after the other; what can be called is."""
    left = list(sources)

    def open_next(_settings: Settings, demo_if_none: bool) -> FrameSource:
        source = left.pop(0) if len(left) > 1 else left[0]
        return source() if callable(source) else source

    return open_next


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries and verdicts come soon."""
    monkeypatch.setattr(capture_stage, "RETRY_S", 0.1)
    monkeypatch.setattr(camera_watch, "SLOW_OVER_S", 1.0)


@pytest.mark.skipif(os.name != "posix", reason="device nodes")
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "There is no camera at /dev/video7."),
        (errno.EBUSY, "The camera HD Webcam is in use by another program."),
        (errno.EACCES, "You have no permission to open the camera HD Webcam (/dev/video7)."),
        (errno.EIO, "The camera HD Webcam (/dev/video7) cannot be opened: Input/output error."),
    ],
)
def test_a_camera_that_does_not_open_is_told_and_taken_when_it_does(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    mended = threading.Event()
    real = os.open

    def refuse(path: object, *arguments: int) -> int:
        if path == CAMERA.path:
            raise OSError(number, os.strerror(number), path)
        return real(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(webcam.os, "open", refuse)
    pipeline = rig.build(
        open_source=opener(lambda: RoomSource() if mended.is_set() else webcam.Webcam(CAMERA, Settings()))
    )
    rig.until(lambda: rig.notice("camera") is not None)
    told = rig.notice("camera")
    assert told is not None
    assert (told.problem, bool(told.mend)) == (words, True)
    assert pipeline.status().capture == "waiting"
    assert not rig.shows_person()
    mended.set()
    rig.until(rig.shows_person)
    assert rig.notice("camera") is None


def test_a_camera_pulled_out_again_and_again_comes_back_each_time(rig: Rig) -> None:
    pulled = [RoomSource(frames=20) for _ in range(3)]
    pipeline = rig.build(open_source=opener(*pulled, RoomSource()))
    rig.until(lambda: all(source.closed for source in pulled))
    rig.until(rig.shows_person)
    assert pipeline.status().notices == ()
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


class StuckRoom(RoomSource):
    """A driver that never comes back from its 20th read, until it is let go."""

    def __init__(self, free: threading.Event) -> None:
        super().__init__()
        self._free = free

    def read(self) -> Frame:
        frame = super().read()
        if frame.index == 20:
            self._free.wait(30.0)
        return frame


@pytest.fixture
def free() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_camera_that_never_answers_is_given_up_and_opened_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, free: threading.Event
) -> None:
    monkeypatch.setattr(pipeline_module, "HANG_S", 0.6)
    stuck = StuckRoom(free)
    mended = threading.Event()

    def second() -> FrameSource:
        if not mended.is_set():
            raise SourceLost("The camera is in use by another program.", "Close it.")  # by our own stuck thread
        return RoomSource()

    pipeline = rig.build(open_source=opener(stuck, second))
    rig.until(rig.shows_person)
    rig.until(lambda: pipeline.status().capture == "waiting")
    assert not rig.shows_person()
    assert rig.notice("camera") is not None
    mended.set()
    rig.until(rig.shows_person)
    assert rig.notice("camera") is None
    free.set()
    rig.until(lambda: stuck.closed)
    assert pipeline.status().capture == "running", "the late one must not speak for the new one"


def test_closing_does_not_wait_for_a_camera_that_never_answers(rig: Rig, free: threading.Event) -> None:
    rig.build(open_source=opener(StuckRoom(free)))
    rig.until(rig.shows_person)
    rig.until(lambda: not rig.shows_person())
    rig.finish(left_behind=True)


def test_closing_does_not_wait_for_a_camera_that_never_opens(rig: Rig, free: threading.Event) -> None:
    def never(_settings: object, **_: object) -> RoomSource:
        free.wait(30.0)
        return RoomSource()

    rig.build(open_source=never)
    rig.until(lambda: rig.memory.sent > 2)
    rig.finish(left_behind=True)


def test_a_black_picture_is_told_and_forgotten_with_the_first_light(rig: Rig) -> None:
    light = threading.Event()
    rig.build(open_source=opener(OddRoom(lambda _, image: image if light.is_set() else np.zeros_like(image))))
    rig.until(lambda: rig.notice("camera-black") is not None)
    told = rig.notice("camera-black")
    assert told is not None
    assert (told.problem, bool(told.mend)) == ("The camera sends a black picture.", True)
    assert rig.notice("camera-frozen") is None
    light.set()
    rig.until(rig.shows_person)
    assert rig.notice("camera-black") is None


def test_a_frozen_person_becomes_a_slate_and_is_told(rig: Rig) -> None:
    moves = threading.Event()
    moves.set()
    still = room_picture(3)
    pipeline = rig.build(open_source=opener(OddRoom(lambda _, image: image if moves.is_set() else still.copy())))
    rig.until(rig.shows_person)
    moves.clear()
    rig.until(lambda: rig.notice("camera-frozen") is not None)
    rig.until(lambda: not rig.shows_person(), timeout_s=3.0)
    told = rig.notice("camera-frozen")
    assert told is not None
    assert "keeps sending the same picture" in told.problem
    moves.set()
    rig.until(rig.shows_person)
    assert rig.notice("camera-frozen") is None
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_a_slow_camera_is_told_and_each_picture_is_shown_for_a_second_at_most(rig: Rig) -> None:
    room = OddRoom(lambda _, image: image, pause_s=0.4)
    rig.build(open_source=opener(room))
    rig.until(lambda: rig.notice("camera-slow") is not None)
    told = rig.notice("camera-slow")
    assert told is not None
    assert re.match(r"The camera sends only [12]\.", told.problem)
    room._pause_s = 1.6
    rig.until(rig.shows_person)
    rig.until(lambda: not rig.shows_person(), timeout_s=3.0)
    room._pause_s = 0.0
    rig.until(lambda: rig.notice("camera-slow") is None)
    rig.until(rig.shows_person)


def test_a_size_that_changes_in_mid_stream_is_fitted_frame_by_frame(rig: Rig) -> None:
    """Wider, upright, odd, tiny and huge pictures in turn, each with the room all around."""
    sizes = [(WIDTH, HEIGHT), (640, 480), (240, 640), (333, 111), (17, 19), (1, 1), (1920, 1080)]

    def another_size(index: int, _image: Image) -> Image:
        width, height = sizes[index // 5 % len(sizes)]
        return cv2.resize(room_picture(index), (width, height), interpolation=cv2.INTER_NEAREST)

    pipeline = rig.build(open_source=opener(OddRoom(another_size)))
    rig.until(lambda: pipeline.status().stats.matted > 60)
    rig.until(rig.shows_person)
    assert pipeline.status().stats.failed == 0
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


class JpegCapture:
    """Stands in for cv2.VideoCapture: a driver of MJPEG pictures that are cut, flipped or empty on their way."""

    def __init__(self, *_arguments: object) -> None:
        self._random = np.random.default_rng(3)
        self._count = 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, key: int, value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        return 0.0

    def grab(self) -> bool:
        time.sleep(0.01)
        self._count += 1
        return True

    def retrieve(self, _storage: Image) -> tuple[bool, Image | None]:
        data = cv2.imencode(".jpg", room_picture(self._count), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        kind = self._count % 5
        if kind == 1:
            data = data[: data.size // 3]
        elif kind == 2:
            data = data.copy()
            data[self._random.integers(200, data.size, 20)] ^= 0x55
        elif kind == 3:
            data = data[2:]
        elif kind == 4:
            raise cv2.error("made up: a frame of no size")
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return image is not None, image

    def release(self) -> None:
        pass


def test_damaged_mjpeg_pictures_are_passed_over_and_never_sent_raw(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that decodes in part is a frame like any other: what stands on it is cut out by its own matte."""
    monkeypatch.setattr(webcam.cv2, "VideoCapture", JpegCapture)
    camera = CameraInfo(0, "HD Webcam", "", cv2.CAP_DSHOW)
    pipeline = rig.build(open_source=opener(lambda: webcam.Webcam(camera, Settings())))
    rig.until(lambda: pipeline.status().stats.shown > 40)
    rig.until(rig.shows_person)
    assert pipeline.status().stats.failed == 0


def test_the_marker_survives_jpeg_so_that_a_leak_would_be_seen() -> None:
    data = cv2.imencode(".jpg", room_picture(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    assert looks_like_the_room(cv2.imdecode(data, cv2.IMREAD_COLOR)) > WIDTH * HEIGHT / 3
