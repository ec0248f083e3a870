"""Background: what stands behind the person, one class a kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from matting_core.background_spec import BackgroundSpec, Kind
from matting_core.buffers import Buffers
from matting_core.errors import MediaError
from matting_core.fit import FitMode, fit_image
from matting_core.foreground import blurred_room
from matting_core.frames import Image, MattedFrame
from matting_core.media_kind import media_kind
from matting_core.pictures import read_image

CHROMA_GREEN = "#00b140"
"""What stands in for transparency where an output cannot carry alpha."""


class Background(Protocol):
    """Paints what is behind the person. Used on one thread."""

    animated: bool
    """True where it changes by itself, without a new frame."""
    blur: float
    """The σ of the Gaussian, in pixels, that it sees the room under; 0 if it is no blur."""

    @property
    def still(self) -> Image | None:
        """The picture that `render` always answers with, if it is one for all frames; never written."""
        ...

    def render(self, matted: MattedFrame, at_s: float, canvas: Image) -> Image:
        """The picture behind `matted` at that monotonic time: uint8 of the frame's size, valid until the next call.

        canvas: uint8 of that size, which may be painted on and given back, and then is valid until it is written to:
        whoever composes there has no copy to make.
        """
        ...

    def close(self) -> None:
        """Free what it holds. Safe to call twice."""
        ...


class StillBackground:
    """One picture of the canvas' size: an image file or a plain colour."""

    animated = False
    blur = 0.0

    def __init__(self, picture: Image) -> None:
        self.still = picture

    def render(self, matted: MattedFrame, at_s: float, canvas: Image) -> Image:
        """See Background.render."""
        return self.still

    def close(self) -> None:
        """Nothing to free."""


class BlurBackground:
    """The room itself, blurred, with the person left out so that no halo of them bleeds into it.

    strength 1…100 is the Gaussian's σ in pixels on a canvas 720 high, scaled with the canvas.
    """

    animated = False
    still = None

    def __init__(self, strength: int, height: int) -> None:
        self.blur = strength * height / 720
        self._buffers = Buffers()

    def render(self, matted: MattedFrame, at_s: float, canvas: Image) -> Image:
        """See Background.render."""
        return blurred_room(matted.frame.image, matted.alpha, self.blur, canvas, self._buffers, matted.half)

    def close(self) -> None:
        """Nothing to free."""


class RoomBackground:
    """The room as it is, for the choice 'none' only."""

    animated = False
    blur = 0.0
    still = None

    def render(self, matted: MattedFrame, at_s: float, canvas: Image) -> Image:
        """See Background.render."""
        return matted.frame.image

    def close(self) -> None:
        """Nothing to free."""


class PictureLoop(Protocol):
    """An endless supply of pictures for a video background."""

    def next(self) -> tuple[Image, float] | None:
        """The next picture and the time in seconds since the first at which it is due; None while there is none
        yet, which the very first call never answers."""
        ...

    def close(self) -> None:
        """Free the file. Safe to call twice."""
        ...


class VideoBackground:
    """A looped video at its own pace, by the times given to `render`."""

    animated = True
    blur = 0.0
    still = None

    def __init__(self, loop: PictureLoop) -> None:
        self._loop = loop
        self._started_s: float | None = None
        self._next = loop.next()
        if self._next is None:
            raise MediaError("The video background has no first picture.", "Choose another file.")
        self._shown = self._next[0]

    def render(self, matted: MattedFrame, at_s: float, canvas: Image) -> Image:
        """See Background.render. Shows the newest picture that is due and already decoded."""
        if self._started_s is None:
            self._started_s = at_s
        while self._next is not None and self._next[1] <= at_s - self._started_s:
            self._shown = self._next[0]
            self._next = self._loop.next()
        if self._next is None:
            self._next = self._loop.next()
        return self._shown

    def close(self) -> None:
        """Free the file."""
        self._loop.close()


def colour_canvas(hex_rgb: str, width: int, height: int) -> Image:
    """A plain canvas, uint8 height×width×3 BGR, of a colour written '#rrggbb'."""
    red, green, blue = (int(hex_rgb[i : i + 2], 16) for i in (1, 3, 5))
    return np.full((height, width, 3), (blue, green, red), np.uint8)


LoopFactory = Callable[[Path, Callable[[Image], Image]], PictureLoop]


def open_loop_here(path: Path, fit: Callable[[Image], Image]) -> PictureLoop:
    """A video whose pictures are decoded on the thread that asks for them."""
    from matting_core.video_loop import VideoLoop  # brings PyAV: 17 MB that a live picture seldom needs

    return VideoLoop(path, fit)


def open_background(
    spec: BackgroundSpec, width: int, height: int, fit: FitMode = "cover", open_loop: LoopFactory = open_loop_here
) -> Background:
    """The Background for a spec on a canvas of that size; open_loop decodes it where it is a video.

    Raises MediaError for a file that cannot be shown.
    """
    if spec.kind == "file":
        path = Path(spec.value)

        def fitted(image: Image) -> Image:
            return fit_image(image, width, height, fit)

        if media_kind(path) == "video":
            return VideoBackground(open_loop(path, fitted))
        return StillBackground(fitted(read_image(path)))
    return _SIMPLE[spec.kind](spec.value, width, height)


_SIMPLE: dict[Kind, Callable[[str, int, int], Background]] = {
    "none": lambda _value, _width, _height: RoomBackground(),
    "transparent": lambda _value, width, height: StillBackground(colour_canvas(CHROMA_GREEN, width, height)),
    "blur": lambda value, width, height: BlurBackground(int(value), height),
    "color": lambda value, width, height: StillBackground(colour_canvas(value, width, height)),
}
