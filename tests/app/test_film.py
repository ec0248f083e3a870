"""A film begins with the first picture and ends with the last; slates in between stay."""

import numpy as np
import pytest

from app.film import Film
from matting_core.errors import OutputLost
from matting_core.frames import Alpha, Image

PICTURE, SLATE = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6, 3), np.uint8)


class Tape:
    """An Output that notes what it gets and when."""

    name = "tape"

    def __init__(self) -> None:
        self.kept: list[tuple[str, float]] = []
        self.closed = 0

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        self.kept.append(("slate" if canvas is SLATE else "picture", at_s))

    def close(self) -> None:
        self.closed += 1


def film(*items: str) -> Tape:
    tape = Tape()
    made = Film(tape)
    assert made.name == "tape"
    for at_s, item in enumerate(items):
        if item == "slate":
            made.send_slate(SLATE, float(at_s))
        else:
            made.send(PICTURE, None, float(at_s))
    made.close()
    assert tape.closed == 1
    return tape


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (("slate", "slate", "picture"), [("picture", 2.0)]),
        (("picture", "picture", "slate"), [("picture", 0.0), ("picture", 1.0)]),
        (("picture", "slate", "picture"), [("picture", 0.0), ("slate", 1.0), ("picture", 2.0)]),
        (("picture", "slate", "slate", "slate"), [("picture", 0.0)]),
        (
            ("picture", *["slate"] * 9, "picture", "slate"),
            [("picture", 0.0), ("slate", 1.0), ("slate", 9.0), ("picture", 10.0)],
        ),
        (("slate", "slate"), [("slate", 1.0)]),
        ((), []),
    ],
)
def test_slates_before_the_first_and_after_the_last_picture_are_left_out(
    sent: tuple[str, ...], kept: list[tuple[str, float]]
) -> None:
    assert film(*sent).kept == kept


def test_a_gap_keeps_each_kind_of_slate_from_its_first_to_its_last() -> None:
    tape, other = Tape(), np.ones((4, 6, 3), np.uint8)
    made = Film(tape)
    made.send(PICTURE, None, 0.0)
    for at_s in range(1, 7):
        made.send_slate(SLATE if at_s < 4 else other, float(at_s))
    made.send(PICTURE, None, 7.0)
    assert [at_s for _, at_s in tape.kept] == [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]


def test_a_long_gap_of_many_slates_is_bounded_and_keeps_its_ends() -> None:
    tape, others = Tape(), [np.full((4, 6, 3), shade, np.uint8) for shade in (1, 2)]
    made = Film(tape)
    made.send(PICTURE, None, 0.0)
    for at_s in range(1, 1001):
        made.send_slate(others[at_s % 2], float(at_s))
    made.send(PICTURE, None, 1001.0)
    kept = [at_s for _, at_s in tape.kept]
    assert len(kept) <= 22
    assert kept == sorted(kept)
    assert (kept[1], kept[-2]) == (1.0, 1000.0)


def test_the_output_is_closed_even_if_it_takes_no_more() -> None:
    tape = Tape()
    made = Film(tape)
    made.send_slate(SLATE, 0.0)

    def lost(*_: object) -> None:
        raise OutputLost("The tape is full.", "Take another.")

    tape.send = lost  # type: ignore[method-assign]
    with pytest.raises(OutputLost):
        made.close()
    assert tape.closed == 1
