"""Temporal smoothing of alpha at the network's own size: off, one-frame delay, or motion-aware (default)."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from matting_core.errors import UsageError
from matting_core.frames import FloatAlpha, Image
from matting_core.stabilise_motion import MotionAware
from matting_core.stabilise_ofd import OneFrameDelay

T = TypeVar("T")


class Stabiliser(Protocol):
    """Smooths a sequence of mattes. Used on one thread."""

    def push(self, alpha: FloatAlpha, guide: Image, frame: T) -> tuple[FloatAlpha, T] | None:
        """Take a frame's alpha (float32 h×w in [0, 1]) and its picture at that size (uint8 h×w×3 BGR).

        The alpha has passed `matte_check.is_matte`. Answers with a smoothed alpha and the frame that it belongs to,
        which may be an earlier one, or None while it waits for the next. The answer is the stabiliser's, to be read
        until the next push but one.
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


STABILISERS: dict[str, Callable[[], Stabiliser]] = {"off": Off, "ofd": OneFrameDelay, "motion": MotionAware}


def make_stabiliser(name: str) -> Stabiliser:
    """A new stabiliser of that name; UsageError names the choices."""
    try:
        return STABILISERS[name]()
    except KeyError:
        raise UsageError(f"There is no smoothing '{name}'.", f"Choose one of: {', '.join(STABILISERS)}.") from None
