"""Objectives: worked by hand, against slow versions in numpy, by finite differences, and where nothing is unknown."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation, grey_erosion
from torch import Tensor

from matting_core.modnet import losses
from matting_core.modnet.losses import PAPER, RELEASED, SocWeighting
from matting_core.modnet.model import Prediction

Array = np.ndarray


def picture(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def random(*shape: int, seed: int = 0, low: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (1 - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)


def trimap_of(target: Tensor) -> Tensor:
    return torch.where(target < 0.3, 0.0, torch.where(target > 0.7, 1.0, 0.5)).to(target.dtype)


def prediction_of(size: int = 64, batch: int = 2, seed: int = 0) -> Prediction:
    return Prediction(
        random(batch, 1, size // 16, size // 16, seed=seed),
        random(batch, 1, size, size, seed=seed + 1),
        random(batch, 1, size, size, seed=seed + 2),
    )


def slow_reduce(matte: Array) -> Array:
    """G of one matte, pixel by pixel: at a factor of 1/16 bilinear sampling is the mean of the four middle pixels."""
    height, width = matte.shape[0] // 16, matte.shape[1] // 16
    small = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            small[y, x] = np.mean([matte[16 * y + a, 16 * x + b] for a in (7, 8) for b in (7, 8)])
    around = np.pad(small, 1, mode="reflect")
    weights = {(a, b): np.exp(-(a * a + b * b) / (2 * 0.8**2)) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    total = sum(weights.values())
    result = np.zeros_like(small)
    for y in range(height):
        for x in range(width):
            result[y, x] = sum(w * around[y + 1 + a, x + 1 + b] for (a, b), w in weights.items()) / total
    return result


def slow_supervised(prediction: Prediction, target: Tensor, trimap: Tensor, contrast: Tensor) -> tuple[float, ...]:
    """L_s, L_d and L_α, pixel by pixel."""
    s, d, p = (part.numpy()[:, 0] for part in prediction)
    g, t, c = target.numpy()[:, 0], trimap.numpy()[:, 0], contrast.numpy()
    semantic, detail, matte, composite = [], [], [], []
    for n in range(len(g)):
        semantic += [0.5 * e**2 for e in (s[n] - slow_reduce(g[n])).ravel()]
        for y in range(g.shape[1]):
            for x in range(g.shape[2]):
                unknown = t[n, y, x] == 0.5
                detail.append(abs(d[n, y, x] - g[n, y, x]) if unknown else 0.0)
                error = abs(p[n, y, x] - g[n, y, x]) * (5 if unknown else 1)
                matte.append(error)
                composite += [error * abs(value) for value in c[n, :, y, x]]
    return float(np.mean(semantic)), float(np.mean(detail)), float(np.mean(matte) + np.mean(composite))


def test_a_flat_matte_stays_flat_when_reduced() -> None:
    reduced = losses.reduce_matte(torch.full((1, 1, 64, 96), 0.25))
    assert reduced.shape == (1, 1, 4, 6)
    assert torch.allclose(reduced, torch.full_like(reduced, 0.25))


def test_semantic_by_hand() -> None:
    """A flat target of 1 against 0 everywhere but one 0.5: ½·mean(1, 1, 1, ¼)."""
    semantic = picture([[0, 0], [0, 0.5]])
    target = torch.ones(1, 1, 32, 32, dtype=torch.float64)
    assert float(losses.semantic_loss(semantic, target)) == pytest.approx(0.5 * (3 + 0.25) / 4)


def test_detail_by_hand() -> None:
    """Errors .5, .25 and 1, of which the last is not in the band: (.5 + .25)/4."""
    detail, target = picture([[0.5, 0.75], [1, 0]]), picture([[1, 0.5], [0, 0]])
    band = losses.unknown_band(picture([[0.5, 0.5], [1, 0]]))
    assert float(losses.detail_loss(detail, target, band)) == pytest.approx(0.75 / 4)


def test_matte_by_hand() -> None:
    """Errors .5 in the band (×5) and .25 outside; the composite sees them at contrast (1, ½, 0) and (−1, −1, −1)."""
    matte, target, band = picture([[0.5, 0.25]]), picture([[1, 0]]), picture([[1, 0]])
    image = torch.tensor([[[1, -1]], [[0.5, -1]], [[0, -1]]], dtype=torch.float64)[None]
    alpha = (2.5 + 0.25) / 2
    composite = (2.5 * (1 + 0.5 + 0) + 0.25 * 3) / 6
    assert float(losses.matte_loss(matte, target, band, image)) == pytest.approx(alpha + composite)


def test_with_true_layers_the_composition_is_the_papers() -> None:
    """|α_p·F + (1 − α_p)·B − I| for I = α_g·F + (1 − α_g)·B, computed as written."""
    matte, target = random(1, 1, 4, 4), random(1, 1, 4, 4, seed=1)
    front, back = random(1, 3, 4, 4, seed=2, low=-1), random(1, 3, 4, 4, seed=3, low=-1)
    image = target * front + (1 - target) * back
    composite = (matte * front + (1 - matte) * back - image).abs().mean()
    no_band = torch.zeros_like(matte)
    expected = (matte - target).abs().mean() + composite
    assert torch.isclose(losses.matte_loss(matte, target, no_band, image, (front, back)), expected)


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("weighting", [PAPER, RELEASED])
def test_supervised_losses_agree_with_slow_ones(layered: bool, weighting: losses.Weighting) -> None:
    prediction, target = prediction_of(), random(2, 1, 64, 64, seed=9)
    trimap, image = trimap_of(target), random(2, 3, 64, 64, seed=8, low=-1)
    layers = (random(2, 3, 64, 64, seed=6, low=-1), random(2, 3, 64, 64, seed=7, low=-1)) if layered else None
    contrast = image if layers is None else layers[0] - layers[1]
    slow = slow_supervised(prediction, target, trimap, contrast)
    found = losses.supervised_losses(prediction, target, trimap, image, weighting, layers)
    weighted = [weight * value for weight, value in zip(weighting, slow, strict=True)]
    assert [float(value) for value in found[:3]] == pytest.approx(weighted)
    assert float(found.total) == pytest.approx(sum(weighted))


def test_the_released_weights_are_the_released_sum() -> None:
    """The released code takes 10 times the plain mean square of the semantic error, where equation 1 has a half."""
    prediction, target = prediction_of(), random(2, 1, 64, 64, seed=9)
    found = losses.supervised_losses(prediction, target, trimap_of(target), random(2, 3, 64, 64), RELEASED)
    square = ((prediction.semantic - losses.reduce_matte(target)) ** 2).mean()
    assert torch.isclose(found.semantic, 10 * square)


def test_a_perfect_prediction_costs_nothing() -> None:
    target = random(1, 1, 64, 64)
    perfect = Prediction(losses.reduce_matte(target), target, target)
    found = losses.supervised_losses(perfect, target, trimap_of(target), random(1, 3, 64, 64))
    assert float(found.total) == 0


def slow_consistency(semantic: Array, matte: Array) -> float:
    reduced = slow_reduce(matte)
    errors = []
    for s, r in zip(semantic.ravel(), reduced.ravel(), strict=True):
        errors.append((s - (r if r > 0.01 else 0)) ** 2 + (r - (s if s > 0.01 else 0)) ** 2)
    return float(np.mean(errors))


def test_semantic_consistency_agrees_with_a_slow_one() -> None:
    prediction = prediction_of()
    semantic = torch.where(prediction.semantic < 0.3, 0.005, prediction.semantic)
    slow = [slow_consistency(semantic[n, 0].numpy(), prediction.matte[n, 0].numpy()) for n in range(2)]
    found = losses.semantic_consistency(semantic, prediction.matte)
    assert float(found) == pytest.approx(np.mean(slow))


def test_each_side_of_the_consistency_is_the_others_fixed_target() -> None:
    semantic, matte = random(1, 1, 4, 4).requires_grad_(), random(1, 1, 64, 64, seed=1).requires_grad_()
    losses.semantic_consistency(semantic, matte).backward()
    expected = 2 * (semantic - losses.reduce_matte(matte)) / 16
    assert semantic.grad is not None
    assert torch.allclose(semantic.grad, expected)


def test_detail_consistency_is_each_pictures_own_mean() -> None:
    """Picture 1: band of 2, errors (.1 + .2) and (.3 + 0) → .3. Picture 2: band of 1, error .5 + .1 → .6. Mean .45."""
    detail = torch.tensor([[0.1, 0.3, 9], [0.5, 9, 9]], dtype=torch.float64)[:, None, None]
    matte = torch.tensor([[0.2, 0.0, 9], [0.1, 9, 9]], dtype=torch.float64)[:, None, None]
    band = torch.tensor([[1, 1, 0], [1, 0, 0]], dtype=torch.float64)[:, None, None]
    zeros = torch.zeros_like(detail)
    found = losses.detail_consistency(Prediction(zeros, detail, matte), Prediction(zeros, zeros, zeros), band)
    assert float(found) == pytest.approx(0.45)


def person_prediction() -> Prediction:
    """A disc in a picture of 96×160 whose semantic map agrees."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(160), indexing="ij")
    matte = ((y - 40) ** 2 + (x - 70) ** 2 < 900).double()[None, None]
    return Prediction((losses.reduce_matte(matte) > 0.05).double(), matte, matte)


def test_the_band_is_dilation_minus_erosion() -> None:
    prediction = person_prediction()
    semantic = torch.nn.functional.interpolate(prediction.semantic, scale_factor=16, mode="bilinear")
    person = (semantic * prediction.matte)[0, 0].numpy()
    side = 7  # 5 % of the mean of 96 and 160 is 6.4; 6 is made odd
    expected = grey_dilation(person, size=(side, side)) != grey_erosion(person, size=(side, side))
    assert np.array_equal(losses.boundary_band(prediction)[0, 0].numpy() > 0, expected)
    assert 0.02 < expected.mean() < 0.3


def test_soc_is_nothing_for_a_consistent_network_and_drift_costs() -> None:
    prediction = person_prediction()
    consistent = prediction._replace(semantic=losses.reduce_matte(prediction.matte))
    found = losses.soc_losses(consistent, consistent)
    assert float(found.detail) == 0
    assert float(found.semantic) < 1e-4, "only what lies under the floor"
    drifted = consistent._replace(detail=consistent.detail * 0.5)
    in_band = losses.boundary_band(drifted)
    expected = (0.5 * consistent.detail * in_band).sum() / in_band.sum()
    found = losses.soc_losses(drifted, consistent, SocWeighting(semantic=0.0, detail=2.0))
    assert torch.isclose(found.total, 2 * expected)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_band_is_nothing_and_has_a_gradient(value: float) -> None:
    """Nobody in the picture, or nothing but a person: no division by zero, forwards or backwards."""
    matte = torch.full((1, 1, 64, 64), value, dtype=torch.float64, requires_grad=True)
    prediction = Prediction(torch.full((1, 1, 4, 4), value, dtype=torch.float64), matte, matte)
    assert not losses.boundary_band(prediction).any()
    other = Prediction(prediction.semantic, 1 - matte.detach(), 1 - matte.detach())
    soc = losses.soc_losses(prediction, other)
    assert soc.detail.item() == 0
    known = torch.full((1, 1, 64, 64), value, dtype=torch.float64)
    supervised = losses.supervised_losses(prediction, 1 - known, known, torch.ones(1, 3, 64, 64, dtype=torch.float64))
    assert supervised.detail.item() == 0
    (soc.total + supervised.total).backward()
    assert matte.grad is not None
    assert torch.isfinite(matte.grad).all()


SMOOTH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "semantic": losses.semantic_loss,
    "reduce": lambda _, matte: losses.reduce_matte(matte),
    "detail": lambda _, matte: losses.detail_loss(matte, torch.ones_like(matte) * 2, trimap_band()),
    "matte": lambda _, matte: losses.matte_loss(matte, matte.detach() * 0 - 1, trimap_band(), random(1, 3, 32, 32) + 1),
    "drift": lambda _, matte: losses.detail_consistency(
        Prediction(matte, matte, matte),
        Prediction(matte, matte.detach() * 0 + 2, matte.detach() * 0 - 1),
        trimap_band(),
    ),
}


def trimap_band() -> Tensor:
    return losses.unknown_band(trimap_of(random(1, 1, 32, 32, seed=5)))


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    """The absolute values are kept on one side of their kink, where they are smooth."""
    semantic = random(1, 1, 2, 2).requires_grad_()
    matte = random(1, 1, 32, 32, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(SMOOTH[name], (semantic, matte), fast_mode=True)
