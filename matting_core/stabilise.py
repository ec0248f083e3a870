"""Temporal smoothing of alpha at the network's own size: off, one-frame delay, or motion-aware (default)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np

from matting_core.errors import UsageError
from matting_core.frames import Array, FloatAlpha, Image

T = TypeVar("T")

OFD_XI = 0.1


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
    before by more than the camera's noise, or has drifted from the picture that its smoothed alpha stands for; that
    picture is smoothed with the same shares, so that slow changes add up until they show. The share comes back over
    the next frames only: the network's alpha is softer than the edge that passed, and needs these to arrive.
    The noise is measured, so that a dark room's grain does not pass for motion.
    """

    KEEP = 0.92
    """Share of the earlier alpha where nothing moves."""
    FALL = 0.9
    """Times that where alpha falls: a piece of the room that the network took for the person goes away sooner."""
    LEVELS = 1.0
    """Change in grey levels, beside the noise, up to which a pixel stands still; at twice that it moves."""
    DRIFT = 2.0
    """How many times that a pixel may differ from the picture that its alpha stands for."""
    SETTLE = 0.3
    """Trust that a still pixel gains with each frame; smoothing starts beyond WAIT and is full at WAIT + 1."""
    WAIT = 0.5
    NOISE_CAP = 3.0
    CUT = 0.6
    """Share of moving pixels from which on everything is new."""

    def __init__(self) -> None:
        self._past: _Past | None = None
        self._noise = 0.5

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push; answers for this very frame."""
        if self._past is None or self._past.alpha.shape != alpha.shape:
            self.reset()
            self._past = _Past(alpha, guide, _grey(guide), np.zeros_like(alpha))
            return alpha, frame
        past = self._past
        change = _change(guide, past.guide)
        self._measure_noise(change)
        grey = _grey(guide)
        drift = cv2.convertScaleAbs(cv2.subtract(grey, past.reference), alpha=4 / self.DRIFT)
        unrest = cv2.max(change, cv2.blur(drift, (3, 3)))
        still = _falling(unrest, 4 * (self.LEVELS + self._noise))
        if cv2.countNonZero(cv2.inRange(still, 0.0, 0.5)) > self.CUT * still.size:
            self._past = _Past(alpha, guide, grey, np.zeros_like(alpha))
            return alpha, frame
        trust = np.minimum(past.trust + np.float32(self.SETTLE), np.float32(1 + self.WAIT))
        trust *= still
        keep = np.maximum(trust - np.float32(self.WAIT), np.float32(0))
        keep *= self.KEEP
        # Not NumPy's `where`, which costs as much as all the rest.
        keep = cv2.copyTo(keep * np.float32(self.FALL), cv2.compare(alpha, past.alpha, cv2.CMP_LT), keep)
        self._past = _Past(_kept(past.alpha, alpha, keep), guide, _kept(past.reference, grey, keep), trust)
        return self._past.alpha, frame

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._past = None
        self._noise = 0.5

    def _measure_noise(self, change: Array) -> None:
        """Follow the change in the calmer part of the picture, which is what the camera's noise makes."""
        calm = float(np.percentile(cv2.blur(change, (3, 3))[::8, ::8], 30)) / 4
        self._noise += 0.1 * (min(1.3 * calm, self.NOISE_CAP) - self._noise)


@dataclass(frozen=True, slots=True)
class _Past:
    """What MotionAware remembers; its arrays are never written again, since the alpha was handed out.

    alpha: the smoothed one. guide: the frame before. reference: the luma that `alpha` stands for, float32 h×w.
    trust: how long each pixel has stood still, float32 h×w in [0, 1 + WAIT].
    """

    alpha: FloatAlpha
    guide: Image
    reference: Array
    trust: Array


def _change(guide: Image, before: Image) -> Array:
    """The mean over the colours' changes in quarters of a grey level, which 8 bits keep; uint8 h×w, saturated."""
    blue, green, red = cv2.split(cv2.absdiff(guide, before))
    total = cv2.add(cv2.add(blue, green, dtype=cv2.CV_16U), red, dtype=cv2.CV_16U)
    return cv2.convertScaleAbs(total, alpha=4 / 3)


def _grey(guide: Image) -> Array:
    """Luma, float32 h×w."""
    return cv2.cvtColor(guide, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _kept(old: Array, new: Array, share: Array) -> Array:
    """new + share · (old − new), into a new array."""
    blend = cv2.subtract(old, new)
    cv2.multiply(blend, share, dst=blend)
    return cv2.add(blend, new, dst=blend)


def _falling(values: Array, threshold: float) -> Array:
    """float32: 1 up to the threshold, falling to 0 at twice that."""
    slope = values.astype(np.float32)
    slope *= -1 / threshold
    slope += 2
    return np.clip(slope, 0, 1, out=slope)


STABILISERS: dict[str, Callable[[], Stabiliser]] = {"off": Off, "ofd": OneFrameDelay, "motion": MotionAware}


def make_stabiliser(name: str) -> Stabiliser:
    """A new stabiliser of that name; UsageError names the choices."""
    try:
        return STABILISERS[name]()
    except KeyError:
        raise UsageError(f"There is no smoothing '{name}'.", f"Choose one of: {', '.join(STABILISERS)}.") from None
