"""Background: what stands behind the person, one class a kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from matting_core.background_spec import BackgroundSpec, Kind
from matting_core.fit import FitMode, fit_image
from matting_core.foreground import blurred_room
from matting_core.frames import Image, MattedFrame
from matting_core.pictures import VIDEO_SUFFIXES, read_image
from matting_core.video_loop import VideoLoop

CHROMA_GREEN = "#00b140"
"""What stands in for transparency where an output cannot carry alpha."""


class Background(Protocol):
    """Paints what is behind the person. Used on one thread."""

    animated: bool
    """True where it changes by itself, without a new frame."""

    def render(self, matted: MattedFrame, at_s: float) -> Image:
        """The picture behind `matted` at that monotonic time: uint8 of the frame's size, valid until the next call."""
        ...

    def close(self) -> None:
        """Free what it holds. Safe to call twice."""
        ...


class StillBackground:
    """One picture of the canvas' size: an image file or a plain colour."""

    animated = False

    def __init__(self, picture: Image) -> None:
        self._picture = picture

    def render(self, matted: MattedFrame, at_s: float) -> Image:
        """See Background.render."""
        return self._picture

    def close(self) -> None:
        """Nothing to free."""


class BlurBackground:
    """The room itself, blurred, with the person left out so that no halo of them bleeds into it.

    strength 1…100 is the Gaussian's σ in pixels on a canvas 720 high, scaled with the canvas.
    """

    animated = False

    def __init__(self, strength: int, width: int, height: int) -> None:
        self._sigma = strength * height / 720
        self._buffer: Image = np.empty((height, width, 3), np.uint8)

    def render(self, matted: MattedFrame, at_s: float) -> Image:
        """See Background.render."""
        return blurred_room(matted.frame.image, matted.alpha, self._sigma, out=self._buffer)

    def close(self) -> None:
        """Nothing to free."""


class RoomBackground:
    """The room as it is, for the choice 'none' only."""

    animated = False

    def render(self, matted: MattedFrame, at_s: float) -> Image:
        """See Background.render."""
        return matted.frame.image

    def close(self) -> None:
        """Nothing to free."""


class VideoBackground:
    """A looped video, at its own pace by the times given to `render`. Decodes as it goes, on the caller's thread."""

    animated = True

    def __init__(self, path: Path, width: int, height: int, fit: FitMode) -> None:
        self._loop = VideoLoop(path)
        self._fit: Callable[[Image], Image] = lambda image: fit_image(image, width, height, fit)
        self._started_s: float | None = None
        self._shown: Image | None = None
        self._next = self._loop.next()

    def render(self, matted: MattedFrame, at_s: float) -> Image:
        """See Background.render."""
        if self._started_s is None:
            self._started_s = at_s
        newest: Image | None = None
        while self._shown is None or at_s - self._started_s >= self._next[1]:
            newest = self._next[0]
            self._next = self._loop.next()
            if self._shown is None:
                break
        if newest is not None:
            self._shown = self._fit(newest)
        assert self._shown is not None
        return self._shown

    def close(self) -> None:
        """Free the file."""
        self._loop.close()


def is_video(path: Path) -> bool:
    """Whether a background file is played rather than shown, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def colour_canvas(hex_rgb: str, width: int, height: int) -> Image:
    """A plain canvas, uint8 height×width×3 BGR, of a colour written '#rrggbb'."""
    red, green, blue = (int(hex_rgb[i : i + 2], 16) for i in (1, 3, 5))
    return np.full((height, width, 3), (blue, green, red), np.uint8)


def open_background(spec: BackgroundSpec, width: int, height: int, fit: FitMode = "cover") -> Background:
    """The Background for a spec on a canvas of that size. Raises MediaError for a file that cannot be shown."""
    return _FACTORIES[spec.kind](spec.value, width, height, fit)


def _open_file(value: str, width: int, height: int, fit: FitMode) -> Background:
    path = Path(value)
    if is_video(path):
        return VideoBackground(path, width, height, fit)
    return StillBackground(fit_image(read_image(path), width, height, fit))


_FACTORIES: dict[Kind, Callable[[str, int, int, FitMode], Background]] = {
    "none": lambda _value, _width, _height, _fit: RoomBackground(),
    "transparent": lambda _value, width, height, _fit: StillBackground(colour_canvas(CHROMA_GREEN, width, height)),
    "blur": lambda value, width, height, _fit: BlurBackground(int(value), width, height),
    "color": lambda value, width, height, _fit: StillBackground(colour_canvas(value, width, height)),
    "file": _open_file,
}
