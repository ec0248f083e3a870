"""A photo made to look like a webcam's frame: which part of it the camera sees, and how badly it sees it.

What moves pixels is done here with OpenCV, because kornia samples the second picture of a pair by nearest neighbour,
which breaks soft mattes; colour, light, blur, noise and JPEG are kornia's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import kornia.augmentation as kornia
import numpy as np
import torch
from torch import Tensor

from matting_core.frames import Alpha, Array, Image
from matting_core.preprocess import halve

ZOOM_IN = 0.45
"""The view may be this share of the largest one that fits into the picture."""
ZOOM_OUT = 1.3
"""A cut-out person may be seen in a view this much larger than the picture."""
ANY_HEIGHT_SHARE = 0.5
"""So many of the views are about any height of the person, feet included; the others rather about head and torso."""
TURN_DEG = 8.0
TOUCHES = 3  # alpha from which a person reaches the picture's edge: there the view must not look beyond it


@dataclass(frozen=True, slots=True)
class View:
    """What the camera sees of a picture: a rectangle in its pixels, turned about its centre, maybe mirrored."""

    left: float
    top: float
    width: float
    height: float
    turn_deg: float = 0.0
    mirrored: bool = False


def random_view(matte: Alpha, size: tuple[int, int], random: np.random.Generator, leave: bool) -> View:
    """A view of proportions `size` (height, width) with some of the person in it, if there is one.

    matte: uint8 H×W. leave: the view may leave the picture on sides that the person does not touch, for a cut-out
    that is to be laid on another background. Head and torso are looked at more often than the feet.
    """
    height, width = matte.shape
    aspect = size[1] / size[0]
    left_free, right_free, top_free, bottom_free = (
        leave and edge.max() < TOUCHES for edge in (matte[:, 0], matte[:, -1], matte[0], matte[-1])
    )
    inscribed = min(height, width / aspect)
    largest = ZOOM_OUT * max(height, width / aspect) if leave else inscribed
    if not (left_free or right_free):
        largest = min(largest, width / aspect)
    if not (top_free or bottom_free):
        largest = min(largest, height)
    view_h = float(np.exp(random.uniform(np.log(ZOOM_IN * inscribed), np.log(largest))))
    view_w = view_h * aspect
    x, y = _point_of_interest(matte, random)
    return View(
        left=_place(x - random.uniform(0.25, 0.75) * view_w, view_w, width, left_free, right_free),
        top=_place(y - random.uniform(0.25, 0.75) * view_h, view_h, height, top_free, bottom_free),
        width=view_w,
        height=view_h,
        turn_deg=random.uniform(-TURN_DEG, TURN_DEG) * (random.random() < 0.3),
        mirrored=bool(random.random() < 0.5),
    )


def look(picture: Array, view: View, size: tuple[int, int], beyond: int = cv2.BORDER_REFLECT_101) -> Array:
    """What the view shows, uint8, resampled to size (height, width), new; antialiased by whole halvings first.

    picture: uint8 H×W or H×W×C. beyond: OpenCV's border rule for what lies outside the picture.
    """
    full_h, full_w = picture.shape[:2]
    while view.height * picture.shape[0] / full_h >= 2 * size[0] and min(picture.shape[:2]) > 1:
        picture = halve(picture)
    scale_x, scale_y = picture.shape[1] / full_w, picture.shape[0] / full_h
    centre = np.array([(view.left + view.width / 2) * scale_x, (view.top + view.height / 2) * scale_y])
    step = np.array([view.width * scale_x / size[1] * (-1 if view.mirrored else 1), view.height * scale_y / size[0]])
    cos, sin = np.cos(np.radians(view.turn_deg)), np.sin(np.radians(view.turn_deg))
    matrix = np.array([[cos, -sin], [sin, cos]]) * step  # from the view's pixels to the picture's
    shift = centre - 0.5 - matrix @ (np.array([size[1], size[0]]) / 2 - 0.5)
    return cast(
        Array,
        cv2.warpAffine(
            picture,
            np.hstack([matrix, shift[:, None]]),
            (size[1], size[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=beyond,
        ),
    )


def random_background(picture: Image, size: tuple[int, int], random: np.random.Generator) -> Image:
    """Some part of a background picture at size (height, width): uint8 H×W×3 BGR, new."""
    nobody = np.zeros(picture.shape[:2], np.uint8)
    return cast(Image, look(picture, random_view(nobody, size, random, leave=False), size))


class WebcamLook:
    """Low light, white balance, blur of motion and lens, sensor noise and JPEG, each now and then."""

    def __init__(self) -> None:
        # kornia draws from torch's generator, whatever an operation's probability; the order below is a camera's.
        self._light: Sequence[Any] = (
            kornia.RandomGamma((0.7, 1.9), (0.55, 1.1), p=0.5),
            kornia.RandomPlanckianJitter(p=0.4),
            kornia.ColorJiggle(0.15, 0.2, 0.3, 0.02, p=0.5),
        )
        self._blur: Sequence[Any] = (
            kornia.RandomMotionBlur((3, 11), 180.0, (-1.0, 1.0), border_type="replicate", resample="bilinear", p=0.2),
            kornia.RandomGaussianBlur((7, 7), (0.3, 1.4), p=0.3),
        )
        self._sensor: Sequence[Any] = (
            kornia.RandomGaussianNoise(0.0, 0.015, p=0.4),
            kornia.RandomGaussianNoise(0.0, 0.04, p=0.2),
        )
        self._jpeg = kornia.RandomJPEG((25.0, 90.0), p=0.5)

    def __call__(self, image: Tensor, matte: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The picture as a webcam gives it, and its matte, which is blurred alike: what moves is half transparent.

        image: float32 3×H×W, RGB in [0, 1]. matte: float32 1×H×W in [0, 1]. Both new, on the CPU. The seed alone
        decides; torch's own generator is left as it was.
        """
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            seen = image[None]
            for change in self._light:
                seen = change(seen).clamp(0, 1)
            both = torch.cat([seen, matte[None]], dim=1)
            for change in self._blur:
                both = change(both)
            seen, blurred = both[:, :3], both[:, 3:]
            for change in self._sensor:
                seen = change(seen)
            seen = self._jpeg(seen.clamp(0, 1))
            return seen[0].clamp(0, 1), blurred[0].clamp(0, 1)


def _point_of_interest(matte: Alpha, random: np.random.Generator) -> tuple[float, float]:
    """A pixel of the person, in half of the cases one higher up more often; anywhere without a person."""
    rows, columns = np.nonzero(matte > 127)
    if not rows.size:
        return random.uniform(0, matte.shape[1]), random.uniform(0, matte.shape[0])
    if random.random() < ANY_HEIGHT_SHARE:
        row = random.choice(np.unique(rows))
        return float(random.choice(columns[rows == row])), float(row)
    # nonzero lists the pixels from the top down
    chosen = int(rows.size * random.random() ** 3)
    return float(columns[chosen]), float(rows[chosen])


def _place(start: float, length: float, limit: float, free_before: bool, free_after: bool) -> float:
    """`start`, moved so that the view keeps to [0, limit] on the sides that are not free."""
    lowest = -length if free_before else 0.0
    highest = limit if free_after else limit - length
    return float(min(max(start, lowest), highest))
