"""How close a matte is to the truth: one number per question, each as its paper defines it.

Values are raw: plain means of alpha in [0, 1], plain sums over pixels. Papers print them scaled, and so do we, but only
where they are shown: METRICS holds each one's factor. n is the number of pixels, α the matte, α* the truth.

| key | definition | shown as |
| --- | --- | --- |
| mad | Σ\\|α − α*\\| / n | ×10³ |
| mse | Σ(α − α*)² / n | ×10³ |
| sad | Σ\\|α − α*\\|, in pixels | ÷1000 |
| grad | Σ(‖∇α‖ − ‖∇α*‖)², Gaussian derivatives, σ 1.4 (Rhemann et al., CVPR 2009, eq. 3) | ÷1000 |
| conn | Σ\\|φ(α) − φ(α*)\\|, connectivity in steps of 0.1, θ 0.15 (same, eq. 4 and 5) | ÷1000 |
| iou | \\|A ∩ A*\\| / \\|A ∪ A*\\| of the pixels with alpha > 0.5; 1 where both are empty | as it is |
| boundary_mad | mad over the truth's unknown band alone | ×10³ |
| dtssd | √(Σ((α_t − α_{t−1}) − (α*_t − α*_{t−1}))² / n), mean over a clip (Erofeev et al., BMVC 2015) | ×10² |
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.trimap import Floats, make_trimap

BAND_SHARE = 0.01
"""boundary_mad's band reaches this share of the picture's mean side to either side of the truth's edge."""
GRAD_SIGMA = 1.4
GRAD_CUT = 0.01  # the kernel ends where the Gaussian falls below this
CONN_STEPS = 10
CONN_THRESHOLD = np.float32(0.15)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is shown: name, factor on the raw value and how papers write it, decimals, and plain words."""

    name: str
    factor: float
    unit: str
    decimals: int
    meaning: str
    higher_is_better: bool = False

    def show(self, value: float | None) -> str:
        """The value in the metric's display unit, or a dash where it is not defined."""
        return "–" if value is None else f"{value * self.factor:.{self.decimals}f}"


METRICS = {
    "mad": Metric("MAD", 1e3, "×10³", 2, "mean absolute difference of alpha"),
    "mse": Metric("MSE", 1e3, "×10³", 2, "mean squared difference of alpha"),
    "sad": Metric("SAD", 1e-3, "÷1000", 2, "sum of absolute differences, in pixels"),
    "grad": Metric("Grad", 1e-3, "÷1000", 2, "squared difference of the edges' strengths, summed"),
    "conn": Metric("Conn", 1e-3, "÷1000", 2, "difference in what is connected to the person, summed"),
    "iou": Metric(
        "IoU", 1.0, "", 4, "overlap of the pixels with alpha above one half; 1 is best", higher_is_better=True
    ),
    "boundary_mad": Metric("Boundary MAD", 1e3, "×10³", 1, "MAD in the band around the true edge alone"),
    "dtssd": Metric("dtSSD", 1e2, "×10²", 2, "how differently matte and truth change from frame to frame"),
}


@dataclass(frozen=True, slots=True)
class Scores:
    """The raw values of one matte, of a clip's mean, or of a set's. None: not defined there (no band, no clip)."""

    mad: float
    mse: float
    sad: float
    grad: float
    conn: float
    iou: float
    boundary_mad: float | None = None
    dtssd: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """The values by their keys in METRICS."""
        return asdict(self)


def as_unit(alpha: npt.NDArray[Any]) -> Floats:
    """Alpha as float32 in [0, 1]: uint8 is divided by 255, floats are taken as they are. Raises ValueError."""
    if alpha.ndim != 2 or not alpha.size:
        raise ValueError(f"alpha is not a matte of H×W but {alpha.shape}")
    if alpha.dtype == np.uint8:
        return alpha.astype(np.float32) / np.float32(255)
    if not np.issubdtype(alpha.dtype, np.floating):
        raise ValueError(f"alpha is {alpha.dtype}, neither uint8 nor float")
    return np.ascontiguousarray(alpha, np.float32)


def score(alpha: npt.NDArray[Any], truth: npt.NDArray[Any], before: tuple[Any, Any] | None = None) -> Scores:
    """All metrics of one matte against the truth, both H×W, uint8 or float in [0, 1]; nothing is kept or changed.

    before: (alpha, truth) of the frame before in the same clip, for dtssd. Raises ValueError for shapes that differ.
    """
    alpha, truth = as_unit(alpha), as_unit(truth)
    _check_shapes(alpha, truth)
    difference = np.abs(alpha - truth)
    sad = float(difference.sum(dtype=np.float64))
    return Scores(
        mad=sad / difference.size,
        mse=float(np.square(difference).mean(dtype=np.float64)),
        sad=sad,
        grad=gradient_error(alpha, truth),
        conn=connectivity_error(alpha, truth),
        iou=intersection_over_union(alpha, truth),
        boundary_mad=boundary_error(difference, truth),
        dtssd=None if before is None else temporal_error(alpha, truth, as_unit(before[0]), as_unit(before[1])),
    )


def mean_scores(scores: Iterable[Scores]) -> Scores | None:
    """Each metric's plain mean over the ones where it is defined; None of nothing."""
    columns = [one.as_dict() for one in scores]
    if not columns:
        return None
    means: dict[str, Any] = {}
    for key in METRICS:
        values = [value for column in columns if (value := column[key]) is not None]
        means[key] = math.fsum(values) / len(values) if values else None
    return Scores(**means)


def intersection_over_union(alpha: Floats, truth: Floats) -> float:
    """IoU of {alpha > 0.5}, float32 H×W in [0, 1]; 1 where neither has such a pixel."""
    person, true_person = alpha > 0.5, truth > 0.5
    union = np.count_nonzero(person | true_person)
    return np.count_nonzero(person & true_person) / union if union else 1.0


def unknown_band(truth: Floats) -> npt.NDArray[np.bool_]:
    """The truth's unknown band, bool H×W: BAND_SHARE of the mean side, at least a pixel, to either side of its edge."""
    radius = max(1, round(BAND_SHARE * sum(truth.shape) / 2))
    return cast(npt.NDArray[np.bool_], make_trimap(truth, radius, radius) == 0.5)


def boundary_error(difference: Floats, truth: Floats) -> float | None:
    """Mean of |α − α*| in the truth's unknown band; None where there is no band."""
    inside = difference[unknown_band(truth)]
    return float(inside.mean(dtype=np.float64)) if inside.size else None


def gradient_error(alpha: Floats, truth: Floats) -> float:
    """Σ(‖∇α‖ − ‖∇α*‖)² with derivatives of a Gaussian, each kernel of L2 norm 1, the picture's edge replicated.

    The usual code first stretches both mattes to [0, 1]. Here they are taken as they are: the same for a matte that
    reaches 0 and 1, and a pale matte is not made to look good.
    """
    return float(np.square(_gradient(alpha) - _gradient(truth)).sum(dtype=np.float64))


def connectivity_error(alpha: Floats, truth: Floats) -> float:
    """Σ|φ(α) − φ(α*)|, φ(a) = 1 − d·[d ≥ θ], d = a − l.

    l is the highest threshold, in steps of 0.1, at which the pixel still belongs to the largest region (4 neighbours)
    where alpha and truth both reach the threshold: what hangs together with the person in both.
    """
    level = np.ones(alpha.shape, np.float32)
    left = np.ones(alpha.shape, bool)  # pixels that have not fallen out of the region yet
    both = np.minimum(alpha, truth)
    for step in range(1, CONN_STEPS + 1):
        fallen = left & ~_largest_region(both >= np.float32(step / CONN_STEPS))
        level[fallen] = (step - 1) / CONN_STEPS
        left &= ~fallen
    return float(np.abs(_connectedness(alpha, level) - _connectedness(truth, level)).sum(dtype=np.float64))


def temporal_error(alpha: Floats, truth: Floats, alpha_before: Floats, truth_before: Floats) -> float:
    """dtSSD of one step between two frames: the root mean square of how differently matte and truth changed."""
    _check_shapes(alpha, truth, alpha_before, truth_before)
    change = (alpha - alpha_before) - (truth - truth_before)
    return math.sqrt(float(np.square(change).mean(dtype=np.float64)))


def _check_shapes(*mattes: Floats) -> None:
    if len({matte.shape for matte in mattes}) > 1:
        raise ValueError(f"mattes of different shapes: {[matte.shape for matte in mattes]}")


def _gradient_kernels() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The Gaussian and its derivative, each of L2 norm 1: their outer product has it, too."""
    half = math.ceil(GRAD_SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * GRAD_SIGMA * GRAD_CUT)))
    x = np.arange(-half, half + 1)
    gaussian = np.exp(-(x**2) / (2 * GRAD_SIGMA**2))
    derivative = -x * gaussian
    return gaussian / np.linalg.norm(gaussian), derivative / np.linalg.norm(derivative)


def _gradient(alpha: Floats) -> Floats:
    gaussian, derivative = _gradient_kernels()
    dx = cv2.sepFilter2D(alpha, cv2.CV_32F, derivative, gaussian, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.sepFilter2D(alpha, cv2.CV_32F, gaussian, derivative, borderType=cv2.BORDER_REPLICATE)
    return cast(Floats, cv2.magnitude(dx, dy))


def _largest_region(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(inside.view(np.uint8), connectivity=4)
    if len(statistics) == 1:
        return inside  # nothing but the rest
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    return cast(npt.NDArray[np.bool_], labels == largest)


def _connectedness(alpha: Floats, level: Floats) -> Floats:
    distance = alpha - level
    return cast(Floats, 1 - distance * (distance >= CONN_THRESHOLD))
