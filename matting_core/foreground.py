"""Foreground colour: what the person looks like where hair and rim let the old room shine through.

A camera pixel is I = αF + (1 − α)B. Laying I over a new background keeps (1 − α)B of the old room: the bright rim.
Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) takes locally averaged F̂ and B̂ and
corrects them towards the pixel: F = F̂ + α(I − αF̂ − (1 − α)B̂). Here the averages, near and far, are made at a quarter
and a sixteenth of the size, and the correction runs only on the pixels that are asked for.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.frames import Alpha, Array, Image

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

# Weight of a pixel with alpha α in the average of foreground colours is α³: mixed pixels carry room colour, and count
# only where no purer ones are near. The background's average uses the same table read backwards.
_PURITY = np.rint((np.arange(256) / 255.0) ** 3 * 255).astype(np.uint8)
_TO_UNIT: Floats = (np.arange(256) / 255.0).astype(np.float32)
_NEAR = (3, 3)  # box at a quarter of the size: 12 pixels, so that the pattern of a dress survives
_FAR = (9, 9)  # box at a sixteenth: 144 pixels, for places with nothing pure near them
_FAR_WEIGHT = 0.01
_GLOBAL_WEIGHT = 1e-4
_GATHER = 256  # OpenCV's remap takes no row of more than 32767 samples
_BLUR_STEP = 3.0  # a Gaussian of this many reduced pixels hides the reduction


@dataclass(frozen=True, slots=True)
class ColourPlates:
    """Locally averaged foreground and background colours, each float32 ⌈⌈H/2⌉/2⌉×⌈⌈W/2⌉/2⌉×3 BGR in [0, 255]."""

    foreground: Floats
    background: Floats


def estimate_plates(image: Image, alpha: Alpha) -> ColourPlates:
    """F̂ and B̂ of blur fusion (Forte 2021, eq. 4) at a quarter of the size, defined everywhere.

    image: uint8 H×W×3 BGR. alpha: uint8 H×W. Where only background is near, F̂ fades into the person's colour
    further off and then into the mean of the whole person; where alpha is 0 everywhere it is black. B̂ likewise.
    """
    half, half_alpha = halve(image), halve(alpha)
    return ColourPlates(_plate(half, cv2.LUT(half_alpha, _PURITY)), _plate(half, cv2.LUT(half_alpha, _PURITY[::-1])))


def foreground_at(plates: ColourPlates, image: Image, alpha: Alpha, at: Index) -> Floats:
    """The foreground colours, float32 N×3 BGR in [0, 255], of the N pixels whose flat indices are `at`.

    Blur fusion's correction (Forte 2021, eq. 6), at full size. alpha 255 gives the camera pixel and alpha 0 gives F̂
    alone: no colour of the room gets through where the matte sees no person. The result is new.
    """
    height, width = alpha.shape
    foreground = _sample(plates.foreground, at, width, height)
    background = _sample(plates.background, at, width, height)
    weight = np.repeat(_TO_UNIT[alpha.reshape(-1)[at]], 3).reshape(-1, 3)
    residual = image.reshape(-1, 3).take(at, axis=0).astype(np.float32)
    residual -= background
    foreground_part = foreground - background
    foreground_part *= weight
    residual -= foreground_part  # I − B̂ − α(F̂ − B̂)
    residual *= weight
    foreground += residual
    return np.clip(foreground, 0, 255, out=foreground)


def estimate_foreground(image: Image, alpha: Alpha) -> Image:
    """The foreground colours of a whole picture: uint8 H×W×3 BGR, new; the camera pixel where alpha is 255."""
    plates = estimate_plates(image, alpha)
    estimate = foreground_at(plates, image, alpha, np.arange(alpha.size))
    return np.rint(estimate).astype(np.uint8).reshape(image.shape)


def blurred_room(image: Image, alpha: Alpha, sigma: float, out: Image | None = None) -> Image:
    """The room behind the person under a Gaussian of `sigma` pixels, with the person left out of every average.

    image: uint8 H×W×3 BGR. alpha: uint8 H×W. out: uint8 H×W×3, or None for a new array; it is returned.
    Normalised convolution (Knutsson and Westin 1993) at reduced size; behind the person, the nearest room fades in,
    then the whole room's mean (mid-grey if alpha is 255 everywhere). ValueError: sigma is not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}, not above 0")
    height, width = alpha.shape
    small: Array = image
    weight: Array = cv2.LUT(alpha, _PURITY[::-1])
    # The first halving comes before the weighting, for speed; the cube keeps half-covered pixels out of it.
    while sigma >= 2 * _BLUR_STEP or small is image:
        if min(small.shape[:2]) < 2:
            break
        small, weight, sigma = halve(small), halve(weight), sigma / 2
    weights = weight.astype(np.float32)
    weights *= 1 / 255
    colours = small.astype(np.float32) * weights[:, :, None]
    near, near_weight = (cv2.GaussianBlur(x, (0, 0), max(sigma, 0.3)) for x in (colours, weights))
    room = _normalised(near, near_weight, _far_colour(colours, weights, empty=128), 0.02)
    if out is None:
        out = np.empty_like(image)
    cv2.resize(np.rint(room).astype(np.uint8), (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    return out


def halve(image: Array) -> Array:
    """Half the size, rounded up, by area: OpenCV's fast path is 2×2, so quarters are two of these."""
    height, width = image.shape[:2]
    return cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


def _plate(half: Array, weight: Array) -> Floats:
    """Weighted average colours at half of `half`'s size: near ones first, then far ones, then everybody's."""
    colours = halve(cv2.multiply(half, cv2.cvtColor(weight, cv2.COLOR_GRAY2BGR), scale=1 / 255)).astype(np.float32)
    weights = halve(weight).astype(np.float32)
    weights *= 1 / 255
    far = _far_colour(colours, weights, empty=0)
    return _normalised(cv2.blur(colours, _NEAR), cv2.blur(weights, _NEAR), far, _FAR_WEIGHT)


def _far_colour(colours: Array, weights: Array, empty: int) -> Floats:
    """Weighted average colours from far around, of the shape of `colours`; `empty` where there is no weight at all."""
    height, width = weights.shape
    size = (max(1, width // 4), max(1, height // 4))
    far = cv2.blur(cv2.resize(colours, size, interpolation=cv2.INTER_AREA), _FAR)
    far_weight = cv2.blur(cv2.resize(weights, size, interpolation=cv2.INTER_AREA), _FAR)
    total = float(weights.sum())
    everyone = [c / total for c in cv2.sumElems(colours)[:3]] if total > 0 else [float(empty)] * 3
    base = np.broadcast_to(np.asarray(everyone, np.float32), far.shape)
    return cast(Floats, cv2.resize(_normalised(far, far_weight, base, _GLOBAL_WEIGHT), (width, height)))


def _normalised(colours: Array, weights: Array, fallback: Array, fallback_weight: float) -> Floats:
    """(Σwc + εf) / (Σw + ε): where the weights vanish, the fallback takes over without a seam."""
    total = cv2.cvtColor(weights + np.float32(fallback_weight), cv2.COLOR_GRAY2BGR)
    blend = cv2.scaleAdd(np.ascontiguousarray(fallback), fallback_weight, colours)
    return cast(Floats, cv2.divide(blend, total, dst=blend))


def _sample(plate: Floats, at: Index, width: int, height: int) -> Floats:
    """Bilinear values of a plate, float32 N×3, at flat indices of the full picture (pixel centres aligned)."""
    padded = np.zeros(-(-at.size // _GATHER) * _GATHER, np.intp)
    padded[: at.size] = at
    rows, columns = np.divmod(padded.reshape(-1, _GATHER), width)
    scale_x, scale_y = plate.shape[1] / width, plate.shape[0] / height
    x = ((columns + 0.5) * scale_x - 0.5).astype(np.float32)
    y = ((rows + 0.5) * scale_y - 0.5).astype(np.float32)
    values = cv2.remap(plate, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast(Floats, values.reshape(-1, 3)[: at.size])
