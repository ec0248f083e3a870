"""How consistent a network is with itself on a clip without true mattes, and whether adapting made it better."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from matting_core.modnet.losses import reduce_matte
from matting_core.modnet.model import MODNet

STILL = 2.0
"""A place stands still between two pictures if its RGB changes by less than so many of 255 levels on the mean."""
LESS_DISAGREEMENT = 0.98
MORE_FLICKER = 1.02
PERSON_KEPT = (0.8, 1.25)


class Quality(NamedTuple):
    """disagreement: mean |s_p − G(α_p)|. flicker: mean |Δα| in still places, or None where nothing stands still.
    person: mean α. All in units of alpha, over the held-out pictures."""

    disagreement: float
    flicker: float | None
    person: float


def measure(model: MODNet, clip: Sequence[Tensor], runs: Sequence[Sequence[int]]) -> Quality:
    """Measure `model`, in inference mode, on runs of neighbouring pictures of the clip (each 3×H×W in [−1, 1])."""
    device = next(model.parameters()).device
    disagreements, persons = [], []
    moved = still = 0.0
    for run in runs:
        before: tuple[Tensor, Tensor] | None = None
        for index in run:
            image = clip[index][None].to(device)
            with torch.no_grad():
                prediction = model(image)
            disagreements.append(float((prediction.semantic - reduce_matte(prediction.matte)).abs().mean()))
            persons.append(float(prediction.matte.mean()))
            if before is not None and before[0].shape == image.shape:
                stands = (image - before[0]).abs().mean(dim=1, keepdim=True) * 127.5 < STILL
                moved += float(((prediction.matte - before[1]).abs() * stands).sum())
                still += float(stands.sum())
            before = image, prediction.matte
    mean = len(persons)
    return Quality(sum(disagreements) / mean, moved / still if still else None, sum(persons) / mean)


def verdict(before: Quality, after: Quality) -> str:
    """Why the adapted network is not to be kept, as one sentence; empty if it is better.

    It is kept if the disagreement falls by 2 % or more, the flicker rises by no more than 2 %, and the person covers
    between 0.8 and 1.25 times as much as before: a network that sees nobody agrees with itself, too.
    """
    low, high = PERSON_KEPT
    # Written so that a value that is no number is never better.
    if not low * before.person <= after.person <= high * before.person:
        return f"The person would cover {after.person:.1%} of the picture instead of {before.person:.1%}."
    if not after.disagreement <= LESS_DISAGREEMENT * before.disagreement:
        return "The parts of the network would agree no better than before."
    if before.flicker is not None and not (after.flicker or 0.0) <= MORE_FLICKER * before.flicker:
        return "The matte would flicker more where nothing moves."
    return ""
