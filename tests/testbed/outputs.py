"""Mattecam's own virtual camera, read back by other programs: bytes, colours, order, tearing, size and rate."""

import functools
import subprocess
import time
from typing import Any

import numpy as np

from tests.testbed import checks, picture
from tests.testbed.browser import ask_browser
from tests.testbed.rig import EXCLUSIVE, PLAIN, Program, Rig, check, run
from tests.testbed.scenario import Scenario

SIZE = (640, 384)
SMALL = (320, 192)
FPS = 10


def _send(rig: Rig, device: str, size: tuple[int, int] = SIZE, fps: float = FPS) -> Program:
    sender = rig.python("tests.testbed.sender", device, "--width", size[0], "--height", size[1], "--fps", fps)
    sender.line()
    time.sleep(0.5)
    return sender


def read_back(rig: Rig, device: str, size: tuple[int, int] = SIZE, fps: float = FPS) -> dict[str, Any]:
    """The bars through one device, to v4l2-ctl's raw bytes, to OpenCV and to ffmpeg."""
    _send(rig, device, size, fps)
    told = run("v4l2-ctl", "-d", device, "--get-fmt-video")
    facts: dict[str, Any] = {"format": " ".join(told.split())}
    check("'YU12'" in told and f"{size[0]}/{size[1]}" in told, f"the device tells another format: {facts['format']}")
    facts |= checks.check_i420(_raw(rig, device), size)
    reader = rig.reader(device, "--count", 45, "--look-later")
    check(reader.wait() == 0, "the reader failed")
    seen = reader.rest()
    check(len(seen) == 45, f"{len(seen)} of 45 pictures came")
    checks.check_size(seen, size)
    facts["opencv"] = checks.check_order([each["counts"] for each in seen], 20)
    facts["opencv"]["colour_difference"] = max(checks.check_colours(each["bars"], each["ramp"], size) for each in seen)
    facts["opencv"] |= checks.intervals(seen)
    # A reader can be slower than the sender in here; it can never be faster.
    check(facts["opencv"]["fps"] < fps * 1.25, f"{facts['opencv']['fps']} fps came of {fps}")
    facts["ffmpeg"] = _ffmpeg(rig, device, size)
    return facts


def _raw(rig: Rig, device: str) -> bytes:
    path = rig.folder / "raw.i420"
    run("v4l2-ctl", "-d", device, "--stream-mmap=3", "--stream-count=12", f"--stream-to={path}")
    return path.read_bytes()


def _ffmpeg(rig: Rig, device: str, size: tuple[int, int]) -> dict[str, Any]:
    path = rig.folder / "ffmpeg.bgr"
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-f",
        "v4l2",
        "-i",
        device,
        "-frames:v",
        "12",
        "-fps_mode",
        "passthrough",
    ]
    # 'accurate_rnd' and full chroma: swscale's shortcuts are not what is tested.
    command += ["-sws_flags", "accurate_rnd+full_chroma_int+bilinear", "-pix_fmt", "bgr24", "-f", "rawvideo", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    check(done.returncode == 0, f"ffmpeg failed: {done.stderr.strip()[-300:]}")
    images = np.fromfile(path, np.uint8).reshape(-1, size[1], size[0], 3)
    facts = checks.check_order([picture.counts_of(image) for image in images], 4)
    worst = 0
    for image in images:
        bars, ramp = (picture.pick(image, points(size)) for points in (picture.bar_points, picture.ramp_points))
        worst = max(worst, checks.check_colours(bars, ramp, size))
    return {**facts, "colour_difference": worst}


def browser(rig: Rig) -> dict[str, Any]:
    """Headless Chromium lists the device with exclusive_caps=1 and reads it through getUserMedia."""
    _send(rig, EXCLUSIVE, SMALL)
    told = ask_browser(rig, "Mattecam", SMALL)
    check(told["size"] == list(SMALL), f"Chromium got {told['size']} of {SMALL}")
    frames = [checks_of(values) for values in told["frames"]]
    facts: dict[str, Any] = {"cameras": told["cameras"], "frames": len(frames)}
    facts |= checks.check_order([each["counts"] for each in frames], 4)
    facts["colour_difference"] = max(checks.check_colours(each["bars"], each["ramp"], SMALL) for each in frames)
    return facts


def checks_of(values: list[list[int]]) -> dict[str, Any]:
    """What browser.py sampled, in RGB: the counter's places, then the bars', then the ramp's."""
    bgr = [value[2::-1] for value in values]
    counter, bars = 2 * picture.BITS, len(picture.BARS_BGR)
    return {
        "counts": picture.counts(bgr[:counter]),
        "bars": bgr[counter : counter + bars],
        "ramp": bgr[counter + bars :],
    }


def not_again(rig: Rig) -> dict[str, Any]:
    """A closed device: plain ones open again; where an exclusive one does not, the sentence says so."""
    from app.virtual_camera import VirtualCameraOutput
    from matting_core.errors import OutputError

    facts: dict[str, Any] = {}
    for device in (PLAIN, EXCLUSIVE):
        first = VirtualCameraOutput(SMALL, FPS, device)
        for count in range(5):
            first.send(picture.bars_picture(SMALL, count), None, 0.0)
        first.close()
        try:
            VirtualCameraOutput(SMALL, FPS, device).close()
            facts[device] = "opens again"
        except OutputError as error:
            facts[device] = str(error)
            check(device == EXCLUSIVE, f"{device} did not open again: {error}")
            check("does not open again" in error.problem and "modprobe -r" in error.mend, f"unclear: {error}")
    return facts


def sizes(rig: Rig) -> dict[str, Any]:
    """360p to 1080p, as fast as this processor may: size, order and colours hold."""
    facts = {}
    for size, fps in (((640, 360), 60), ((1280, 720), 30), ((1920, 1080), 5)):
        sender = _send(rig, PLAIN, size, fps)
        reader = rig.reader(PLAIN, "--count", 20, "--look-later")
        check(reader.wait(120.0) == 0, "the reader failed")
        seen = reader.rest()
        checks.check_size(seen, size)
        name = f"{size[0]}x{size[1]}@{fps}"
        facts[name] = checks.check_order([each["counts"] for each in seen], 5) | checks.intervals(seen)
        facts[name]["colour_difference"] = max(checks.check_colours(each["bars"], each["ramp"], size) for each in seen)
        sender.kill()
    return facts


SCENARIOS = (
    Scenario("virtual camera, exclusive_caps=1", functools.partial(read_back, device=EXCLUSIVE), short=True),
    Scenario("virtual camera, exclusive_caps=0", functools.partial(read_back, device=PLAIN)),
    Scenario("virtual camera in Chromium", browser, short=True),
    Scenario("virtual camera closed and opened again", not_again, short=True),
    Scenario("virtual camera, sizes and rates", sizes),
)
