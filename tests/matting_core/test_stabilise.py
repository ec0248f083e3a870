"""Stabilisers: still places settle, moving ones do not lag, and every alpha stays with its own frame."""

import numpy as np
import pytest

from matting_core.errors import UsageError
from matting_core.stabilise import OneFrameDelay, make_stabiliser

SIZE = (64, 96)


def scene(left: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright square at `left` on a textured room, and its true alpha."""
    guide = np.random.default_rng(3).integers(40, 90, (*SIZE, 3), dtype=np.uint8)
    alpha = np.zeros(SIZE, np.float32)
    alpha[20:44, left : left + 24] = 1.0
    guide[alpha > 0] = 220
    return guide, alpha


def test_flicker_in_a_still_picture_is_at_least_halved() -> None:
    rng = np.random.default_rng(0)
    guide, alpha = scene(30)
    stabiliser = make_stabiliser("motion")
    before, after = [], []
    for index in range(30):
        noisy = np.clip(guide + rng.normal(0, 1.0, guide.shape), 0, 255).astype(np.uint8)
        flickering = np.clip(alpha + rng.normal(0, 0.1, SIZE), 0, 1).astype(np.float32)
        pushed = stabiliser.push(flickering, noisy, index)
        assert pushed is not None
        before.append(flickering)
        after.append(pushed[0].copy())
    calm = np.abs(np.diff(after[10:], axis=0)).mean() / np.abs(np.diff(before[10:], axis=0)).mean()
    assert calm < 0.5


def test_what_moves_is_right_in_the_same_frame() -> None:
    stabiliser = make_stabiliser("motion")
    for left in (*[5] * 10, 12, 19, 26, 60, 5):
        guide, alpha = scene(left)
        pushed = stabiliser.push(alpha, guide, left)
        assert pushed is not None
        assert float(np.abs(pushed[0] - alpha).max()) < 0.05, f"a trail at {left}"


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


def test_an_unknown_name_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no smoothing 'glue'"):
        make_stabiliser("glue")
