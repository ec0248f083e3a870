"""How many frames are matted: the source's rate, an even cap, and the limit on load, on made-up clocks."""

import numpy as np
import pytest

from app.pace import SLOWEST_FPS, Limiter, LoadMeter, Pacer, RateWatch
from matting_core.frames import Frame

IMAGE = np.zeros((2, 2, 3), np.uint8)


def test_the_sources_rate_is_known_though_most_frames_are_not_seen() -> None:
    watch = RateWatch()
    assert watch.interval_s == 0.0
    for index in range(0, 300, 7):
        watch.push(Frame(IMAGE, 5.0 + index / 30, index))
    assert watch.interval_s == pytest.approx(1 / 30)


def test_a_busy_machine_does_not_make_the_camera_look_slow_but_a_minute_does() -> None:
    watch, at_s, index = RateWatch(), 0.0, 0
    for interval_s, seconds, expected in ((1 / 30, 10, 1 / 30), (1 / 15, 40, 1 / 30), (1 / 15, 40, 1 / 15)):
        for _ in range(round(seconds / interval_s)):
            at_s, index = at_s + interval_s, index + 1
            watch.push(Frame(IMAGE, at_s, index))
        assert watch.interval_s == pytest.approx(expected)


def test_a_source_opened_anew_is_measured_anew() -> None:
    watch = RateWatch()
    for start_s, rate in ((0.0, 30), (100.0, 10)):
        for index in range(rate * 5):
            watch.push(Frame(IMAGE, start_s + index / rate, index))
    assert watch.interval_s == pytest.approx(1 / 10)


@pytest.mark.parametrize(
    ("camera", "cap", "expected"), [(30, 30, 30), (30, 25, 25), (30, 20, 20), (60, 7, 7), (15, 30, 15)]
)
def test_the_pacer_keeps_the_rate_with_a_cameras_jitter(camera: int, cap: int, expected: int) -> None:
    pacer, random = Pacer(), np.random.default_rng(3)
    times = np.arange(camera * 20) / camera + random.uniform(-0.1, 0.1, camera * 20) / camera
    taken = [at_s for at_s in times if pacer.admits(float(at_s), 1 / cap)]
    assert len(taken) == pytest.approx(expected * 20, abs=2)
    assert np.diff(taken).max() < 1 / cap + 1.3 / camera, "no gap beside the even ones"


def test_without_an_interval_every_frame_is_admitted_and_a_gap_is_not_made_up_for() -> None:
    pacer = Pacer()
    assert all(pacer.admits(at_s, 0.0) for at_s in (1.0, 1.0, 1.001))
    pacer = Pacer()
    assert pacer.admits(0.0, 0.1)
    assert [pacer.admits(at_s, 0.1) for at_s in (50.0, 50.01, 50.02)] == [True, False, False]


def test_the_load_is_the_processs_time_over_all_cores() -> None:
    spent = iter([10.0, 11.0, 11.5])
    meter = LoadMeter(lambda: next(spent), cores=4)
    assert not meter.measure(0.0)
    assert not meter.measure(0.5)
    meter.busy(0.3)
    meter.busy(0.2)
    assert meter.measure(1.0)
    assert (meter.processor, meter.gpu) == (0.25, 0.5)
    assert meter.measure(3.0)
    assert (meter.processor, meter.gpu) == (0.0625, 0.0)


def test_a_meter_begun_anew_knows_nothing_for_a_second() -> None:
    spent = iter([10.0, 14.0, 20.0, 20.4])
    meter = LoadMeter(lambda: next(spent), cores=4)
    meter.measure(0.0)
    assert meter.measure(1.0)
    assert meter.processor == 1.0
    meter.restart()
    assert meter.processor == meter.gpu == 0.0
    assert not meter.measure(1.5)
    assert not meter.measure(2.4)
    assert meter.measure(2.5)
    assert meter.processor == pytest.approx(0.1), "what was spent before does not count"


def test_the_limiter_finds_the_rate_at_which_the_load_fits() -> None:
    """A made-up machine: a tenth of the limit is used whatever happens, the rest grows with the rate."""
    limiter, fps = Limiter(), 30.0
    for _ in range(60):
        limiter.update(0.1 + fps / 20, 30.0)
        fps = 1 / limiter.interval_s if limiter.interval_s else 30.0
    assert fps == pytest.approx(17.0, abs=0.2)  # 0.1 + 17 / 20 = 0.95
    for _ in range(30):
        limiter.update(0.2, 30.0)
    assert limiter.interval_s == 0.0, "held back no longer than needed"


def test_the_limiter_never_lets_a_frame_grow_stale_and_stays_out_of_the_way() -> None:
    limiter = Limiter()
    for _ in range(50):
        limiter.update(9.0, 30.0)
    assert limiter.interval_s == 1 / SLOWEST_FPS
    limiter.release()
    limiter.update(0.99, 30.0)
    assert limiter.interval_s == 0.0
