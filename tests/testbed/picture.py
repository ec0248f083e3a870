"""The pictures that are sent through devices, and how to read them again: a counter twice, bars, a ramp, a room.

A counter of BITS blocks stands in a strip at the top and in one at the bottom: if they differ, the picture is torn.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from matting_core.frames import Array, Image

BITS = 16
BARS_BGR = (
    (255, 255, 255),
    (0, 255, 255),
    (255, 255, 0),
    (0, 255, 0),
    (255, 0, 255),
    (0, 0, 255),
    (255, 0, 0),
    (0, 0, 0),
)
ROOM_BGR, ROOM_LINE_BGR = (200, 0, 120), (180, 10, 150)
"""The room's marker: dark for the tiny network, which takes what is brighter than mid-grey for the person."""
ROOM_NEAR = 25
PERSON_BGR = (150, 235, 150)
FLASH_BGR = (255, 255, 255)
Point = tuple[int, int]


def bars_picture(size: tuple[int, int], count: int) -> Image:
    """Eight full bars over a ramp of grey from 0 to 255, between the strips. size: (width, height)."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    middle = height // 2
    for number, colour in enumerate(BARS_BGR):
        image[:middle, number * width // 8 : (number + 1) * width // 8] = colour
    image[middle:] = np.linspace(0, 255, width).round().astype(np.uint8)[None, :, None]
    _write_count(image, count)
    return image


def room_picture(size: tuple[int, int], count: int, flash: bool = False) -> Image:
    """A bright person in a dark room of the marker's colours; the person's middle is white while it flashes."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ROOM_BGR
    image[:, :: width // 16] = ROOM_LINE_BGR
    image[height // 4 :, width // 4 : width * 3 // 4] = PERSON_BGR
    if flash:
        image[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8] = FLASH_BGR
    _write_count(image, count)
    return image


PICTURES: dict[str, Callable[[tuple[int, int], int], Image]] = {
    "bars": bars_picture,
    "room": room_picture,
    "black": lambda size, count: np.zeros((size[1], size[0], 3), np.uint8),
}


def count_points(size: tuple[int, int]) -> list[Point]:
    """(x, y) in the middle of each of the counter's blocks, the top strip first."""
    width, height = size
    rows = (height // 16, height - height // 16)
    return [((2 * bit + 1) * width // (2 * BITS), y) for y in rows for bit in range(BITS)]


def bar_points(size: tuple[int, int]) -> list[Point]:
    """(x, y) in the middle of each bar."""
    width, height = size
    return [((2 * number + 1) * width // 16, height * 5 // 16) for number in range(len(BARS_BGR))]


def ramp_points(size: tuple[int, int]) -> list[Point]:
    """(x, y) of 16 places of the ramp."""
    width, height = size
    return [((2 * number + 1) * width // 32, height * 11 // 16) for number in range(16)]


def counts(values: Sequence[Sequence[int]]) -> tuple[int, int]:
    """What the two strips say, of the pixels at count_points; (0, 0) where no counter is."""
    bits = [int(max(value) > 127 and min(value) > 110) for value in values]
    return tuple(  # type: ignore[return-value]
        sum(bit << place for place, bit in enumerate(bits[start : start + BITS])) for start in (0, BITS)
    )


def counts_of(image: Image) -> tuple[int, int]:
    """What the two strips of a picture say; (0, 0) where no counter is."""
    return counts(pick(image, count_points((image.shape[1], image.shape[0]))))


def pick(image: Image, points: list[Point]) -> list[list[int]]:
    """The pixels at these places, as whole numbers."""
    return [[int(value) for value in image[y, x]] for x, y in points]


def room_pixels(image: Image) -> int:
    """How many pixels are near the room's colours: what must never be seen behind the app."""
    low = np.minimum(ROOM_BGR, ROOM_LINE_BGR) - ROOM_NEAR
    high = np.maximum(ROOM_BGR, ROOM_LINE_BGR) + ROOM_NEAR
    return int(cv2.countNonZero(cv2.inRange(image, low, high)))


def flashes(image: Image) -> bool:
    """Whether the person's middle is white."""
    height, width = image.shape[:2]
    return int(image[height // 2, width // 2].min()) > 215


def i420(image: Image, kr: float = 0.299, kb: float = 0.114) -> tuple[Array, Array, Array]:
    """A picture as float Y, Cb, Cr of limited range by definition: BT.601's weights unless others are given.

    Unrounded and without subsampling. Y in 16…235, Cb and Cr in 16…240.
    """
    blue, green, red = (image[..., channel].astype(np.float64) / 255 for channel in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    return (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / (2 * (1 - kb)),
        128 + 224 * (red - luma) / (2 * (1 - kr)),
    )


def _write_count(image: Image, count: int) -> None:
    height, width = image.shape[:2]
    for bit in range(BITS):
        value = 255 if count >> bit & 1 else 0
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        image[: height // 8, left:right] = value
        image[height - height // 8 :, left:right] = value
