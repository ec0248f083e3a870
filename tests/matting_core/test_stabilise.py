"""Stabilisers: still places settle, moving ones do not lag, and every alpha stays with its own frame."""

from collections.abc import Callable

import numpy as np
import pytest

from matting_core.errors import UsageError
from matting_core.matte_check import ROUNDING
from matting_core.stabilise import STABILISERS, make_stabiliser
from matting_core.stabilise_ofd import OneFrameDelay

SIZE = (64, 96)


def scene(left: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright square at `left` on a textured room, and its true alpha."""
    guide = np.random.default_rng(3).integers(40, 90, (*SIZE, 3), dtype=np.uint8)
    alpha = np.zeros(SIZE, np.float32)
    alpha[20:44, left : left + 24] = 1.0
    guide[alpha > 0] = 220
    return guide, alpha


def share_of_flicker(guides: list[np.ndarray], rows: slice) -> float:
    """What the smoothing leaves, in these rows, of the flicker of a noisy matte of `scene(30)`."""
    rng = np.random.default_rng(1)
    _, alpha = scene(30)
    stabiliser = make_stabiliser("motion")
    before, after = [], []
    for index, guide in enumerate(guides):
        flickering = np.clip(alpha + rng.normal(0, 0.1, SIZE), 0, 1).astype(np.float32)
        pushed = stabiliser.push(flickering, guide, index)
        assert pushed is not None
        before.append(flickering[rows])
        after.append(pushed[0][rows].copy())
    settled, raw = (np.abs(np.diff(mattes[10:], axis=0)).mean() for mattes in (after, before))
    return float(settled / raw)


def test_flicker_in_a_still_picture_is_at_least_halved() -> None:
    rng = np.random.default_rng(0)
    guide, _ = scene(30)
    noisy = [np.clip(guide + rng.normal(0, 1.0, guide.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    assert share_of_flicker(noisy, slice(None)) < 0.5


def test_what_a_codec_changes_in_a_part_of_a_picture_without_noise_stands_still() -> None:
    """By two levels in a quarter of its pixels; elsewhere each frame is a copy of the one before."""
    rng = np.random.default_rng(0)
    coded = [scene(30)[0] for _ in range(30)]
    for guide in coded:
        guide[20:44] += np.uint8(2) * (rng.random((24, SIZE[1], 1)) < 0.25)
    assert share_of_flicker(coded, slice(20, 44)) < 0.2, "without LEAST it is 0.58"


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0, 1 + ROUNDING, -ROUNDING])
def test_a_still_picture_ends_at_the_networks_alpha(level: float) -> None:
    """Within a tenth of one of 255 levels, from either side, and with what may be a matte in spite of rounding."""
    guide, _ = scene(30)
    for start in (0.0, 1.0):
        stabiliser = make_stabiliser("motion")
        for index in range(200):
            pushed = stabiliser.push(np.full(SIZE, start if index < 20 else level, np.float32), guide, index)
        assert pushed is not None
        assert np.abs(pushed[0] - level).max() * 255 < 0.1


def test_what_moves_is_right_in_the_same_frame() -> None:
    stabiliser = make_stabiliser("motion")
    for left in (*[5] * 10, 12, 19, 26, 60, 5):
        guide, alpha = scene(left)
        pushed = stabiliser.push(alpha, guide, left)
        assert pushed is not None
        assert float(np.abs(pushed[0] - alpha).max()) < 0.05, f"a trail at {left}"


def test_a_piece_of_the_room_goes_away_sooner_than_it_comes() -> None:
    stabiliser = make_stabiliser("motion")
    guide, alpha = scene(30)
    seen = []
    for index in range(160):
        alpha[2:8, 2:8] = 1.0 if 30 <= index < 110 else 0.0
        pushed = stabiliser.push(alpha.copy(), guide, index)
        assert pushed is not None
        seen.append(float(pushed[0][2:8, 2:8].mean()))
    comes = next(index for index, value in enumerate(seen) if value > 0.5) - 30
    goes = next(index for index, value in enumerate(seen[110:]) if value < 0.5)
    assert 1 <= goes <= comes * 0.6


def push_all(seen: Callable[[int], np.ndarray], guide: np.ndarray, frames: int) -> list[np.ndarray]:
    stabiliser = make_stabiliser("motion")
    answers = (stabiliser.push(seen(index), guide, index) for index in range(frames))
    return [answer[0].copy() for answer in answers if answer is not None]


def test_a_rise_that_one_frame_tells_of_is_not_believed_and_a_fall_little() -> None:
    guide, alpha = scene(30)
    hole, piece = (slice(30, 34), slice(40, 44)), (slice(2, 6), slice(2, 6))
    other = alpha.copy()
    other[hole], other[piece] = 0.0, 1.0
    answers = push_all(lambda index: other if index in {20, 30, 31} else alpha, guide, 40)
    for index in (20, 21, 30):
        assert float(answers[index][piece].max()) == 0, f"one frame's word at {index}"
        assert float(answers[index][hole].min()) > 0.9
    assert float(answers[31][piece].min()) > 0.05, "two frames say so"
    assert float(answers[31][hole].max()) < 0.85


def test_what_the_network_sees_of_the_room_in_every_other_frame_fades_away() -> None:
    guide, alpha = scene(30)
    other = alpha.copy()
    other[2:8, 2:8] = 1.0
    answers = push_all(lambda index: other if index < 20 or index % 2 else alpha, guide, 140)
    seen = [float(answer[2:8, 2:8].max()) for answer in answers]
    assert seen[19] == 1
    assert seen[50] < 0.5
    assert seen[-1] < 0.1
    assert max(np.diff(seen[20:])) < 0.01, "and does not flicker"


def test_what_changes_too_slowly_to_see_adds_up_until_it_shows() -> None:
    stabiliser = make_stabiliser("motion")
    guide, _ = scene(30)
    worst = 0.0
    for index in range(80):
        share = max(index - 20, 0) / 60
        alpha = np.zeros(SIZE, np.float32)
        alpha[20:44, 30:54] = share
        picture = guide.copy()
        picture[20:44, 30:54] = round(60 + 60 * share)
        pushed = stabiliser.push(alpha, picture, index)
        assert pushed is not None
        worst = max(worst, float(np.abs(pushed[0] - alpha)[20:44, 30:54].mean()))
    assert 0.01 < worst < 0.1, "without the drift rule it lags by 0.21"


def test_a_cut_and_a_new_size_start_afresh() -> None:
    stabiliser = make_stabiliser("motion")
    guide, alpha = scene(5)
    stabiliser.push(alpha, guide, 0)
    pushed = stabiliser.push(1 - alpha, 255 - guide, 1)
    assert pushed is not None
    np.testing.assert_array_equal(pushed[0], 1 - alpha)
    pushed = stabiliser.push(alpha[:32, :32], guide[:32, :32], 2)
    assert pushed is not None
    assert pushed[0].shape == (32, 32)


def test_a_cut_is_believed_in_the_places_that_look_alike_too() -> None:
    stabiliser = make_stabiliser("motion")
    guide, alpha = scene(5)
    for index in range(10):
        stabiliser.push(alpha, guide, index)
    other = guide.copy()
    other[:, : SIZE[1] * 3 // 4] = 255 - other[:, : SIZE[1] * 3 // 4]
    pushed = stabiliser.push(1 - alpha, other, 10)
    assert pushed is not None
    np.testing.assert_array_equal(pushed[0], 1 - alpha)


@pytest.mark.parametrize("name", STABILISERS)
def test_an_answer_may_be_read_until_the_next_push_but_one(name: str) -> None:
    stabiliser = make_stabiliser(name)
    before = None
    for index in range(8):
        guide, alpha = scene(index)
        answer = stabiliser.push(alpha, guide, index)
        if before is not None:
            np.testing.assert_array_equal(*before)
        before = answer and (answer[0], answer[0].copy())


def test_ofd_mends_only_what_is_further_off_than_xi() -> None:
    ofd, guide = OneFrameDelay(), np.zeros((1, 3, 3), np.uint8)
    for index, value in enumerate([[0.5, 0.5, 0.5], [0.65, 0.58, 0.65]]):
        ofd.push(np.array([value], np.float32), guide, index)
    answer = ofd.push(np.array([[0.5, 0.5, 0.62]], np.float32), guide, 2)
    assert answer is not None
    # Mended; within xi of its neighbours; and after-frame too far from the one before.
    np.testing.assert_allclose(answer[0], [[0.5, 0.58, 0.65]], atol=1e-6)


def test_ofd_mends_one_flickering_frame_and_delays_by_one() -> None:
    ofd = OneFrameDelay()
    guide = np.zeros((1, 3, 3), np.uint8)
    values = [[0.0, 0.5, 0.2], [1.0, 0.5, 0.5], [0.05, 0.5, 0.9]]
    answers = [ofd.push(np.array([value], np.float32), guide, index) for index, value in enumerate(values)]
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[1][1] == 0
    np.testing.assert_allclose(answers[1][0], [[0.0, 0.5, 0.2]])
    assert answers[2] is not None
    assert answers[2][1] == 1
    # The first flickers (0, 1, 0.05); the second is still; the third truly moves (0.2, 0.5, 0.9).
    np.testing.assert_allclose(answers[2][0], [[0.025, 0.5, 0.5]], atol=1e-6)


def test_ofd_leaves_alone_what_moves() -> None:
    """A hand in every other frame, and a colour that changes by as little as noise does."""
    ofd = OneFrameDelay()
    hand, room, noisy = (40, 90, 200), (160, 150, 140), (44, 86, 205)
    for index, (moving, calm, value) in enumerate(((hand, hand, 1.0), (room, noisy, 0.0), (hand, hand, 1.0))):
        guide = np.repeat(np.array([[moving, calm]], np.uint8), 8, axis=1)
        answer = ofd.push(np.full((1, 16), value, np.float32), guide, index)
    assert answer is not None
    np.testing.assert_allclose(answer[0][0, :8], 0)
    np.testing.assert_allclose(answer[0][0, 9:], 1)


def test_a_stabiliser_that_forgot_gives_the_next_frame_as_it_is() -> None:
    guide, alpha = scene(30)
    for name in ("motion", "ofd"):
        stabiliser = make_stabiliser(name)
        for index in range(5):
            stabiliser.push(alpha, guide, index)
        stabiliser.reset()
        first = stabiliser.push(1 - alpha, guide, 5)
        if name == "ofd":
            assert first is None
            first = stabiliser.push(alpha, guide, 6)
            assert first is not None
            assert first[1] == 5
        assert first is not None
        np.testing.assert_array_equal(first[0], 1 - alpha)


def test_an_unknown_name_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no smoothing 'glue'"):
        make_stabiliser("glue")
