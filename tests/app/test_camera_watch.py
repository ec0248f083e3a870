"""FrozenWatch and SlowWatch: what counts as frozen, and how a rate is measured."""

import pytest

from app import camera_watch
from app.camera_watch import FrozenWatch, SlowWatch
from matting_core.frames import Frame
from tests.support.room import room_picture


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_watch, "SLOW_OVER_S", 1.0)


def test_one_changed_pixel_is_no_frozen_picture_and_the_verdict_needs_its_time() -> None:
    watch = FrozenWatch()
    image = room_picture()
    assert [watch.update(Frame(image.copy(), at_s, 0)) for at_s in (0.0, 2.9, 3.1)] == [False, False, True]
    other = image.copy()
    other[3, 3, 1] ^= 1  # not in the sample
    assert not watch.update(Frame(other, 3.2, 0))
    assert not watch.update(Frame(other[:-1], 9.0, 0))


def test_a_rate_is_measured_over_whole_stretches_and_a_pause_is_none() -> None:
    watch = SlowWatch()
    frame = room_picture()
    assert [watch.update(Frame(frame, at_s, 0)) for at_s in (0.0, 0.5, 1.0)] == [0.0, 0.0, 2.0]
    assert watch.update(Frame(frame, 500.0, 0)) == 2.0, "the whole program may have slept"
    rates = [watch.update(Frame(frame, 500.0 + i / 10, 0)) for i in range(1, 12)]
    assert rates[-1] == 0.0
