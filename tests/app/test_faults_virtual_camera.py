"""A virtual camera that is missing, busy, pulled away or badly read: told, taken when there, never fed the room."""

import enum
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from app import sinks, virtual_camera
from tests.support.rig import SETTINGS, Rig, shows_person, stages_alive
from tests.support.room import Memory

LIVE = SETTINGS.changed(virtual_camera=True)


class PixelFormat(enum.Enum):
    I420 = "I420"


class Driver:
    """What a made-up v4l2loopback is like now, and every picture that it was ever given, scanned as it came."""

    def __init__(self) -> None:
        self.there = True
        self.busy = False
        self.broken_pipe = False
        self.delay_s = 0.0
        self.stuck: threading.Event | None = None
        self.opened = 0
        self.closed = 0
        self.seen = Memory()


class Node:
    """NodeWatch of a device that goes when the driver goes."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def is_gone(self) -> bool:
        return not self._driver.there


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Driver:
    driver = Driver()
    node = tmp_path / "video10"
    node.touch()

    class Camera:
        """pyvirtualcam.Camera over that driver."""

        def __init__(self, **_options: object) -> None:
            if not driver.there:
                raise RuntimeError("No v4l2 loopback device found.")
            if driver.busy:
                raise RuntimeError("Device /dev/video10 is already in use.")
            driver.opened += 1
            self.device = "/dev/video10"

        def send(self, frame: np.ndarray) -> None:
            time.sleep(driver.delay_s)
            if driver.stuck is not None:
                driver.stuck.wait(30.0)
            if driver.broken_pipe:
                driver.broken_pipe = False
                raise OSError(5, "Input/output error")
            driver.seen.send(cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420), None, 0.0)

        def close(self) -> None:
            driver.closed += 1

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Camera, PixelFormat=PixelFormat))
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: "Linux")
    monkeypatch.setattr(virtual_camera, "loopback_nodes", lambda: [node] if driver.there else [])
    monkeypatch.setattr(virtual_camera, "NodeWatch", lambda _path: Node(driver))
    monkeypatch.setattr(sinks, "RETRY_S", 0.1)
    return driver


def test_missing_at_the_start_is_told_with_the_mend_and_taken_when_the_driver_comes(rig: Rig, driver: Driver) -> None:
    driver.there = False
    rig.build(LIVE)
    rig.until(rig.shows_person)  # the window goes on without it
    told = rig.notice("virtual-camera")
    assert told is not None
    assert told.problem == "There is no virtual camera on this computer."
    assert "modprobe v4l2loopback" in told.mend
    driver.there = True
    rig.until(lambda: shows_person(driver.seen))
    assert rig.notice("virtual-camera") is None
    assert "/dev/video10" in rig.pipeline.status().outputs
    rig.finish()
    assert driver.seen.leaks == 0
    assert not shows_person(driver.seen), "the last picture is a slate"


def test_a_notice_that_was_put_away_comes_back_for_another_fault_only(rig: Rig, driver: Driver) -> None:
    driver.there = False
    rig.build(LIVE)
    rig.until(lambda: rig.notice("virtual-camera") is not None)
    rig.pipeline.dismiss("virtual-camera")
    sent = rig.memory.sent
    rig.until(lambda: rig.memory.sent > sent + 15)  # half a second: some tries have been made
    assert rig.notice("virtual-camera") is None
    driver.there = driver.busy = True
    rig.until(lambda: "is in use" in str(rig.notice("virtual-camera")))


def test_closing_does_not_wait_for_a_write_that_never_comes_back(rig: Rig, driver: Driver) -> None:
    rig.build(LIVE)
    rig.until(lambda: shows_person(driver.seen))
    stuck = driver.stuck = threading.Event()
    try:
        time.sleep(0.3)
        began_s = time.monotonic()
        assert not rig.pipeline.stop(), "it says that the output did not end"
        assert time.monotonic() - began_s < 2.0
    finally:
        stuck.set()
    rig.until(lambda: not stages_alive())  # it came back, too late
    assert rig.memory.leaks + driver.seen.leaks == 0
    assert not shows_person(driver.seen), "the last picture is a slate"


def test_removed_while_live_is_told_and_taken_again_when_it_is_back(rig: Rig, driver: Driver) -> None:
    rig.build(LIVE)
    rig.until(lambda: shows_person(driver.seen))
    driver.there = False
    rig.until(lambda: rig.notice("virtual-camera") is not None)
    rig.until(lambda: "no virtual camera" in str(rig.notice("virtual-camera")))
    assert driver.closed == 1
    rig.until(rig.shows_person)
    assert rig.pipeline.status().outputs == ("memory",)
    before = driver.seen.sent
    driver.there = True
    rig.until(lambda: driver.seen.sent > before + 10 and shows_person(driver.seen))
    assert rig.notice("virtual-camera") is None
    rig.finish()
    assert (driver.opened, driver.closed) == (2, 2)
    assert driver.seen.leaks == 0


def test_busy_with_another_writer_is_told_and_taken_when_it_is_free(rig: Rig, driver: Driver) -> None:
    driver.busy = True
    rig.build(LIVE)
    rig.until(lambda: rig.notice("virtual-camera") is not None)
    told = rig.notice("virtual-camera")
    assert told is not None
    assert "is in use, or does not open again" in told.problem
    assert "Close the other program" in told.mend
    driver.busy = False
    rig.until(lambda: shows_person(driver.seen))
    assert rig.notice("virtual-camera") is None


def test_a_reader_that_crashes_and_breaks_the_device_once_costs_one_reopening(rig: Rig, driver: Driver) -> None:
    rig.build(LIVE)
    rig.until(lambda: shows_person(driver.seen))
    driver.broken_pipe = True
    rig.until(lambda: driver.opened == 2)
    before = driver.seen.sent
    rig.until(lambda: driver.seen.sent > before + 10 and shows_person(driver.seen))
    assert rig.notice("virtual-camera") is None
    assert driver.seen.leaks == 0


def test_a_reader_that_holds_the_device_up_costs_frames_and_no_memory(rig: Rig, driver: Driver) -> None:
    driver.delay_s = 0.15
    pipeline = rig.build(LIVE)
    rig.until(lambda: pipeline.status().stats.shown > 5)
    stats = pipeline.status().stats
    assert stats.dropped_unsent > stats.shown
    driver.delay_s = 0.0
    shown = stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 40)


def test_switched_off_and_on_it_keeps_the_device_and_shows_nobody_meanwhile(rig: Rig, driver: Driver) -> None:
    pipeline = rig.build(LIVE)
    rig.until(lambda: shows_person(driver.seen))
    pipeline.apply(LIVE.changed(virtual_camera=False))
    rig.until(lambda: not shows_person(driver.seen))
    assert rig.shows_person()
    pipeline.apply(LIVE)
    rig.until(lambda: shows_person(driver.seen))
    assert (driver.opened, driver.closed) == (1, 0)


def test_the_camera_the_engine_and_the_settings_change_under_one_open_device(rig: Rig, driver: Driver) -> None:
    """With exclusive_caps=1 a closed device does not open again."""
    pipeline = rig.build(LIVE)
    for change in ({"engine": "cpu"}, {"preset": "balanced"}, {"camera": "0"}, {"background": "color:#ff0000"}):
        pipeline.apply(pipeline.settings.changed(**change))
        before = pipeline.status().stats.shown
        rig.until(lambda before=before: pipeline.status().stats.shown > before + 3)
    rig.until(lambda: shows_person(driver.seen))
    assert (driver.opened, driver.closed) == (1, 0)
    assert driver.seen.leaks == 0
