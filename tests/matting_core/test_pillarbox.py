"""An upright picture goes whole onto a canvas that lies, with nobody and nothing sharp beside it."""

import numpy as np
import pytest

from matting_core.buffers import Recycler
from matting_core.frames import Frame, Image, MattedFrame
from matting_core.pillarbox import on_canvas, placed_size


def upright(height: int = 160, width: int = 90) -> Image:
    """A red person in the left half of a striped room."""
    image = np.zeros((height, width, 3), np.uint8)
    image[::2] = (200, 100, 50)
    image[:, : width // 2] = (0, 0, 255)
    return image


def matted(image: Image) -> MattedFrame:
    alpha = np.zeros(image.shape[:2], np.uint8)
    alpha[:, : image.shape[1] // 2] = 255
    return MattedFrame(Frame(image, 1.5, 7), alpha)


@pytest.mark.parametrize(
    ("picture", "canvas", "placed"),
    [
        ((1280, 720), (1280, 720), (405, 720)),
        ((1281, 1280), (1280, 720), (719, 720)),
        ((480, 640), (1280, 720), (1280, 720)),  # a 4:3 camera is cut
        ((500, 500), (1280, 720), (1280, 720)),
        ((720, 1280), (720, 1280), (720, 1280)),  # a lying picture on an upright canvas, too
        ((1280, 720), (720, 1280), (720, 1280)),
        ((1280, 720), (600, 600), (338, 600)),
        ((4000, 1), (64, 36), (1, 36)),
    ],
)
def test_only_an_upright_picture_on_a_lying_canvas_is_placed_whole(
    picture: tuple[int, int], canvas: tuple[int, int], placed: tuple[int, int]
) -> None:
    assert placed_size(np.zeros((*picture, 3), np.uint8), *canvas) == placed


def test_a_frame_as_wide_as_the_canvas_stays_itself() -> None:
    frame = matted(upright())
    assert on_canvas(frame, 90, 160, Recycler()) is frame


def test_the_picture_stands_in_the_middle_with_its_time_and_nobody_beside_it() -> None:
    frame = matted(upright())
    placed = on_canvas(frame, 285, 160, Recycler())
    assert (placed.frame.captured_at, placed.frame.index) == (1.5, 7)
    assert placed.half is None
    assert placed.columns == (97, 187)
    assert (placed.frame.image[:, 97:187] == frame.frame.image).all()
    assert (placed.alpha[:, 97:187] == frame.alpha).all()
    assert not placed.alpha[:, :97].any()
    assert not placed.alpha[:, 187:].any()
    assert not placed.frame.image.flags.writeable


def test_beside_it_lies_the_rooms_blur_without_the_person() -> None:
    placed = on_canvas(matted(upright()), 284, 160, Recycler()).frame.image
    for beside in (placed[:, :97], placed[:, 187:]):
        assert (np.abs(beside.astype(int) - (100, 50, 25)) <= 12).all(), "neither the red nor a stripe"


@pytest.mark.parametrize("size", [(3, 2), (40, 1), (17, 9)])
def test_tiny_pictures_are_placed_too(size: tuple[int, int]) -> None:
    placed = on_canvas(matted(upright(*size)), 64, size[0], Recycler())
    assert placed.alpha.shape == (size[0], 64)


def test_arrays_that_are_still_held_are_not_written_over() -> None:
    arrays = Recycler()
    first = on_canvas(matted(upright()), 284, 160, arrays)
    before = first.frame.image.copy(), first.alpha.copy()
    on_canvas(matted(np.full_like(upright(), 9)), 284, 160, arrays)
    assert (first.frame.image == before[0]).all()
    assert (first.alpha == before[1]).all()
