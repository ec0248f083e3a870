"""The stabiliser of the paper, a frame late: OFD."""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from matting_core.frames import Array, FloatAlpha, Image

T = TypeVar("T")

OFD_XI = 0.1
OFD_STILL = 12
"""Grey levels by which a colour may change between two frames in a place that counts as still."""


class OneFrameDelay:
    """OFD (Ke et al. 2022, section "Applying MODNet to video"): mends what flickers for one frame, a frame late.

    Where α(t−1) and α(t+1) agree within ξ = 0.1 and α(t) is further than ξ from both, α(t) becomes their mean. Unlike
    in the paper only where the picture stands still in all three: a hand that waves is there in every other frame, and
    in those between the mean would show the room.
    """

    def __init__(self) -> None:
        self._before: FloatAlpha | None = None
        self._held: _Held | None = None

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """See Stabiliser.push; answers for the frame before this one."""
        if self._held is not None and self._held.alpha.shape != alpha.shape:
            self.reset()
        held = self._held
        still = np.zeros(alpha.shape, bool) if held is None else _stand_still(held.guide, guide)
        self._held = _Held(alpha, guide, frame, still)
        if held is None:
            return None
        now, before, self._before = held.alpha, self._before, held.alpha
        if before is not None:
            flickers = (
                (np.abs(before - alpha) <= OFD_XI) & (np.abs(now - before) > OFD_XI) & (np.abs(now - alpha) > OFD_XI)
            )
            flickers &= held.still & still
            now = np.where(flickers, (before + alpha) * np.float32(0.5), now)
        return now, held.frame  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget all earlier frames; the one held back is given up."""
        self._before = self._held = None


@dataclass(frozen=True, slots=True)
class _Held:
    """What OneFrameDelay remembers of a frame. still: bool h×w, where it is like the frame before."""

    alpha: FloatAlpha
    guide: Image
    frame: object
    still: Array


def _stand_still(guide: Image, other: Image) -> Array:
    """bool h×w: where no colour differs by more than OFD_STILL, in the mean over the 3×3 around, for the noise."""
    blue, green, red = cv2.split(cv2.absdiff(guide, other))
    return cv2.blur(cv2.max(cv2.max(blue, green), red), (3, 3)) <= OFD_STILL
