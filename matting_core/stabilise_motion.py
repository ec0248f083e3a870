"""The stabiliser of a live picture, without delay: smoothing where the picture stands still."""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from matting_core.buffers import Buffers
from matting_core.frames import Array, FloatAlpha, Image

T = TypeVar("T")

KEEPS = 128
"""Levels of a share that is kept; trust has twice as many."""
FINE = 128
"""Steps of one of 255 levels in which MotionAware remembers, as int16: half of float32's bytes take half as long. What
`is_matte` lets pass fits; anything beyond would wrap."""
ONE = 255 * FINE


class MotionAware:
    """Causal smoothing only where the picture stands still: no delay, and no trail behind what moves.

    A still pixel's alpha rises only as far as this frame's and the last one's agree, and a fall that only one frame
    tells of counts little. And each pixel keeps a share of its earlier alpha. The share falls to nothing where the
    pixel differs from the frame before by more than the camera's noise, or has drifted from the picture that its
    smoothed alpha stands for; that picture is smoothed with the same shares, so that slow changes add up until they
    show. The share comes back over the next frames only: the network's alpha is softer than the edge that passed, and
    needs these to arrive.
    The noise is measured, so that a dark room's grain does not pass for motion.
    """

    KEEP = 0.92
    """Share of the earlier alpha where nothing moves."""
    FALL = 0.9
    """Times that where alpha falls: a piece of the room that the network took for the person goes away sooner."""
    DOUBT = 0.7
    """How much of a fall is not believed until a second frame says so; of a rise it is all. So a piece of the room that
    the network sees in every other frame fades away and does not stay."""
    LEVELS = 1.0
    """Change in grey levels, beside the noise, up to which a pixel stands still; at twice that it moves."""
    LEAST = 1.75
    """What LEVELS and the noise together are at least. A codec copies the calm parts of a film, so that no noise is
    measured there, and yet changes what lies near a motion by a level or two."""
    DRIFT = 2.0
    """How many times as much a pixel may differ from the picture that its alpha stands for."""
    SETTLE = 0.3
    """Trust that a still pixel gains with each frame; smoothing starts beyond WAIT and is full at WAIT + 1."""
    WAIT = 0.5
    WAIT_LEVEL = round(255 * WAIT / (1 + WAIT))
    GAIN = round(255 * SETTLE / (1 + WAIT))
    NOISE = 0.5
    """Of a picture that has not been measured, in grey levels."""
    NOISE_CAP = 3.0
    NOISE_PACE = 0.1
    CALM_SHARE = 0.3
    """This share of the picture changes by less than what is taken for the camera's noise."""
    CALM_TO_NOISE = 1.3
    GRID = 8
    """Of so many rows and columns one is looked at for that."""
    MOVING = 1.5
    """Times the change up to which a pixel stands still: one that counts as moving for CUT."""
    CUT = 0.6
    """Share of moving pixels from which on everything is new."""

    def __init__(self) -> None:
        self._past: _Past | None = None
        self._size: tuple[int, ...] = (0, 0)
        self._noise = self.NOISE
        self._buffers = Buffers()
        self._odd = False
        self._gain = np.array([self.GAIN, 0, 0, 0], np.float64)  # a scalar to OpenCV
        self._keeps = keep_shares().reshape(1, -1)

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push; answers for this very frame."""
        if self._past is None or self._size != alpha.shape:
            self.reset()
            return self._anew(alpha, guide), frame
        past = self._past
        change = self._change(guide, past.guide)
        self._measure_noise(change)
        luma = self._luma(guide)
        drift = cv2.subtract(luma, past.reference, dst=self._fine("work"))
        drift = cv2.convertScaleAbs(drift, dst=self._level("drift"), alpha=4 / self.DRIFT / FINE)
        unrest = cv2.max(change, cv2.blur(drift, (3, 3), dst=drift), dst=change)
        calm = 4 * max(self.LEAST, self.LEVELS + self._noise)
        moving = cv2.threshold(unrest, self.MOVING * calm, 1, cv2.THRESH_BINARY, dst=drift)[1]
        if cv2.countNonZero(moving) > self.CUT * moving.size:
            return self._anew(alpha, guide), frame
        still = cv2.addWeighted(unrest, -255 / calm, unrest, 0, 510, dst=unrest)
        trust = cv2.add(past.trust, self._gain, dst=self._kept("trust", np.uint8))
        cv2.multiply(trust, still, dst=trust, scale=1 / 255)
        unsettled = cv2.threshold(trust, self.WAIT_LEVEL, 255, cv2.THRESH_BINARY_INV, dst=drift)[1]
        raw = self._to_fine(alpha)
        agreed = self._agreed(raw, past, unsettled)
        keep = self._share(trust, cv2.compare(agreed, past.alpha, cv2.CMP_LT, dst=drift))
        settled = self._blend(past.alpha, agreed, keep, self._kept("alpha", np.int16))
        reference = self._blend(past.reference, luma, keep, self._kept("reference", np.int16))
        self._past = _Past(settled, raw, guide, reference, trust)
        smooth = self._kept("smooth", np.float32)
        np.copyto(smooth, settled)  # to multiply two types would allocate
        smooth *= np.float32(1 / ONE)
        self._odd = not self._odd
        return smooth, frame

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._past = None
        self._noise = self.NOISE

    def _anew(self, alpha: FloatAlpha, guide: Image) -> FloatAlpha:
        """Begin again with this frame; its alpha."""
        self._size = alpha.shape
        raw = self._to_fine(alpha)
        self._past = _Past(raw, raw, guide, self._luma(guide).copy(), np.zeros(alpha.shape, np.uint8))
        self._odd = not self._odd
        return alpha

    def _to_fine(self, alpha: FloatAlpha) -> Array:
        """The network's alpha in steps of FINE, rounded down, int16 h×w."""
        steps = np.multiply(alpha, np.float32(ONE), out=self._kept("smooth", np.float32))
        fine = self._kept("raw", np.int16)
        np.copyto(fine, steps, casting="unsafe")
        return fine

    def _luma(self, guide: Image) -> Array:
        """The picture's luma in steps of FINE, int16 h×w."""
        grey = cv2.cvtColor(guide, cv2.COLOR_BGR2GRAY, dst=self._level("grey"))
        luma = self._fine("luma")
        np.copyto(luma, grey)
        luma *= np.int16(FINE)
        return luma

    def _measure_noise(self, change: Array) -> None:
        """Follow the change in the calmer part of the picture, which is what the camera's noise makes."""
        sample = cv2.blur(change, (3, 3), dst=self._level("work"))[:: self.GRID, :: self.GRID].reshape(-1)
        nth = round(self.CALM_SHARE * (sample.size - 1))
        calm = float(np.partition(sample, nth)[nth]) / 4
        self._noise += self.NOISE_PACE * (min(self.CALM_TO_NOISE * calm, self.NOISE_CAP) - self._noise)

    def _change(self, guide: Image, before: Image) -> Array:
        """The mean over the colours' changes in quarters of a grey level, which 8 bits keep; uint8 h×w, saturated."""
        colours = cv2.absdiff(guide, before, dst=self._buffers.get("colours", guide.shape))
        blue, green, red = cv2.split(colours, list(self._buffers.get("planes", (3, *guide.shape[:2]))))
        total = cv2.addWeighted(blue, 4 / 3, green, 4 / 3, 0, dst=blue)
        return cv2.addWeighted(total, 1, red, 4 / 3, 0, dst=total)

    def _agreed(self, alpha: Array, past: "_Past", unsettled: Array) -> Array:
        """The earlier alpha, as far as this frame's and the last one's let it stay; this frame's where unsettled.

        Of a fall within these, 1 − DOUBT is taken over.
        """
        low = cv2.min(alpha, past.raw, dst=self._fine("work"))
        high = cv2.max(alpha, past.raw, dst=self._fine("agreed"))
        agreed = cv2.max(cv2.min(high, past.alpha, dst=high), low, dst=high)
        # Where alpha rises this mean is the larger of the two.
        doubted = cv2.addWeighted(agreed, self.DOUBT, alpha, 1 - self.DOUBT, 0, dst=low)
        return cv2.copyTo(alpha, unsettled, cv2.min(agreed, doubted, dst=agreed))

    def _share(self, trust: Array, falls: Array) -> Array:
        """The share of the earlier alpha that each pixel keeps, int16 h×w in [0, ONE]."""
        index = np.right_shift(trust, 1, out=self._level("index"))
        index |= np.bitwise_and(falls, KEEPS, out=falls)
        return cv2.LUT(index, self._keeps, dst=self._fine("share"))

    def _blend(self, old: Array, new: Array, share: Array, out: Array) -> Array:
        """new + share · (old − new), int16 h×w, in `out`."""
        cv2.subtract(old, new, dst=out)
        cv2.multiply(out, share, dst=out, scale=1 / ONE)
        return cv2.add(out, new, dst=out)

    def _level(self, name: str) -> Array:
        """Scratch for levels, uint8 h×w."""
        return self._buffers.get(name, self._size)

    def _fine(self, name: str) -> Array:
        """Scratch for steps of FINE, int16 h×w."""
        return self._buffers.get(name, self._size, np.int16)

    def _kept(self, name: str, kind: type[np.generic]) -> Array:
        """h×w that outlives this frame: every other one has another, so that what is remembered is not written over."""
        return self._buffers.get(f"{name} {self._odd}", self._size, kind)


def keep_shares() -> Array:
    """The share of its earlier alpha that a pixel keeps, int16 in [0, ONE]: KEEPS levels of rising trust where alpha
    rises, then those where it falls.
    """
    rising = np.linspace(0, 1 + MotionAware.WAIT, KEEPS, dtype=np.float32)
    keeps = np.maximum(rising - np.float32(MotionAware.WAIT), 0) * np.float32(MotionAware.KEEP)
    shares: Array = np.rint(np.concatenate((keeps, keeps * MotionAware.FALL)) * ONE).astype(np.int16)
    return shares


@dataclass(frozen=True, slots=True)
class _Past:
    """What MotionAware remembers.

    alpha: the smoothed one. raw: the network's. reference: the luma that `alpha` stands for. All three int16 h×w, in
    steps of which FINE are a level of 255. guide: the frame before. trust: how long each pixel has stood still, uint8
    h×w, of which 255 stand for 1 + WAIT.
    """

    alpha: Array
    raw: Array
    guide: Image
    reference: Array
    trust: Array
