"""The training heads that a released ONNX file lacks: fitted to the network's own matte, everything else frozen.

SOC compares the semantic and the detail map with the matte, so it needs both heads. The features they read are all
there; a head only has to learn to read them, which takes a minute on pictures of the clip itself.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from matting_core.modnet.losses import boundary_band, reduce_matte
from matting_core.modnet.model import MODNet, Prediction

PASSES = 12
LEARNING_RATE = 1e-2
DETAIL_WEIGHT = 10.0
SEED = 0

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""


class _Seen(NamedTuple):
    """One picture, the frozen features that the heads read, and what they should answer."""

    image: Tensor
    semantic_features: Tensor
    detail_features: Tensor
    semantic: Tensor
    matte: Tensor
    band: Tensor


def fit_heads(model: MODNet, pictures: Sequence[Tensor], progress: Progress = lambda _done, _all: None) -> None:
    """Give `model` new semantic and detail heads that read its own matte out of its features; in place.

    pictures: each float32 1×3×H×W, RGB in [−1, 1], on the model's device; about 5 MB of features are kept for one of
    512×288, so give a few dozen. Equations 1 and 2 with the model's own matte as truth. Nothing else changes, and the
    same pictures give the same heads. Leaves the model in inference mode.
    """
    model.eval()
    heads = (model.lr_branch.conv_lr, model.hr_branch.conv_hr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for head in heads:
            head.apply(_reset)
    seen = [_look(model, picture) for picture in pictures]
    parameters = [parameter for head in heads for parameter in head.parameters()]
    optimiser = torch.optim.Adam(parameters, LEARNING_RATE)
    steps = PASSES * len(seen)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    random = np.random.default_rng(SEED)
    model.hr_branch.conv_hr.train()
    for done, index in enumerate(np.concatenate([random.permutation(len(seen)) for _ in range(PASSES)]), start=1):
        loss = _loss(model, seen[index])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        progress(done, steps)
    optimiser.zero_grad(set_to_none=True)
    model.eval()


def _look(model: MODNet, image: Tensor) -> _Seen:
    with torch.no_grad():
        taps = model.backbone(image)
        semantic = model.lr_branch(taps.last)
        detail = model.hr_branch(image, taps, semantic)
        matte = model.f_branch(image, semantic, detail)
        reduced = reduce_matte(matte)
        band = boundary_band(Prediction(reduced, matte, matte))
    return _Seen(image, semantic, detail, reduced, matte, band)


def _loss(model: MODNet, seen: _Seen) -> Tensor:
    semantic = model.lr_branch.head(seen.semantic_features)
    detail = model.hr_branch.head(seen.image, seen.detail_features)
    in_band = (seen.band * (detail - seen.matte).abs()).sum() / seen.band.sum().clamp(min=1)
    return functional.mse_loss(semantic, seen.semantic) * DETAIL_WEIGHT + in_band


def _reset(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
        module.reset_parameters()
