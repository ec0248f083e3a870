"""Every metric against a hand-worked case and against a slow, plain version written from its definition."""

import math
from collections import deque

import numpy as np
import pytest

from matting_core.metrics import (
    METRICS,
    Scores,
    as_unit,
    connectivity_error,
    gradient_error,
    mean_scores,
    score,
    temporal_error,
    unknown_band,
)
from matting_core.trimap import make_trimap

Floats = np.ndarray


def blobs(seed: int, height: int = 23, width: int = 31) -> Floats:
    """A smooth random matte with full, empty and half-transparent places, on the 8-bit grid as files are."""
    noise = np.random.default_rng(seed).standard_normal((height + 8, width + 8))
    for axis in (0, 1):
        summed = np.cumsum(noise, axis=axis)
        shifted = np.roll(summed, 8, axis=axis)
        noise = (summed - shifted)[8:] if axis == 0 else (summed - shifted)[:, 8:]
    return np.rint(np.clip(noise / 10 + 0.5, 0, 1) * 255).astype(np.float32) / np.float32(255)


def slow_gradient_error(alpha: Floats, truth: Floats) -> float:
    sigma, cut = 1.4, 0.01
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * cut)))

    def gauss(x: float) -> float:
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    kernel = np.array(
        [[gauss(i) * -j * gauss(j) / sigma**2 for j in range(-half, half + 1)] for i in range(-half, half + 1)]
    )
    kernel /= math.sqrt((kernel**2).sum())

    def magnitude(matte: Floats) -> Floats:
        padded = np.pad(matte.astype(float), half, mode="edge")
        out = np.zeros(matte.shape)
        for i in range(matte.shape[0]):
            for j in range(matte.shape[1]):
                window = padded[i : i + 2 * half + 1, j : j + 2 * half + 1]
                out[i, j] = math.hypot((window * kernel).sum(), (window * kernel.T).sum())
        return out

    return float(((magnitude(alpha) - magnitude(truth)) ** 2).sum())


def largest_region(inside: Floats) -> set[tuple[int, int]]:
    left = {(int(i), int(j)) for i, j in zip(*np.nonzero(inside), strict=True)}
    best: set[tuple[int, int]] = set()
    while left:
        region, queue = set(), deque([left.pop()])
        while queue:
            i, j = queue.popleft()
            region.add((i, j))
            for near in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if near in left:
                    left.remove(near)
                    queue.append(near)
        best = max(best, region, key=len)
    return best


def slow_connectivity_error(alpha: Floats, truth: Floats) -> float:
    levels = [
        (k / 10, largest_region((alpha >= np.float32(k / 10)) & (truth >= np.float32(k / 10)))) for k in range(11)
    ]
    total = 0.0
    for pixel in np.ndindex(alpha.shape):
        level = 0.0
        for threshold, region in levels[1:]:
            if pixel not in region:
                break
            level = threshold
        phi = []
        for matte in (alpha, truth):
            distance = float(matte[pixel]) - level
            phi.append(1 - distance if distance >= 0.15 else 1.0)
        total += abs(phi[0] - phi[1])
    return total


def test_mean_and_sum_errors_by_hand() -> None:
    alpha = np.array([[0.0, 0.5], [1.0, 1.0]], np.float32)
    truth = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    found = score(alpha, truth)
    assert found.sad == pytest.approx(1.5)
    assert found.mad == pytest.approx(1.5 / 4)
    assert found.mse == pytest.approx((0.25 + 1) / 4)
    assert found.iou == pytest.approx(1 / 3)  # 0.5 is not above 0.5: {3, 4} against {2, 3}
    assert found.dtssd is None


def test_a_perfect_matte_has_no_error() -> None:
    truth = blobs(1)
    found = score(truth, truth, before=(blobs(2), blobs(2)))
    # OpenCV's filter rounds by where an array lies in memory, so the gradients of equal mattes may differ in a bit.
    perfect = Scores(mad=0, mse=0, sad=0, grad=0, conn=0, iou=1, boundary_mad=0, dtssd=0)
    assert found.as_dict() == pytest.approx(perfect.as_dict(), abs=1e-9)


def test_bytes_and_floats_give_the_same() -> None:
    alpha, truth = ((blobs(seed) * 255).round().astype(np.uint8) for seed in (3, 4))
    floats = score(as_unit(alpha), as_unit(truth)).as_dict()
    assert score(alpha, truth).as_dict() == pytest.approx(floats, abs=1e-6)
    assert as_unit(np.array([[0, 51, 255]], np.uint8)).tolist() == [[0.0, pytest.approx(0.2), 1.0]]


@pytest.mark.parametrize(("fill", "iou"), [(0.0, 1.0), (1.0, 0.0)])
def test_an_empty_truth_has_no_band_and_an_iou(fill: float, iou: float) -> None:
    found = score(np.full((12, 9), fill, np.float32), np.zeros((12, 9), np.float32))
    assert found.boundary_mad is None
    assert found.iou == iou
    assert found.mad == fill


@pytest.mark.parametrize("seed", range(4))
def test_gradient_error_is_its_definition(seed: int) -> None:
    alpha, truth = blobs(seed), blobs(seed + 50)
    assert gradient_error(alpha, truth) == pytest.approx(slow_gradient_error(alpha, truth), rel=1e-4)
    assert slow_gradient_error(alpha, truth) > 1


def test_gradient_error_sees_edges_and_not_levels() -> None:
    flat, higher = np.full((20, 20), 0.2, np.float32), np.full((20, 20), 0.9, np.float32)
    assert gradient_error(flat, higher) == pytest.approx(0, abs=1e-9)
    edge = higher.copy()
    edge[:, 10:] = 0
    assert gradient_error(edge, higher) > 1


@pytest.mark.parametrize("seed", range(6))
def test_connectivity_error_is_its_definition(seed: int) -> None:
    alpha, truth = blobs(seed), np.clip(blobs(seed) + (blobs(seed + 50) - 0.5) / 2, 0, 1)
    slow = slow_connectivity_error(alpha, truth)
    assert connectivity_error(alpha, truth) == pytest.approx(slow, rel=1e-4)
    assert slow > 1


def test_connectivity_error_by_hand() -> None:
    truth = np.zeros((5, 7), np.float32)
    truth[1:4, 1:4] = 1
    alpha = truth.copy()
    alpha[2, 5] = 0.8  # a speck that touches nobody: level 0 in both, φ = 0.2 against 1
    assert connectivity_error(alpha, truth) == pytest.approx(0.8)
    alpha[2, 5] = 0.1  # nearer to its level than θ
    assert connectivity_error(alpha, truth) == 0


def test_boundary_error_counts_the_band_alone() -> None:
    truth = np.zeros((100, 100), np.float32)
    truth[:, 50:] = 1
    band = unknown_band(truth)
    assert band[:, 49:51].all()  # 1 % of the mean side is one pixel to either side
    assert band.sum() == 200
    alpha = truth.copy()
    alpha[:, 49] = 0.5
    alpha[:, 0] = 1  # far away
    found = score(alpha, truth)
    assert found.boundary_mad == pytest.approx(0.25)
    assert found.mad == pytest.approx(150 / 10000)
    wide = unknown_band(np.repeat(np.repeat(truth, 3, axis=0), 3, axis=1))
    assert wide.mean() == band.mean()


def test_temporal_error_is_how_differently_they_changed() -> None:
    truth_before, truth = blobs(1), blobs(2)
    wrong = np.float32(0.25)
    assert temporal_error(truth + wrong, truth, truth_before + wrong, truth_before) == pytest.approx(0, abs=1e-6)
    assert temporal_error(truth + wrong, truth, truth_before, truth_before) == pytest.approx(0.25, rel=1e-5)
    flicker = truth.copy()
    flicker[3, 4] += 0.5
    expected = math.sqrt(0.25 / truth.size)
    assert score(flicker, truth, before=(truth_before, truth_before)).dtssd == pytest.approx(expected, rel=1e-5)


def test_means_leave_out_what_is_not_defined() -> None:
    one = Scores(mad=0.1, mse=0.1, sad=10, grad=1, conn=2, iou=0.5, boundary_mad=None, dtssd=None)
    two = Scores(mad=0.3, mse=0.2, sad=30, grad=3, conn=4, iou=1.0, boundary_mad=0.2, dtssd=None)
    mean = mean_scores([one, two])
    assert mean is not None
    assert mean.mad == pytest.approx(0.2)
    assert (mean.sad, mean.grad, mean.conn, mean.iou) == (20, 2, 3, 0.75)
    assert mean.boundary_mad == 0.2
    assert mean.dtssd is None
    assert set(mean.as_dict()) == set(METRICS)
    assert mean_scores([]) is None


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (np.zeros((3, 5), np.float32), "different shapes"),
        (np.zeros((3, 4, 1), np.float32), "not a matte"),
        (np.zeros((3, 4), np.int32), "int32"),
        (np.zeros((0, 4), np.float32), "not a matte"),
    ],
)
def test_what_is_no_matte_is_refused(alpha: Floats, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        score(alpha, np.zeros((3, 4), np.float32))


def test_a_trimap_is_sure_where_eroded_truth_says_so() -> None:
    matte = np.zeros((9, 12), np.float32)
    matte[:, 6:] = 1
    matte[:, 5] = 0.5
    trimap = make_trimap(matte, inner=2, outer=3)
    # background 0–1, then three dilated columns, the mixed one and two eroded; the picture's edge erodes nothing
    assert (trimap == np.array([0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1], np.float32)).all()
    nothing = make_trimap(matte, inner=0, outer=0)
    assert (nothing == np.array([0] * 5 + [0.5] + [1] * 6, np.float32)).all()
    noisy = np.where(matte == 1, np.float32(0.97), matte)
    assert (make_trimap(noisy, 2, 3) == trimap).all()
