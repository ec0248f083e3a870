"""What Mattecam reads from real drivers: it must tell what was really given, and show the right colours."""

from typing import Any

import numpy as np

from app.camera import open_source
from app.settings import Settings
from tests.testbed import picture
from tests.testbed.player import FORMATS
from tests.testbed.rig import CAMERA, PLAYED, Rig, check
from tests.testbed.scenario import Scenario

VIVID = (("640x360", 15), ("640x480", 30), ("1280x720", 60), ("1920x1080", 60))
"""Asked for. From 640x480 on vivid gives less: 12.5 fps, at 1920x1080 five."""
OVER = 1.3
"""A camera is never faster than it says; an emulated one may be slower."""


def vivid_modes(rig: Rig) -> dict[str, Any]:
    """360p to 1080p at 15, 30 and 60 fps, more than the driver gives: the description tells what was given."""
    facts = {}
    for size, fps in VIVID:
        source = open_source(Settings(camera=CAMERA, camera_size=size, camera_fps=fps))
        try:
            frames = [source.read() for _ in range(6)]
        finally:
            source.close()
        height, width = frames[0].image.shape[:2]
        told = source.description
        check(f"{width}x{height}" == size, f"{width}x{height} came, {size} was asked for")
        check(f"{width}×{height}" in told, f"'{told}' does not tell {width}×{height}")
        told_fps = float(told.split(" at ")[1].split()[0])
        check(told_fps <= fps, f"'{told}' tells more than the {fps} asked for")
        rate = 5 / (frames[-1].captured_at - frames[0].captured_at)
        check(rate < told_fps * OVER, f"{rate:.1f} fps came, '{told}' was told")
        bars = picture.pick(frames[-1].image, picture.bar_points((width, height)))
        difference = int(np.abs(np.array(bars) - np.array(picture.BARS_BGR)).max())
        check(difference <= 4, f"vivid's bars are off by {difference}: {bars}")
        facts[f"{size}@{fps}"] = {"told": told, "fps": round(rate, 1), "colour_difference": difference}
    return facts


def formats(rig: Rig) -> dict[str, Any]:
    """A driver that offers one pixel format only: every usual one is read, with the right colours."""
    facts = {}
    for fourcc in FORMATS:
        player = rig.player("--picture", "bars", "--format", fourcc, "--fps", 10)
        source = open_source(Settings(camera=PLAYED, camera_size="1280x720"))
        try:
            images = [source.read().image for _ in range(3)]
        finally:
            source.close()
            player.kill()
        told = source.description
        handed_over = vars(source)["_compressed"]
        check(handed_over == (fourcc == "MJPG"), f"{fourcc}: JPEGs handed over is {handed_over}")
        check("320×192" in told and f" {fourcc}" in told, f"'{told}' is not what was given: 320×192 {fourcc}")
        check(len(set(picture.counts_of(images[-1]))) == 1, f"{fourcc} came torn")
        if fourcc != "GREY":
            points = [*picture.bar_points((320, 192)), *picture.ramp_points((320, 192))]
            sent = np.array(picture.pick(picture.bars_picture((320, 192), 1), points))
            difference = int(np.abs(np.array(picture.pick(images[-1], points)) - sent).max())
            check(difference <= 4, f"{fourcc} is off by {difference} levels")
            facts[fourcc] = {"told": told, "colour_difference": difference}
    return facts


SCENARIOS = (
    Scenario("camera sizes and rates on vivid", vivid_modes, short=True),
    Scenario("camera formats", formats),
)
