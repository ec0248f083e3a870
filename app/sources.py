"""Frame sources that need no camera: a still, a video file, and the demo portrait."""

import math
import time
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from app.settings import parse_size
from matting_core.buffers import Recycler
from matting_core.errors import MediaError, SourceError, SourceLost
from matting_core.frames import Frame, Image
from matting_core.pictures import read_image

DEMO_PORTRAIT = Path(__file__).resolve().parents[1] / "assets" / "demo_portrait.jpg"


class Pace:
    """An ideal clock: `wait` returns once a period, on time. A late caller does not wait, and nothing is skipped.

    fps is held within 2…240, so that no wait is longer than 0.5 s. After more than 1 s of lateness the clock
    starts again, instead of catching up.
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

    live = False

    def __init__(self, path: Path, fps: float) -> None:
        """Raises SourceError if the file is not a readable picture."""
        self._image = _read_still(path)
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


def _read_still(path: Path) -> Image:
    try:
        return read_image(path)
    except MediaError as error:
        raise SourceError(error.problem, error.mend) from error


class VideoSource:
    """A video file, looped and paced by its own average rate (held within 2…240 fps), turned upright."""

    live = False

    def __init__(self, path: Path) -> None:
        """Raises SourceError if the file cannot be opened, has no picture, or not one frame can be decoded."""
        from matting_core.video_loop import VideoLoop  # brings PyAV

        try:
            self._loop = VideoLoop(path)
            self._next: Image | None = self._loop.next()[0]
        except MediaError as error:
            raise SourceError(error.problem, error.mend) from error
        self._pace = Pace(self._loop.fps)
        self._index = 0
        height, width = self._next.shape[:2]
        self.description = f"{path.name}, {width}×{height} video at {self._pace.fps:.4g} fps"

    def read(self) -> Frame:
        """The next frame, on the beat; after the last one, the first. Raises SourceLost if none is left."""
        image, self._next = self._next, None
        if image is None:
            try:
                image = self._loop.next()[0]
            except MediaError as error:
                raise SourceLost(error.problem, error.mend) from error
        image.flags.writeable = False
        frame = Frame(image, self._pace.wait(), self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._loop.close()


class DemoSource:
    """A portrait that sways, breathes and leans a little, so that everything can be tried with no camera.

    Frame i is a function of i alone. The picture is NASA's portrait of the astronaut Eileen Collins (public domain).
    """

    live = False

    def __init__(self, size: str, fps: float, note: str = "", portrait: Path = DEMO_PORTRAIT) -> None:
        """size: 'WIDTHxHEIGHT' of the frames; note: added to the description. Raises SourceError, UsageError."""
        self._size = parse_size(size)
        self._pace = Pace(fps)
        self._index = 0
        small = _read_still(portrait)
        self._view = demo_view(self._size[0] / self._size[1])
        # Scaled once with a good kernel, so that the warp of every frame can be linear, which costs a third.
        self._scale = self._size[1] / self._view[2]
        kernel = cv2.INTER_CUBIC if self._scale > 1 else cv2.INTER_AREA
        large = cv2.resize(small, None, fx=self._scale, fy=self._scale, interpolation=kernel)
        self._portrait = cv2.cvtColor(large, cv2.COLOR_BGR2BGRA)  # warped in half the time of three channels
        self._arrays = Recycler()
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
        """Frame `index`, uint8 H×W×3 BGR, in an array that belongs to the caller alone; the same for the same index."""
        width, height = self._size
        warped = cv2.warpAffine(
            self._portrait,
            self._motion(index / self._pace.fps),
            self._size,
            dst=self._arrays.new((height, width, 4)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return cast(Image, cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR, dst=self._arrays.new((height, width, 3))))

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
