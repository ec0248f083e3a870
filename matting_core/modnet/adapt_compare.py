"""Held-out pictures before and after adapting, side by side for the eye: the person on a plain colour, no room."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from matting_core.frames import FloatAlpha, Image
from matting_core.modnet.adapt import Adapted
from matting_core.modnet.model import MODNet
from matting_core.pictures import write_image

PLAIN_BGR = (64, 177, 0)
BEFORE, AFTER = "before", "after"


def write_comparison(adapted: Adapted, clip: Sequence[Tensor], folder: Path) -> int:
    """Write 1-before.png, 1-after.png, 2-before.png … of the middle of every held-out run; how many pairs.

    Raises MediaError where they cannot be written.
    """
    for number, run in enumerate(adapted.held_out, start=1):
        picture = clip[run[len(run) // 2]]
        for word, model in ((BEFORE, adapted.original), (AFTER, adapted.model)):
            write_image(folder / f"{number}-{word}.png", over_plain(picture, _alpha(model, picture)))
    return len(adapted.held_out)


def over_plain(picture: Tensor, alpha: FloatAlpha) -> Image:
    """A picture (3×H×W RGB in [−1, 1]) by its alpha (H×W) over the plain colour: uint8 H×W×3 BGR, new."""
    image = (picture.numpy()[::-1].transpose(1, 2, 0) + 1) * 127.5
    weight = alpha[..., None]
    return np.rint(image * weight + np.array(PLAIN_BGR, np.float32) * (1 - weight)).astype(np.uint8)


def _alpha(model: MODNet, picture: Tensor) -> FloatAlpha:
    with torch.inference_mode():
        alpha: FloatAlpha = model.matte(picture[None])[0, 0].numpy()
    return alpha
