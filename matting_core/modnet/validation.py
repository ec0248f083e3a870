"""How good a network is during training: the objective and the metrics of `eval` on pictures it does not learn from."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from matting_core.metrics import Scores, mean_scores, score
from matting_core.modnet.data import ValidationDataset
from matting_core.modnet.losses import Losses, Weighting, supervised_losses
from matting_core.modnet.model import MODNet

KEYS = ("mad", "mse", "iou", "boundary_mad")


class Measured(NamedTuple):
    """One picture: its place in the set, the three weighted objectives and their sum, and the metrics, raw."""

    place: int
    losses: tuple[float, ...]
    scores: Scores


@torch.no_grad()
def measure(
    model: MODNet, pictures: ValidationDataset, weighting: Weighting, device: torch.device, part: tuple[int, int]
) -> list[Measured]:
    """Measure every picture whose index is part[0] modulo part[1], one at a time, whole and at the network's size."""
    model.eval()
    return list(_each(model, pictures, weighting, device, range(part[0], len(pictures), part[1])))


def summary(rows: list[Measured]) -> dict[str, float | None]:
    """Plain means over the pictures: `loss`, its three parts, and KEYS; in the pictures' order, whoever measured."""
    rows = sorted(rows, key=lambda row: row.place)
    means = np.mean([row.losses for row in rows], axis=0)
    names = ("loss_semantic", "loss_detail", "loss_matte", "loss")
    scores = mean_scores(row.scores for row in rows)
    shown = scores.as_dict() if scores else {}
    return {**dict(zip(names, map(float, means), strict=True)), **{key: shown[key] for key in KEYS}}


@torch.no_grad()
def sample_strip(model: MODNet, pictures: ValidationDataset, index: int, device: torch.device) -> Tensor:
    """Picture, predicted and true matte side by side: float32 3×H×3W in [0, 1], RGB, on the CPU."""
    image, matte, _ = pictures[index]
    alpha = model.matte(image[None].to(device))[0].cpu()
    return torch.cat([(image + 1) / 2, alpha.expand(3, -1, -1), matte.expand(3, -1, -1)], dim=2).clamp(0, 1)


def _each(
    model: MODNet, pictures: ValidationDataset, weighting: Weighting, device: torch.device, indices: range
) -> Iterator[Measured]:
    for index in indices:
        image, matte, trimap = (part[None].to(device) for part in pictures[index])
        prediction = model(image)
        losses: Losses = supervised_losses(prediction, matte, trimap, image, weighting)
        scores = score(prediction.matte[0, 0].cpu().numpy(), matte[0, 0].cpu().numpy())
        yield Measured(index, tuple(float(loss) for loss in losses), scores)
