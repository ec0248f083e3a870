"""Foreground colour: what the person looks like where hair and rim let the old room shine through.

A camera pixel is I = αF + (1 − α)B. Laying I over a new background keeps (1 − α)B of the old room: the bright rim.
Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) takes locally averaged F̂ and B̂ and
corrects them towards the pixel: F = F̂ + α(I − αF̂ − (1 − α)B̂). Here the averages, near and far, are made at an eighth
and a sixteenth of the size, and the correction runs only on the pixels that are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from matting_core.buffers import Buffers
from matting_core.frames import Alpha, Array, Image, half_size
from matting_core.preprocess import halve
from matting_core.runs import Floats, Runs, all_runs

PERSON = (153, 255)  # alpha of the pixels whose colours stand for the person: mixed ones carry the room's colour
ROOM = (0, 102)  # and for the room
EMPTY_ROOM = (0, 12)  # what a blurred room is made of: a rim would show in it
FAR = (9, 9)  # box at a sixteenth: 144 pixels, for places with nothing of the kind in the 8 pixels of the near average
FAR_WEIGHT = 0.03
GLOBAL_WEIGHT = 1e-4
_BLUR_STEP = 1.5  # a Gaussian of this many reduced pixels hides the reduction


@dataclass(frozen=True, slots=True)
class ColourPlates:
    """Locally averaged foreground and background colours at an eighth of the size.

    Each float32 of the picture's size halved three times, ×4: B, G and R times a weight, and the weight times 255, of
    the same scale everywhere. The weight is nowhere 0.
    """

    foreground: Array
    background: Array


def estimate_plates(
    image: Image, alpha: Alpha, buffers: Buffers | None = None, half: Image | None = None
) -> ColourPlates:
    """F̂ and B̂ of blur fusion (Forte 2021, eq. 4) at an eighth of the size, defined everywhere.

    image: uint8 H×W×3 BGR. alpha: uint8 H×W. Where nothing of the person is near, F̂ fades into the person's colour
    further off and then into the mean of the whole person; B̂ likewise. The plates live in `buffers`, if given, and
    last until these are used again. half: `halve` of the image, where that was made already.
    """
    buffers = buffers or Buffers()
    quarter_alpha = _halve(_halve(alpha, "half alpha", buffers), "quarter alpha", buffers)
    quarter = _halve(_halve(image, "half", buffers) if half is None else half, "quarter", buffers)
    bgra = _with_weight(quarter, buffers)
    return ColourPlates(
        _plate(bgra, quarter_alpha, PERSON, "person", buffers), _plate(bgra, quarter_alpha, ROOM, "room", buffers)
    )


def foreground_at(plates: ColourPlates, image: Image, weight: Floats, at: Runs) -> Floats:
    """The foreground colours, float32 3×N (rows B, G, R) in [0, 255], of the N pixels of `at`.

    weight: their alpha in [0, 1], float32 N. Blur fusion's correction (Forte 2021, eq. 6), at full size. Alpha 1 gives
    the camera pixel and alpha 0 gives F̂ alone: no colour of the room gets through where the matte sees no person. The
    result lies in the scratch of `at`.
    """
    places = at.places(plates.foreground.shape)
    foreground = _colours(at.sample(plates.foreground, places, "foreground"))
    background = _colours(at.sample(plates.background, places, "background"))
    residual = at.colours(image, "seen")
    residual -= background
    np.subtract(foreground, background, out=background)
    background *= weight
    residual -= background  # I − B̂ − α(F̂ − B̂)
    residual *= weight
    foreground += residual
    return np.clip(foreground, 0, 255, out=foreground)


def estimate_foreground(image: Image, alpha: Alpha) -> Image:
    """The foreground colours of a whole picture: uint8 H×W×3 BGR, new; the camera pixel where alpha is 255."""
    plates = estimate_plates(image, alpha)
    estimate = np.empty_like(image)
    for at in all_runs(alpha.shape[0], alpha.shape[1], Buffers()).chunks():
        at.put(estimate, foreground_at(plates, image, at.unit(alpha, "matte"), at))
    return estimate


def blurred_room(
    image: Image,
    alpha: Alpha,
    sigma: float,
    out: Image | None = None,
    buffers: Buffers | None = None,
    half: Image | None = None,
) -> Image:
    """The room behind the person under a Gaussian of `sigma` pixels, with the person left out of every average.

    image: uint8 H×W×3 BGR. alpha: uint8 H×W. out: uint8 H×W×3, or None for a new array; it is returned. buffers:
    scratch to use again for the next frame. half: `halve` of the image, where that was made already.

    Normalised convolution (Knutsson and Westin 1993) at reduced size; behind the person the nearest room fades in, then
    the whole room's mean. Without any room, what the matte calls least the person stands in. ValueError: sigma is not
    above 0.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}, not above 0")
    buffers = buffers or Buffers()
    bgra = _with_weight(_halve(image, "half", buffers) if half is None else half, buffers)
    room = _select(bgra, _halve(alpha, "half alpha", buffers), EMPTY_ROOM, buffers)
    everyone = cv2.mean(room)  # before the reduction rounds a small window to nothing
    halvings, sigma = reduced_blur(sigma, room.shape)
    for _ in range(halvings):
        room = _halve(room, f"room {room.shape[0]}", buffers)
    weighted, near = (buffers.get(name, room.shape, np.float32) for name in ("weighted", "near"))
    np.copyto(weighted, room)
    cv2.GaussianBlur(weighted, (0, 0), sigma, dst=near)
    height, width = room.shape[:2]
    sparse = cv2.resize(weighted, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    near += cv2.resize(_far(sparse, everyone, buffers), (width, height))
    small = np.rint(near[..., :3] / near[..., 3:] * np.float32(255)).astype(np.uint8)
    if out is None:
        out = np.empty_like(image)
    cv2.resize(small, alpha.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return out


def reduced_blur(sigma: float, half: tuple[int, ...]) -> tuple[int, float]:
    """How often a room at `half_size` (height, width) is halved to be blurred by `sigma` pixels of the full size, and
    the Gaussian's σ there.
    """
    halvings, sigma, size = 0, sigma / 2, half
    while sigma >= 2 * _BLUR_STEP and min(size[:2]) > 1:
        halvings, sigma, size = halvings + 1, sigma / 2, half_size(size)
    # Averaging down and interpolating up blur by half a reduced pixel themselves.
    return halvings, max(sigma * sigma - 0.25, 0.1) ** 0.5


def _halve(image: Array, name: str, buffers: Buffers) -> Array:
    return halve(image, buffers.get(name, (*half_size(image.shape), *image.shape[2:])))


def _with_weight(image: Array, buffers: Buffers) -> Array:
    """The picture with a fourth channel of 255."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2BGRA, dst=buffers.get("bgra", (*image.shape[:2], 4)))


def _select(bgra: Array, alpha: Array, kind: tuple[int, int], buffers: Buffers) -> Array:
    """The pixels whose alpha lies in `kind`, with 255 in the fourth channel, and zeros elsewhere.

    Where no pixel does, those that come nearest stand in, so that there is some colour everywhere.
    """
    lowest, highest, *_ = cv2.minMaxLoc(alpha)
    lower, upper = min(kind[0], highest), max(kind[1], lowest)
    chosen = cv2.inRange(alpha, lower, upper, dst=buffers.get("chosen", alpha.shape))
    selected = buffers.get("selected", bgra.shape)
    selected.fill(0)
    return cv2.copyTo(bgra, chosen, selected)


def _plate(bgra: Array, alpha: Array, kind: tuple[int, int], name: str, buffers: Buffers) -> Array:
    """Averaged colours of the pixels of a kind: near ones first, then far, then all."""
    selected = _select(bgra, alpha, kind, buffers)
    near = _halve(selected, "eighth", buffers)
    height, width = near.shape[:2]
    far = _far(_halve(near, "sixteenth", buffers), cv2.mean(selected), buffers)
    plate = cv2.resize(far, (width, height), dst=buffers.get(name, near.shape, np.float32))
    return cv2.add(plate, near, dst=plate, dtype=cv2.CV_32F)


def _far(small: Array, everyone: Sequence[float], buffers: Buffers) -> Array:
    """What to add to near averages where those have little weight: far colours, and the mean of all, at small weight.

    small: uint8 or float32 h×w×4, colours times weight, and weight, 255 at most. everyone: the mean of the whole
    picture in that form. The answer is float32 of that shape, in scratch of `buffers`.
    """
    far, shares = (buffers.get(name, small.shape, np.float32) for name in ("far", "far shares"))
    cv2.boxFilter(small, cv2.CV_32F, FAR, dst=far)
    cv2.add(far, np.multiply(everyone, GLOBAL_WEIGHT), dst=far)  # a scalar to OpenCV
    share = buffers.get("far share", small.shape[:2], np.float32)
    np.divide(np.float32(255 * FAR_WEIGHT), far[:, :, 3], out=share)
    return cv2.multiply(far, cv2.merge((share,) * 4, dst=shares), dst=far)


def _colours(sampled: Floats) -> Floats:
    """Colours times weight and weight times 255, float32 4×N, to colours, 3×N; in place."""
    colours = sampled[:3]
    colours *= np.divide(255, sampled[3], out=sampled[3])
    return colours
