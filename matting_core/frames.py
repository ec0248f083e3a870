"""What travels between the stages: a picture with its time, and the same picture with its matte."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""uint8, H×W×3, BGR."""
Alpha = npt.NDArray[np.uint8]
"""uint8, H×W: 0 is background, 255 is the person; 8 bits are what the blend and the files use."""
FloatAlpha = npt.NDArray[np.float32]
"""float32, h×w in [0, 1]: alpha at the network's own size."""
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a source.

    image: uint8 H×W×3 BGR, never written after the frame is made. captured_at: monotonic seconds
    (`time.monotonic`). index: counts up from 0 by one for every frame that the source delivered.
    """

    image: Image
    captured_at: float
    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """What frames are laid on, where that is one still picture or a blurred room, and no edge control is set but one.

    picture: uint8 H×W×3 BGR of the canvas' size, never written; or None, and blur is the Gaussian's σ in pixels.
    decontaminate: as in `composite.Edges`.
    """

    picture: Image | None
    blur: float
    decontaminate: bool


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """What the Compositor would make of a matted frame on `behind`. canvas: uint8 H×W×3 BGR, never written."""

    canvas: Image
    behind: Behind


@dataclass(frozen=True, slots=True)
class MattedFrame:
    """A frame together with its own alpha, never another frame's.

    alpha: uint8 H×W of the frame's own height and width; 0 background, 255 person. half: uint8 ⌈H/2⌉×⌈W/2⌉×3 BGR,
    `preprocess.halve` of the frame's image where the matting made it, so that nobody makes it twice; never written.
    columns: from where to before where the camera's own picture lies, if something lies beside it (`pillarbox.py`).
    laid: its composite, where a GPU has made that, too (`whole_frame.py`).
    """

    frame: Frame
    alpha: Alpha
    half: Image | None = None
    columns: tuple[int, int] | None = None
    laid: Laid | None = None

    def __post_init__(self) -> None:
        if self.alpha.shape != self.frame.image.shape[:2]:
            raise ValueError(f"alpha {self.alpha.shape} does not fit the frame {self.frame.image.shape[:2]}")
        if self.half is not None and self.half.shape != (*half_size(self.alpha.shape), 3):
            raise ValueError(f"half {self.half.shape} is not half of the frame {self.frame.image.shape[:2]}")


def half_size(size: tuple[int, ...]) -> tuple[int, int]:
    """The size (height, width) that `preprocess.halve` makes of another: rounded up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2
