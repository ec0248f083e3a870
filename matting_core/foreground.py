"""Foreground colour: what the person looks like where hair and rim let the old room shine through.

A camera pixel is I = αF + (1 − α)B. Laying I over a new background keeps (1 − α)B of the old room: the bright rim.
Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) takes locally averaged F̂ and B̂ and
corrects them towards the pixel: F = F̂ + α(I − αF̂ − (1 − α)B̂). Here the averages, near and far, are made at a quarter
and a sixteenth of the size, and the correction runs only on the pixels that are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from matting_core.frames import Alpha, Array, Image

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

_TO_UNIT: Floats = (np.arange(256) / 255.0).astype(np.float32)
_PERSON = (153, 255)  # alpha of the pixels whose colours stand for the person: mixed ones carry the room's colour
_ROOM = (0, 102)  # and for the room
_EMPTY_ROOM = (0, 12)  # what a blurred room is made of: a rim would show in it
_NEAR = (3, 3)  # box at a quarter of the size: 12 pixels, so that the pattern of a dress survives
_FAR = (9, 9)  # box at a sixteenth: 144 pixels, for places with nothing of the kind near them
_FAR_WEIGHT = 0.01
_GLOBAL_WEIGHT = 1e-4
_GATHER = 256  # OpenCV's remap takes no row of more than 32767 samples
_BLUR_STEP = 1.5  # a Gaussian of this many reduced pixels hides the reduction


@dataclass(frozen=True, slots=True)
class ColourPlates:
    """Locally averaged foreground and background colours at a quarter of the size.

    Each float32 ⌈⌈H/2⌉/2⌉×⌈⌈W/2⌉/2⌉×4: B, G and R times a weight, and the weight, 255 where all is sure. The weight
    is nowhere 0.
    """

    foreground: Floats
    background: Floats


def estimate_plates(image: Image, alpha: Alpha) -> ColourPlates:
    """F̂ and B̂ of blur fusion (Forte 2021, eq. 4) at a quarter of the size, defined everywhere.

    image: uint8 H×W×3 BGR. alpha: uint8 H×W. Where nothing of the person is near, F̂ fades into the person's colour
    further off and then into the mean of the whole person; B̂ likewise.
    """
    half = cv2.cvtColor(halve(image), cv2.COLOR_BGR2BGRA)
    half_alpha = halve(alpha)
    return ColourPlates(_plate(half, half_alpha, _PERSON), _plate(half, half_alpha, _ROOM))


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
    Normalised convolution (Knutsson and Westin 1993) at reduced size; behind the person the nearest room fades in,
    then the whole room's mean. Without any room, what the matte calls least the person stands in.
    ValueError: sigma is not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}, not above 0")
    height, width = alpha.shape
    room = _select(cv2.cvtColor(halve(image), cv2.COLOR_BGR2BGRA), halve(alpha), _EMPTY_ROOM)
    everyone = cv2.mean(room)  # before the reduction rounds a small window to nothing
    sigma /= 2
    while sigma >= 2 * _BLUR_STEP and min(room.shape[:2]) > 1:
        room, sigma = halve(room), sigma / 2
    weighted: Floats = room.astype(np.float32)
    # Averaging down and interpolating up blur by half a reduced pixel themselves.
    near: Array = cv2.GaussianBlur(weighted, (0, 0), max(sigma * sigma - 0.25, 0.1) ** 0.5)
    near += _far(weighted, everyone)
    small = np.rint(near[:, :, :3] / near[:, :, 3:] * 255).astype(np.uint8)
    if out is None:
        out = np.empty_like(image)
    cv2.resize(small, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    return out


def halve(image: Array) -> Array:
    """Half the size, rounded up, by area: OpenCV's fast path is 2×2, so quarters are two of these."""
    height, width = image.shape[:2]
    return cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


def _plate(half: Array, half_alpha: Array, kind: tuple[int, int]) -> Floats:
    """Average colours of the pixels of a kind, at half of `half`'s size: near ones first, then far, then all."""
    quarter: Floats = halve(_select(half, half_alpha, kind)).astype(np.float32)
    near: Array = cv2.blur(quarter, _NEAR)
    near += _far(quarter, cv2.mean(quarter))
    return cast(Floats, near)


def _select(bgra: Array, alpha: Array, kind: tuple[int, int]) -> Array:
    """The pixels whose alpha lies in `kind`, with 255 in the fourth channel, and zeros elsewhere.

    Where no pixel does, those that come nearest stand in, so that there is some colour everywhere.
    """
    lowest, highest, *_ = cv2.minMaxLoc(alpha)
    return cv2.copyTo(bgra, cv2.inRange(alpha, min(kind[0], highest), max(kind[1], lowest)))


def _far(reduced: Floats, everyone: Sequence[float]) -> Floats:
    """What to add to near averages where those have little weight: far colours, and the mean of all, at small weight.

    reduced: float32 h×w×4, colours times weight, and weight. everyone: the mean of the whole picture in that form.
    """
    height, width = reduced.shape[:2]
    small = cv2.resize(reduced, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    far: Array = cv2.blur(small, _FAR)
    far += np.asarray(everyone, np.float32) * np.float32(_GLOBAL_WEIGHT)
    far *= 255 * _FAR_WEIGHT / far[:, :, 3:]
    return cast(Floats, cv2.resize(far, (width, height), interpolation=cv2.INTER_LINEAR))


def _sample(plate: Floats, at: Index, width: int, height: int) -> Floats:
    """Bilinear colours of a plate, float32 N×3, at flat indices of the full picture (pixel centres aligned)."""
    padded = np.zeros(-(-at.size // _GATHER) * _GATHER, np.intp)
    padded[: at.size] = at
    rows, columns = np.divmod(padded.reshape(-1, _GATHER), width)
    scale_x, scale_y = plate.shape[1] / width, plate.shape[0] / height
    x = ((columns + 0.5) * scale_x - 0.5).astype(np.float32)
    y = ((rows + 0.5) * scale_y - 0.5).astype(np.float32)
    values: Array = cv2.remap(plate, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values = values.reshape(-1, 4)[: at.size]
    return cast(Floats, values[:, :3] / values[:, 3:] * np.float32(255))
