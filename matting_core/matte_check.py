"""What cannot be a matte, whatever network or engine it comes from: nothing of it may reach the blend."""

import numpy as np

from matting_core.frames import FloatAlpha

ROUNDING = 1e-3


def is_matte(*figures: float) -> bool:
    """Whether figures of an alpha, such as its least and greatest, are finite and in [0, 1], except for rounding."""
    return all(np.isfinite(figure) and -ROUNDING <= figure <= 1 + ROUNDING for figure in figures)


def takes_for_person(alpha: FloatAlpha) -> bool:
    """Whether an alpha calls most of its picture the person."""
    return float(alpha.mean()) > 0.5
