"""Temporal smoothing of alpha at the network's own size: off, one-frame delay, or motion-aware (default)."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import cv2
import numpy as np

from matting_core.errors import UsageError
from matting_core.frames import Array, FloatAlpha, Image

T = TypeVar("T")

OFD_XI = 0.1
_GREY = np.full((1, 3), 1 / 3, np.float32)


class Stabiliser(Protocol):
    """Smooths a sequence of mattes. Used on one thread."""

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """Take a frame's alpha (float32 h×w in [0, 1]) and its picture at that size (uint8 h×w×3 BGR).

        Answers with a smoothed alpha and the frame that it belongs to, which may be an earlier one, or None while
        it waits for the next. The answer is the stabiliser's to read again: do not write into it.
        """
        ...

    def reset(self) -> None:
        """Forget all earlier frames."""
        ...


class Off:
    """No smoothing."""

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push."""
        return alpha, frame

    def reset(self) -> None:
        """Nothing to forget."""


class OneFrameDelay:
    """OFD (Ke et al. 2022, section "Applying MODNet to video"): mends what flickers for one frame, a frame late.

    Where α(t−1) and α(t+1) agree within ξ = 0.1 and α(t) is further than ξ from both, α(t) becomes their mean.
    """

    def __init__(self) -> None:
        self._before: FloatAlpha | None = None
        self._held: tuple[FloatAlpha, object] | None = None

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push; answers for the frame before this one."""
        if self._held is not None and self._held[0].shape != alpha.shape:
            self.reset()
        held, self._held = self._held, (alpha, frame)
        if held is None:
            return None
        now, owner = held
        before, self._before = self._before, now
        if before is not None:
            flickers = (
                (np.abs(before - alpha) <= OFD_XI) & (np.abs(now - before) > OFD_XI) & (np.abs(now - alpha) > OFD_XI)
            )
            now = np.where(flickers, (before + alpha) * np.float32(0.5), now)
        return now, owner  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget all earlier frames; the one held back is given up."""
        self._before = self._held = None


class MotionAware:
    """Causal smoothing only where the picture stands still: no delay, no lag and no trail behind what moves.

    Each pixel keeps a share of its earlier alpha. The share falls to nothing where the pixel differs from the frame
    before by more than the camera's noise, or has drifted from the picture that its smoothed alpha stands for.
    The noise is measured, so that a dark room's grain does not pass for motion.
    """

    KEEP = 0.95
    """Share of the earlier alpha where nothing moves."""
    LEVELS = 1.0
    """Change in grey levels, beside the noise, up to which a pixel stands still; at twice that it moves."""
    DRIFT = 3.0
    """How many times that a pixel may differ from the picture that its alpha stands for."""
    NOISE_CAP = 3.0
    CUT = 0.6
    """Share of moving pixels from which on everything is new."""

    def __init__(self) -> None:
        self._alpha: FloatAlpha | None = None
        self._reference: Array | None = None
        self._last: Array | None = None
        self._noise = 0.5

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push; answers for this very frame."""
        picture = guide.astype(np.float32)
        if self._alpha is None or self._reference is None or self._last is None or self._alpha.shape != alpha.shape:
            self.reset()
            self._begin(alpha, picture)
            return alpha, frame
        change = _grey_difference(picture, self._last)
        self._last = picture
        level = min(float(np.percentile(change[::8, ::8], 30)) * 1.3, self.NOISE_CAP)
        self._noise += 0.1 * (level - self._noise)
        threshold = self.LEVELS + self._noise
        drift = cv2.blur(_grey_difference(picture, self._reference), (3, 3))
        still = np.minimum(_falling(change, threshold), _falling(drift, threshold * self.DRIFT))
        if float((still < 0.5).mean()) > self.CUT:
            self._begin(alpha, picture)
            return alpha, frame
        keep = still * np.float32(self.KEEP)
        smoothed: FloatAlpha = alpha + keep * (self._alpha - alpha)
        self._reference = picture + keep[..., None] * (self._reference - picture)
        self._alpha = smoothed
        return smoothed, frame

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._alpha = self._reference = self._last = None
        self._noise = 0.5

    def _begin(self, alpha: FloatAlpha, picture: Array) -> None:
        self._alpha, self._reference, self._last = alpha, picture, picture


def _grey_difference(first: Array, second: Array) -> Array:
    difference: Array = cv2.transform(cv2.absdiff(first, second), _GREY)
    return difference


def _falling(values: Array, threshold: float) -> Array:
    """1 up to the threshold, falling to 0 at twice that."""
    return np.clip(2.0 - values * np.float32(1.0 / threshold), 0.0, 1.0)


STABILISERS: dict[str, Callable[[], Stabiliser]] = {"off": Off, "ofd": OneFrameDelay, "motion": MotionAware}


def make_stabiliser(name: str) -> Stabiliser:
    """A new stabiliser of that name; UsageError names the choices."""
    try:
        return STABILISERS[name]()
    except KeyError:
        raise UsageError(f"There is no smoothing '{name}'.", f"Choose one of: {', '.join(STABILISERS)}.") from None
