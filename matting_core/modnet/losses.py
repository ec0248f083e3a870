"""MODNet's objectives as pure functions of tensors: the supervised ones, and SOC's.

Predictions and targets are float, N×1×H×W (the semantic map N×1×H/16×W/16), in [0, 1]; images N×3×H×W, RGB in
[−1, 1]; trimaps N×1×H×W of 0, 0.5 and 1. Every result is a scalar that can be differentiated, in the predictions'
type and on their device. Symbols as in the paper: s_p, d_p, α_p are the predictions, α_g the true matte, m_d the
unknown band, G reduction and blur. A norm of the paper is a mean here, as in the released code, so that weights do
not depend on the size. An empty band gives 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from matting_core.modnet.model import Prediction

SEMANTIC_STRIDE = 16
SIGMA = 0.8
BAND_WEIGHT = 4.0
FOREGROUND_FLOOR = 0.1
TARGET_FLOOR = 0.01
BAND_SHARE = 0.05


class Weighting(NamedTuple):
    """λ_s, λ_d and λ_α of equation 5."""

    semantic: float
    detail: float
    matte: float


PAPER = Weighting(semantic=1.0, detail=10.0, matte=1.0)
RELEASED = Weighting(semantic=20.0, detail=10.0, matte=1.0)
"""The released code writes 10 times the mean square, which is 20 times the half that equation 1 has."""


class SocWeighting(NamedTuple):
    """Weights of SOC's two terms; the defaults are the released code's."""

    semantic: float = 100.0
    detail: float = 1.0


class Losses(NamedTuple):
    """The three objectives, weighted, and their sum L (equation 5)."""

    semantic: Tensor
    detail: Tensor
    matte: Tensor
    total: Tensor


class SocLosses(NamedTuple):
    """SOC's two terms, weighted, and their sum."""

    semantic: Tensor
    detail: Tensor
    total: Tensor


def supervised_losses(
    prediction: Prediction,
    target: Tensor,
    trimap: Tensor,
    image: Tensor,
    weighting: Weighting = PAPER,
    layers: tuple[Tensor, Tensor] | None = None,
) -> Losses:
    """Equation 5: λ_s·L_s + λ_d·L_d + λ_α·L_α. layers: true foreground and background, for `matte_loss`."""
    band = unknown_band(trimap)
    semantic = weighting.semantic * semantic_loss(prediction.semantic, target)
    detail = weighting.detail * detail_loss(prediction.detail, target, band)
    matte = weighting.matte * matte_loss(prediction.matte, target, band, image, layers)
    return Losses(semantic, detail, matte, semantic + detail + matte)


def semantic_loss(semantic: Tensor, target: Tensor) -> Tensor:
    """Equation 1: L_s = ½·‖s_p − G(α_g)‖²."""
    return 0.5 * functional.mse_loss(semantic, reduce_matte(target))


def detail_loss(detail: Tensor, target: Tensor, band: Tensor) -> Tensor:
    """Equation 2: L_d = m_d·‖d_p − α_g‖₁, over the whole picture: a thin band weighs little, an empty one nothing."""
    return (band * (detail - target).abs()).mean()


def matte_loss(
    matte: Tensor, target: Tensor, band: Tensor, image: Tensor, layers: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Equation 4: L_α = ‖α_p − α_g‖₁ + L_c, both with the band counted BAND_WEIGHT times more.

    L_c is the same error seen in the composite. layers: the true foreground and background (each as `image`), as
    in the paper: |α_p·F + (1 − α_p)·B − I|. Without them the image is laid over mid-grey, as in the released code.
    """
    weight = 1 + BAND_WEIGHT * band
    error = matte - target
    contrast = image if layers is None else layers[0] - layers[1]
    return (weight * error.abs()).mean() + (weight * (error * contrast).abs()).mean()


def soc_losses(prediction: Prediction, frozen: Prediction, weighting: SocWeighting | None = None) -> SocLosses:
    """SOC (paper, section 3.5), on unlabelled images: the three predictions must agree, and detail must not drift.

    frozen: predictions of a copy of the network, without gradient. Pictures without a person add nothing to the
    detail term; leave them out of the semantic one by not showing them.
    """
    weighting = weighting or SocWeighting()
    semantic = weighting.semantic * semantic_consistency(prediction.semantic, prediction.matte)
    detail = weighting.detail * detail_consistency(prediction, frozen, boundary_band(prediction))
    return SocLosses(semantic, detail, semantic + detail)


def semantic_consistency(semantic: Tensor, matte: Tensor) -> Tensor:
    """The first term of equation 6, ‖G(α_p) − s_p‖², each side in turn the other's fixed target.

    What a target gives to the background (at most TARGET_FLOOR) is taken for 0.
    """
    reduced = reduce_matte(matte)
    return functional.mse_loss(semantic, _as_target(reduced)) + functional.mse_loss(reduced, _as_target(semantic))


def detail_consistency(prediction: Prediction, frozen: Prediction, band: Tensor) -> Tensor:
    """Equation 7 and the band term of equation 6: detail and matte stay at the frozen copy's, inside the band.

    The mean over each picture's own band, then over the pictures; a picture with an empty band counts as 0.
    """
    error = (prediction.detail - frozen.detail.detach()).abs() + (prediction.matte - frozen.matte.detach()).abs()
    in_band = (band * error).sum(dim=(1, 2, 3))
    return (in_band / band.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


def unknown_band(trimap: Tensor) -> Tensor:
    """m_d: 1 where the trimap is 0.5, else 0; same shape and type, no gradient."""
    return ((trimap > 0.25) & (trimap < 0.75)).to(trimap.dtype)


def boundary_band(prediction: Prediction) -> Tensor:
    """SOC's m_d, from the predictions themselves: 1 around the person's edge, N×1×H×W, no gradient.

    Dilation minus erosion of (α_p > 0.1)·(s_p > 0.1), by a square whose side is BAND_SHARE of the mean side, made
    odd so that the band lies evenly on both sides of the edge. Empty where nothing, or everything, is a person.
    """
    matte, semantic = prediction.matte.detach(), prediction.semantic.detach()
    person = (semantic > FOREGROUND_FLOOR).to(matte.dtype)
    person = functional.interpolate(person, size=matte.shape[2:], mode="bilinear", align_corners=False)
    person = person * (matte > FOREGROUND_FLOOR)
    side = odd_side(matte, BAND_SHARE)
    dilated, eroded = dilate(person, side), -dilate(-person, side)
    return (dilated != eroded).to(matte.dtype)


def odd_side(values: Tensor, share: float) -> int:
    """This share of the mean side of N×1×H×W in pixels, made odd, for `dilate`."""
    return int(share * (values.shape[2] + values.shape[3]) / 2) | 1


def dilate(values: Tensor, side: int) -> Tensor:
    """The largest value in the square of this odd side around each place: of the columns, then of the rows."""
    margin = side // 2
    for axis, padding in ((2, (0, 0, margin, margin)), (3, (margin, margin))):
        values = functional.pad(values, padding, value=-torch.inf)
        reach = 1  # each value is the largest of so many, and doubling that takes few steps to any side
        while reach < side:
            step = min(reach, side - reach)
            left = values.shape[axis] - step
            values = torch.maximum(values.narrow(axis, 0, left), values.narrow(axis, step, left))
            reach += step
    return values


def reduce_matte(matte: Tensor) -> Tensor:
    """G: bilinear to 1/16, then a 3×3 Gaussian of σ 0.8, edges reflected. N×1×H×W to N×1×H/16×W/16."""
    reduced = functional.interpolate(matte, scale_factor=1 / SEMANTIC_STRIDE, mode="bilinear", align_corners=False)
    offsets = torch.arange(-1, 2, dtype=matte.dtype, device=matte.device)
    line = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel = torch.outer(line, line)
    padded = functional.pad(reduced, (1, 1, 1, 1), mode="reflect")
    return functional.conv2d(padded, (kernel / kernel.sum())[None, None])


def _as_target(values: Tensor) -> Tensor:
    fixed = values.detach()
    return fixed * (fixed > TARGET_FLOOR)
