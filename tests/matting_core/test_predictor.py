"""The predictor around a made-up network: what it forgets, what it warms up, how a still is averaged."""

import numpy as np
import pytest

from matting_core.errors import InferenceFailed
from matting_core.frames import FloatAlpha, Frame
from matting_core.predictor import STILL_SCALES, Predictor, matte_still
from matting_core.preprocess import Blob, halve
from matting_core.presets import Preset

PRESET = Preset("small", 128)


class Scripted:
    """Answers flat mattes of the given values, one after the other, and keeps the sizes asked for."""

    name = "scripted"
    provider = "made up"

    def __init__(self, *values: float) -> None:
        self._values = list(values)
        self.sizes: list[tuple[int, ...]] = []

    def prepare(self, size: tuple[int, int]) -> None:
        pass

    def predict(self, blob: Blob) -> FloatAlpha:
        self.sizes.append(blob.shape[2:])
        value = self._values.pop(0)
        return np.full(blob.shape[2:], value, np.float32)

    def close(self) -> None:
        """Nothing to free."""


def still(height: int, width: int) -> Frame:
    return Frame(np.full((height, width, 3), 90, np.uint8), 0.0, 0)


def test_alpha_has_the_frames_size_and_the_networks_value() -> None:
    engine = Scripted(0.5)
    matted = Predictor(engine, PRESET).predict(still(90, 160))
    assert matted is not None
    assert matted.alpha.shape == (90, 160)
    assert set(np.unique(matted.alpha)) <= {127, 128}
    assert engine.sizes == [(64, 128)]


def test_warming_up_uses_the_size_that_frames_will_need() -> None:
    engine = Scripted(0.0, 0.0)
    predictor = Predictor(engine, PRESET)
    predictor.warm_up(90, 160)
    predictor.predict(still(90, 160))
    assert engine.sizes[0] == engine.sizes[1]


@pytest.mark.parametrize("value", [1.0, 0.9])
def test_what_takes_an_empty_picture_for_a_person_does_not_start(value: float) -> None:
    """It would show the room: an engine whose output is stuck at 1, or a network that mattes the background."""
    predictor = Predictor(Scripted(value), PRESET)
    with pytest.raises(InferenceFailed, match="takes an empty picture for a person"):
        predictor.warm_up(90, 160)
    assert predictor.warm is None


def test_a_failure_forgets_the_frames_before_it() -> None:
    """With OFD the frame before a failure is still owed; it must not come out after the gap."""
    predictor = Predictor(Scripted(0.2, float("nan"), 0.4, 0.4), PRESET, "ofd")
    assert predictor.predict(still(90, 160)) is None
    with pytest.raises(InferenceFailed):
        predictor.predict(still(90, 160))
    assert predictor.predict(still(90, 160)) is None
    assert predictor.predict(still(90, 160)) is not None


@pytest.mark.parametrize("smoothing", ["off", "ofd", "motion"])
def test_the_half_that_the_matting_made_is_that_of_the_frame_that_comes_out(smoothing: str) -> None:
    predictor = Predictor(Scripted(*[0.2] * 5), PRESET, smoothing)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (200, 321, 3), dtype=np.uint8) for _ in range(5)]
    answers = [predictor.predict(Frame(picture, index / 30, index)) for index, picture in enumerate(pictures)]
    matted = [answer for answer in answers if answer is not None]
    assert len(matted) == (4 if smoothing == "ofd" else 5)
    for one in matted:  # all still there: no storage that somebody holds was used again
        assert one.half is not None
        np.testing.assert_array_equal(one.half, halve(one.frame.image))


def test_a_picture_that_is_hardly_made_smaller_has_no_half() -> None:
    matted = Predictor(Scripted(0.5), PRESET).predict(still(90, 160))
    assert matted is not None
    assert matted.half is None


def test_a_still_is_the_mean_of_two_sizes_rounded_down() -> None:
    engine = Scripted(1.0, 0.0)
    alpha = matte_still(engine, PRESET, still(128, 128).image)
    assert (alpha == 127).all()  # a tie goes to the room
    assert engine.sizes == [(round(128 * scale),) * 2 for scale in STILL_SCALES]
