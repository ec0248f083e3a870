"""Frame sources that need no camera: a still, a video file, and the demo portrait."""

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer

from app.settings import parse_size
from matting_core.errors import SourceError, SourceLost
from matting_core.frames import Frame, Image

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"})
DEMO_PORTRAIT = Path(__file__).resolve().parents[1] / "assets" / "demo_portrait.jpg"
FALLBACK_FPS = 30.0


class Pace:
    """An ideal clock: `wait` returns once a period, on time. Whoever is late does not wait and skips nothing.

    fps is held within 2…240, so that no wait is longer than 0.5 s. After more than 1 s of lateness the clock
    starts anew, instead of chasing the lost time.
    """

    def __init__(self, fps: float) -> None:
        self.fps = min(max(fps, 2.0), 240.0)
        self._due: float | None = None

    def wait(self) -> float:
        """Sleep until the next beat; returns the time, in monotonic seconds."""
        now = time.monotonic()
        if self._due is None or now - self._due > 1.0:
            self._due = now
        elif now < self._due:
            time.sleep(self._due - now)
        self._due += 1.0 / self.fps
        return time.monotonic()


class StillSource:
    """One picture again and again at `fps`; every frame is the same read-only array."""

    def __init__(self, path: Path, fps: float) -> None:
        """Raises SourceError if the file is no readable picture."""
        self._image = read_still(path)
        self._image.flags.writeable = False
        self._pace = Pace(fps)
        self._index = 0
        height, width = self._image.shape[:2]
        self.description = f"{path.name}, {width}×{height} still at {self._pace.fps:g} fps"

    def read(self) -> Frame:
        """The picture, on the beat."""
        frame = Frame(self._image, self._pace.wait(), self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Nothing to free."""


def read_still(path: Path) -> Image:
    """A picture file as uint8 H×W×3 BGR, turned upright by its EXIF orientation, alpha dropped.

    Raises SourceError if it cannot be read.
    """
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    except (OSError, cv2.error) as error:
        raise SourceError(f"The picture {path} cannot be read.", "Choose another picture.") from error
    if image is None:
        raise SourceError(f"{path} is not a picture that can be read.", "Choose a JPEG, PNG or WebP file.")
    return np.asarray(image, dtype=np.uint8)


class VideoSource:
    """A video file, looped and paced by its own average rate (held within 2…240 fps), turned upright."""

    def __init__(self, path: Path) -> None:
        """Raises SourceError if the file cannot be opened, has no picture, or not one frame can be decoded."""
        self._path = path
        self._container: InputContainer | None = None
        self._index = 0
        try:
            self._frames = self._start()
            self._next: Image | None = next(self._frames, None)
        except SourceError:
            self.close()
            raise
        if self._next is None:
            self.close()
            raise SourceError(f"The video {path} has no frame that can be decoded.", "Choose another video.")
        height, width = self._next.shape[:2]
        self.description = f"{path.name}, {width}×{height} video at {self._pace.fps:.4g} fps"

    def read(self) -> Frame:
        """The next frame, on the beat; after the last one, the first. Raises SourceLost if none is left."""
        image = self._next if self._next is not None else next(self._frames, None)
        self._next = None
        if image is None:
            self._frames = self._start()
            image = next(self._frames, None)
        if image is None:
            raise SourceLost(f"The video {self._path} delivers no more frames.", "Check the file, or choose another.")
        image.flags.writeable = False
        frame = Frame(image, self._pace.wait(), self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _start(self) -> Iterator[Image]:
        """Open the file from its start; the decoded frames end early, without an error, at the first damage."""
        reopened = self._container is not None
        self.close()
        try:
            self._container = av.open(str(self._path.absolute()))
            stream = self._container.streams.video[0]
        except (av.error.FFmpegError, OSError, IndexError) as error:
            kind = SourceLost if reopened else SourceError
            raise kind(f"{self._path} is not a video that can be read.", "Choose another video.") from error
        stream.thread_type = "AUTO"
        if not reopened:
            self._pace = Pace(float(stream.average_rate or stream.guessed_rate or FALLBACK_FPS))
        return self._decode(self._container)

    def _decode(self, container: InputContainer) -> Iterator[Image]:
        try:
            for frame in container.decode(video=0):
                # rotation tells, in degrees counter-clockwise, how a player turns the stored picture.
                turns = round(frame.rotation / 90) % 4
                yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="bgr24"), turns), dtype=np.uint8)
        except (av.error.FFmpegError, ValueError) as error:
            log.warning("decoding %s stopped: %s", self._path.name, error)


class DemoSource:
    """A portrait that sways, breathes and leans a little, so that everything can be tried with no camera.

    Frame i is a function of i alone. The picture is NASA's portrait of the astronaut Eileen Collins (public domain).
    """

    def __init__(self, size: str, fps: float, note: str = "", portrait: Path = DEMO_PORTRAIT) -> None:
        """size: 'WIDTHxHEIGHT' of the frames; note: said in the description. Raises SourceError, UsageError."""
        self._size = parse_size(size)
        self._pace = Pace(fps)
        self._index = 0
        small = read_still(portrait)
        self._view = demo_view(self._size[0] / self._size[1])
        # Scaled once with a good kernel, so that the warp of every frame can be linear, which costs a third.
        self._scale = self._size[1] / self._view[2]
        kernel = cv2.INTER_CUBIC if self._scale > 1 else cv2.INTER_AREA
        self._portrait = cv2.resize(small, None, fx=self._scale, fy=self._scale, interpolation=kernel)
        width, height = self._size
        aside = f" ({note})" if note else ""
        self.description = f"Demo portrait{aside}, {width}×{height} at {self._pace.fps:g} fps"

    def read(self) -> Frame:
        """The next frame, on the beat."""
        image = self.render(self._index)
        image.flags.writeable = False
        frame = Frame(image, self._pace.wait(), self._index)
        self._index += 1
        return frame

    def render(self, index: int) -> Image:
        """Frame `index` as a new uint8 H×W×3 BGR array; the same for the same index."""
        seconds = index / self._pace.fps
        return np.asarray(
            cv2.warpAffine(
                self._portrait,
                self._motion(seconds),
                self._size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            ),
            dtype=np.uint8,
        )

    def close(self) -> None:
        """Nothing to free."""

    def _motion(self, seconds: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """The 2×3 matrix from frame pixels to pixels of the scaled portrait at that time."""

        def wave(period_s: float, phase: float = 0.0) -> float:
            return math.sin(2 * math.pi * (seconds / period_s + phase))

        width, height = self._size
        center_x, center_y, view_height = self._view
        zoom = self._scale * view_height / height * (1 + 0.02 * wave(7.3) + 0.004 * wave(3.7))
        angle = math.radians(1.2 * wave(9.1, 0.25) + 0.4 * wave(4.3))
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        # Head-and-shoulders sway: some pixels of the 512-pixel portrait, sideways more than up and down.
        x = self._scale * (center_x + 7.0 * wave(6.1) + 2.0 * wave(2.7, 0.4))
        y = self._scale * (center_y + 1.5 * wave(3.7, 0.1))
        return np.array(
            [
                [cos, -sin, x - cos * width / 2 + sin * height / 2],
                [sin, cos, y - sin * width / 2 - cos * height / 2],
            ]
        )


def demo_view(aspect: float) -> tuple[float, float, float]:
    """Which part of the 512×512 portrait to show: centre x, centre y, height, in its pixels.

    Wide frames show head and shoulders; narrow ones show more of the body, centred on the face. The top edge stays
    just above the hair, so that what is reflected there is wall.
    """
    height = min(max(530 / aspect, 310.0), 500.0)
    width = height * aspect
    center_x = 228.0 if width < 440 else 256.0
    return center_x, height / 2 - 2.0, height
