"""Compositing: the person's own colours over a background, in place, touching only the pixels that need arithmetic."""

from dataclasses import dataclass

import cv2
import numpy as np

from matting_core.buffers import Buffers
from matting_core.foreground import ColourPlates, estimate_plates, foreground_at
from matting_core.frames import Alpha, Array, Image, MattedFrame
from matting_core.preprocess import halve
from matting_core.runs import Floats, Runs, runs_that_differ

_REFERENCE_HEIGHT = 720  # edge controls are in pixels of a picture this high
_WRAP_REACH = 7  # box, in quarter-size pixels, over which the background's light creeps onto the person
_WRAP_GAIN = 0.6  # at full strength, the most of the background's light that is laid over the rim


@dataclass(frozen=True, slots=True)
class Edges:
    """The edge controls.

    shift: pixels at 720p that the matte shrinks (below 0) or grows. feather: pixels at 720p over which it fades
    outwards. light_wrap: 0 … 1, how much light of the background spills over the rim. decontaminate: replace the
    old room's share in the rim's colours.
    """

    shift: int = 0
    feather: int = 0
    light_wrap: float = 0.0
    decontaminate: bool = True


class Compositor:
    """Blends matted frames of one size. Not for use from two threads at once."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (height, width)
        self._buffers = Buffers()
        self._alpha, self._solid = (np.empty((height, width), np.uint8) for _ in range(2))

    def render(self, matted: MattedFrame, background: Image | None, edges: Edges, canvas: Image) -> Alpha:
        """Write the composite into `canvas` and return the alpha that was used.

        background, canvas: uint8 H×W×3 BGR, C-contiguous, of the size given at the start; canvas is overwritten
        whole, and may be the background itself. Without a background the canvas takes the person's own colours,
        unblended, black where alpha is 0: what an output that carries alpha wants. The alpha (uint8 H×W) is the
        frame's or the compositor's own, to be read until the next call. Alpha 0 leaves exactly the background's
        pixel; alpha 255 with neutral edges leaves exactly the camera's; between them rounding errs by at most one
        level.

        Privacy: where the controls raise alpha, the colour is the estimated person's, never the camera's pixel.
        ValueError: a size that does not fit.
        """
        image = matted.frame.image
        for part in (image, canvas, *(() if background is None else (background,))):
            if part.shape != (*self._size, 3):
                raise ValueError(f"a picture of shape {part.shape} in a compositor of {self._size}")
        used = self._shaped(matted.alpha, edges)
        if background is None:
            canvas.fill(0)
        elif background is not canvas:
            np.copyto(canvas, background)
        spill = _spill(used, canvas, self._buffers) if edges.light_wrap > 0 and background is not None else None
        at = self._split(used, matted.alpha, spill)
        plates = None
        if at.pixels and (edges.decontaminate or edges.shift > 0 or edges.feather > 0):
            plates = estimate_plates(image, matted.alpha, self._buffers, matted.half)
        blend = _Blend(matted, used, plates, edges, spill, straight=background is None)
        for chunk in at.chunks():
            blend.apply(canvas, chunk)
        cv2.copyTo(image, self._solid, canvas)
        return used

    def _shaped(self, alpha: Alpha, edges: Edges) -> Alpha:
        """Alpha under the edge controls: the frame's own where they are neutral."""
        if not (edges.shift or edges.feather):
            return alpha
        np.copyto(self._alpha, alpha)
        if edges.shift:
            _move_edge(self._alpha, _scaled(edges.shift, self._size[0]))
        if edges.feather:
            reach = _scaled(edges.feather, self._size[0])
            soft = self._buffers.get("soft", self._size)
            np.copyto(soft, self._alpha)
            # Growing by half the reach first puts the ramp outside: the fade never eats into the person.
            _move_edge(soft, (reach + 1) // 2)
            side = reach // 2 | 1
            for _ in range(2):
                cv2.blur(soft, (side, side), dst=soft)
            cv2.max(self._alpha, soft, dst=self._alpha)
        return self._alpha

    def _split(self, alpha: Alpha, matte: Alpha, spill: "_Spill | None") -> Runs:
        """self._solid = 255 where the camera's pixel stands unchanged; the runs with pixels to blend."""
        sure = alpha if alpha is matte else cv2.min(alpha, matte, dst=self._solid)
        cv2.threshold(sure, 254, 255, cv2.THRESH_BINARY, dst=self._solid)
        if spill is not None:
            unlit = cv2.inRange(spill.weight, 0, 0, dst=self._buffers.get("unlit", self._size))
            cv2.bitwise_and(self._solid, unlit, dst=self._solid)
        return runs_that_differ(alpha, self._solid, self._buffers)  # elsewhere nothing or all is the person's


@dataclass(frozen=True, slots=True)
class _Spill:
    """Light wrap: weight is uint8 H×W; light is the blurred background, uint8 H×W×3."""

    weight: Array
    light: Array


@dataclass(frozen=True, slots=True)
class _Blend:
    """The arithmetic of one frame, a chunk of pixels at a time."""

    matted: MattedFrame
    alpha: Alpha
    plates: ColourPlates | None
    edges: Edges
    spill: _Spill | None
    straight: bool

    def apply(self, canvas: Image, at: Runs) -> None:
        """canvas[at] = α·F + (1 − α)·canvas[at], or F alone where `straight` and α is not 0; canvas is H×W×3.

        Pixels of the runs with α 0 keep the canvas. Where the camera's own matte is sure, `render` copies the camera's
        pixel over what is put here.
        """
        matte = self.matted.alpha
        weight = at.unit(matte, "matte")
        colour = self._colour(at, weight)
        if self.spill is not None:
            self._wrap(self.spill, colour, at)
        if self.alpha is not matte:
            weight = at.unit(self.alpha, "alpha")
        if self.straight:
            colour *= weight > 0
        else:
            behind = at.colours(canvas, "seen")
            colour -= behind
            colour *= weight
            colour += behind
        at.put(canvas, colour)

    def _colour(self, at: Runs, weight: Floats) -> Floats:
        frame, matte = self.matted.frame, self.matted.alpha
        if self.plates is None:
            return at.colours(frame.image, "foreground")
        colour = foreground_at(self.plates, frame.image, weight, at)
        if not self.edges.decontaminate:
            as_seen = at.levels(self.alpha) <= at.levels(matte)
            np.copyto(colour, at.colours(frame.image, "seen"), where=as_seen)
        return colour

    def _wrap(self, spill: _Spill, colour: Floats, at: Runs) -> None:
        """Screen the background's light over the colours: 255 − (255 − F)(1 − s·L/255); it only ever brightens."""
        light = at.colours(spill.light, "light")
        light *= at.unit(spill.weight, "spill")
        light *= -_WRAP_GAIN * self.edges.light_wrap / 255
        light += 1
        np.subtract(255, colour, out=colour)
        colour *= light
        np.subtract(255, colour, out=colour)


def _scaled(pixels: int, height: int) -> int:
    """Pixels at 720p in a picture of this height: at least one, with the sign kept."""
    amount = max(1, round(abs(pixels) * height / _REFERENCE_HEIGHT))
    return amount if pixels > 0 else -amount


def _move_edge(alpha: Alpha, radius: int) -> None:
    """Grow (above 0) or shrink alpha in place by an octagon: a square and a diamond, nearly a disc and far faster."""
    act = cv2.dilate if radius > 0 else cv2.erode
    square = round(abs(radius) * (np.sqrt(2) - 1))
    diamond = abs(radius) - square
    if diamond:
        act(alpha, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), dst=alpha, iterations=diamond)
    if square:
        act(alpha, np.ones((2 * square + 1, 2 * square + 1), np.uint8), dst=alpha)


def _spill(alpha: Alpha, background: Image, buffers: Buffers) -> _Spill:
    """How much of the background's light reaches each pixel of the person, and its blurred light."""
    height, width = alpha.shape
    quarter_alpha, light = halve(halve(alpha)), halve(halve(background))
    box = (_WRAP_REACH, _WRAP_REACH)
    open_sky = cv2.blur(cv2.bitwise_not(quarter_alpha), box)
    light = cv2.blur(cv2.blur(light, box), box)
    return _Spill(
        cv2.resize(open_sky, (width, height), dst=buffers.get("wrap weight", alpha.shape)),
        cv2.resize(light, (width, height), dst=buffers.get("wrap light", background.shape)),
    )
