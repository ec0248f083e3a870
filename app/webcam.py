"""Webcam: a camera read through OpenCV, and the reason in plain words when it does not open."""

import errno
import logging
import os
import platform
import struct
import time

import cv2
import numpy as np

from app.camera_list import CameraInfo
from app.settings import Settings, parse_size
from matting_core.buffers import Recycler
from matting_core.errors import SourceError, SourceLost
from matting_core.frames import Array, Frame, Image
from matting_core.jpeg import JpegDecoder

log = logging.getLogger(__name__)

FIRST_FRAME_S = 5.0
DAMAGED_S = 1.5
"""A camera that sends nothing but damaged pictures for so long is given up."""
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_MEND_PERMISSION = {
    "Linux": "Run 'sudo usermod -aG video $USER' (the group 'video' may open cameras), then log out and in again.",
    "Windows": "Allow desktop apps in Settings → Privacy & security → Camera, then try again.",
    "Darwin": "Allow it in System Settings → Privacy & Security → Camera, then start again.",
}


class Webcam:
    """A camera read through OpenCV, opened with the size, rate and compression of `settings`.

    What the driver really gave stands in `description`. It counts as open only when a first frame was read:
    OpenCV says 'opened' of devices that are gone. `read` waits for the driver; a silent one makes it raise
    SourceLost after 1 s on Linux, and after the system's own limit (about 10 s) elsewhere.
    """

    def __init__(self, camera: CameraInfo, settings: Settings) -> None:
        """Raises SourceError, which distinguishes: missing, busy, no permission, opened but no picture."""
        _prepare_opencv()
        reason = _why_not(camera)
        if reason is not None:
            raise reason
        self._name = camera.name
        self.live = not camera.virtual
        self._index = 0
        self._arrays = Recycler()
        self._jpegs = JpegDecoder()
        # Of the picture before; another size gets a new array.
        self._shape: tuple[int, ...] = (1, 1, 3)
        on_linux = camera.backend == cv2.CAP_V4L2 and camera.path
        self._capture = cv2.VideoCapture(camera.path if on_linux else camera.index, camera.backend)
        if not self._capture.isOpened():
            self.close()
            raise _why_not(camera, after_failure=True) or _will_not_open(camera)
        try:
            _configure(self._capture, settings)
            self._compressed = bool(on_linux) and _hand_over_jpegs(self._capture)
            self._first: Frame | None = self._first_frame(camera)
            self.description = _describe(camera.name, self._capture, self._first.image)
        except BaseException:
            self.close()
            raise

    def read(self) -> Frame:
        """The next frame, stamped when it arrived and before it is decoded; raises SourceLost."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        # A webcam sends a damaged JPEG now and then; each try waits for a new frame, so this cannot spin.
        began = time.monotonic()
        while self._capture.grab():
            arrived = time.monotonic()
            image = self._decode()
            if image is not None:
                return self._frame(image, arrived)
            if arrived - began > DAMAGED_S:
                break
        raise SourceLost(f"The camera {self._name} stopped sending pictures.", "Check that it is plugged in.")

    def close(self) -> None:
        """Free the camera. Safe to call twice."""
        self._capture.release()

    def _first_frame(self, camera: CameraInfo) -> Frame:
        self._first = None
        deadline = time.monotonic() + FIRST_FRAME_S
        while True:
            try:
                return self.read()
            except SourceLost as error:
                reason = _why_not(camera, after_failure=True)
                if reason is not None:
                    raise reason from error
                if time.monotonic() > deadline:
                    raise SourceError(
                        f"The camera {camera.name} opened but sent no picture.",
                        "Unplug it and plug it back in, try another USB port, or choose a smaller size.",
                    ) from error
                time.sleep(0.1)

    def _decode(self) -> Image | None:
        """The picture that was grabbed, or None if it is damaged."""
        try:
            if self._compressed:
                good, data = self._capture.retrieve()
                return self._jpegs.decode(np.ravel(data)) if good and data is not None else None
            # Into storage used again: a fresh array comes from the system page by page, as slowly as it is decoded.
            good, picture = self._capture.retrieve(self._arrays.new(self._shape))
            return to_bgr(picture) if good and picture is not None and picture.size else None
        except (cv2.error, KeyError, MemoryError) as error:  # KeyError: a number of channels that no camera has
            log.debug("a damaged picture: %s", error)
            return None

    def _frame(self, image: Image, arrived: float) -> Frame:
        self._shape = image.shape
        image.flags.writeable = False
        frame = Frame(image, arrived, self._index)
        self._index += 1
        return frame


def to_bgr(picture: Array) -> Image:
    """Any picture that OpenCV captures as uint8 H×W×3 BGR: grey, BGRA, raw YUYV, and 16-bit samples."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if channels == 3:
        return np.ascontiguousarray(picture, dtype=np.uint8)
    codes = {1: cv2.COLOR_GRAY2BGR, 2: cv2.COLOR_YUV2BGR_YUY2, 4: cv2.COLOR_BGRA2BGR}
    return np.asarray(cv2.cvtColor(picture, codes[channels]), dtype=np.uint8)


def _prepare_opencv() -> None:
    """Bound OpenCV's waits and quieten it: what it prints while probing is said by our own errors."""
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    # OpenCV cannot ask for permission from a thread; macOS asks by itself when the camera is opened.
    os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _configure(capture: cv2.VideoCapture, settings: Settings) -> None:
    width, height = parse_size(settings.camera_size)
    # The compression first: uncompressed over USB 2 the larger sizes are not offered at all, or at 5 fps.
    if settings.camera_mjpeg:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    capture.set(cv2.CAP_PROP_FPS, settings.camera_fps)


def _hand_over_jpegs(capture: cv2.VideoCapture) -> bool:
    """Have OpenCV's V4L2 hand over the JPEG pictures as they are, if that is what the camera sends.

    It would decode each into storage of its own, and copy that.
    """
    sends_jpeg = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
    return sends_jpeg and capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)


def _describe(name: str, capture: cv2.VideoCapture, image: Image) -> str:
    """'HD Webcam, 1280×720 MJPG at 30 fps': the size of a real frame; codec and rate as the driver tells them."""
    height, width = image.shape[:2]
    text = f"{name}, {width}×{height}"
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    fourcc = struct.pack("<i", code).decode("ascii", "replace").strip() if 0 < code < 2**31 else ""
    if fourcc.isalnum():
        text += f" {fourcc}"
    rate = capture.get(cv2.CAP_PROP_FPS)
    return f"{text} at {rate:.4g} fps" if 0 < rate < 1000 else text


def _why_not(camera: CameraInfo, *, after_failure: bool = False) -> SourceError | None:
    """On Linux, what the kernel says about the device node; None where it has nothing against opening it."""
    if camera.backend != cv2.CAP_V4L2 or not camera.path.startswith("/dev/"):
        return None
    try:
        node = os.open(camera.path, os.O_RDWR | os.O_NONBLOCK)
        try:
            if after_failure:
                _claim_and_release(node)
        finally:
            os.close(node)
    except OSError as error:
        return _explain(camera, error)
    return None


def _claim_and_release(node: int) -> None:
    """Ask the driver to free this handle's (no) buffers: it answers EBUSY if another program is streaming."""
    import fcntl

    request_buffers = 0xC0145608  # VIDIOC_REQBUFS of a struct v4l2_requestbuffers: count, type, memory, reserved
    no_buffers = struct.pack("=5I", 0, 1, 1, 0, 0)  # count 0, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP
    try:
        fcntl.ioctl(node, request_buffers, no_buffers)
    except OSError as error:
        if error.errno == errno.EBUSY or error.errno in _GONE:
            raise
        log.debug("the driver does not answer the busy question: %s", error)


def _explain(camera: CameraInfo, error: OSError) -> SourceError:
    if error.errno in _GONE:
        problem = f"There is no camera at {camera.path}."
        mend = "Plug it in, or choose another camera; 'demo' needs none."
    elif error.errno in (errno.EACCES, errno.EPERM):
        problem = f"You have no permission to open the camera {_label(camera)}."
        mend = _MEND_PERMISSION["Linux"]
    elif error.errno == errno.EBUSY:
        problem = f"The camera {camera.name} is in use by another program."
        mend = "Close the other program (a call, a browser tab, OBS), then try again."
    else:
        problem = f"The camera {_label(camera)} cannot be opened: {error.strerror}."
        mend = "Unplug it and plug it back in."
    explained = SourceError(problem, mend)
    explained.__cause__ = error
    return explained


def _label(camera: CameraInfo) -> str:
    return camera.name if camera.name == camera.path else f"{camera.name} ({camera.path})"


def _will_not_open(camera: CameraInfo) -> SourceError:
    system = platform.system()
    if camera.virtual:
        return SourceError(f"The virtual camera {camera.name} sends no picture.", "Start the program that feeds it.")
    if system == "Linux":
        return SourceError(
            f"{_label(camera)} cannot be opened as a camera.",
            "Choose another camera, or unplug it and plug it back in.",
        )
    return SourceError(
        f"The camera {camera.name} cannot be opened: it is missing, in use, or not permitted.",
        f"Close other programs that use it. {_MEND_PERMISSION.get(system, '')}".rstrip(),
    )
