"""Plays a made-up camera into a v4l2loopback device: python -m tests.testbed.player DEVICE --fps 30 …

For every picture written, one line of JSON goes to standard output: its count, whether it flashed, and when.
"""

import argparse
import fcntl
import json
import os
import signal
import struct
import time

import cv2
import numpy as np

from matting_core.frames import Image
from tests.testbed.picture import PICTURES, room_picture

SET_FORMAT = 0xC0D05605  # VIDIOC_S_FMT of a struct v4l2_format, 208 bytes
OUTPUT, PROGRESSIVE, SRGB = 2, 1, 8  # V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_FIELD_NONE, V4L2_COLORSPACE_SRGB
FORMATS = ("YUYV", "NV12", "YU12", "MJPG", "BGR3", "GREY")


def encode(image: Image, fourcc: str) -> bytes:
    """One picture as the bytes of a V4L2 pixel format; YUV is BT.601 of limited range."""
    if fourcc == "BGR3":
        return image.tobytes()
    if fourcc == "GREY":
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).tobytes()
    if fourcc == "MJPG":
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes()
    if fourcc == "YUYV":
        return cv2.cvtColor(image, cv2.COLOR_BGR2YUV_YUYV).tobytes()
    planar = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    if fourcc == "YU12":
        return planar.tobytes()
    height, width = image.shape[:2]
    chroma = planar[height:].reshape(2, height * width // 4)
    return planar[:height].tobytes() + np.ascontiguousarray(chroma.T).tobytes()


def set_format(node: int, size: tuple[int, int], fourcc: str) -> None:
    """Tell the driver what will be written. Raises OSError, for example EBUSY."""
    width, height = size
    code = int.from_bytes(fourcc.encode(), "little")
    room = width * height * 3
    bytes_per_line = {"YUYV": 2, "BGR3": 3}.get(fourcc, 1) * width
    wanted = struct.pack("=8I", width, height, code, PROGRESSIVE, bytes_per_line, room, SRGB, 0)
    # The union of formats starts at 8, because some of its members hold pointers.
    fcntl.ioctl(node, SET_FORMAT, bytearray(struct.pack("=II", OUTPUT, 0) + wanted.ljust(200, b"\0")))


def main() -> None:
    """Play until the count is reached, or for ever."""
    options = _options()
    size = (options.width, options.height)
    node = os.open(options.device, os.O_RDWR)
    set_format(node, size, options.format)
    faulty = Fault()
    due = time.monotonic()
    for count in range(1, options.count + 1):
        picture = PICTURES["black" if faulty.on and options.fault == "black" else options.picture]
        scale = 2 if faulty.on and options.fault == "half" else 1
        flash = options.flash_every > 0 and count // options.flash_every % 2 == 1
        image = room_picture(size, count, True) if flash else picture((size[0] // scale, size[1] // scale), count)
        data = encode(image, options.format)
        if options.damage_every and count % options.damage_every == 0:
            data = data[: len(data) // 3]
        time.sleep(max(0.0, due - time.monotonic()))
        at_s = time.monotonic()
        os.write(node, data)
        print(json.dumps({"count": count, "flash": flash, "at_s": at_s}), flush=True)
        due = max(due + 1 / options.fps, at_s)


class Fault:
    """Whether the fault is on; SIGUSR1 switches it on, SIGUSR2 off."""

    def __init__(self) -> None:
        self.on = False
        signal.signal(signal.SIGUSR1, lambda *_: self.switch(True))
        signal.signal(signal.SIGUSR2, lambda *_: self.switch(False))

    def switch(self, on: bool) -> None:
        """Let the next picture have the fault, or not."""
        self.on = on


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--format", choices=FORMATS, default="YUYV")
    parser.add_argument("--picture", choices=tuple(PICTURES), default="room")
    parser.add_argument("--count", type=int, default=65535)
    parser.add_argument("--flash-every", type=int, default=0, metavar="N", help="flash N pictures long, every N")
    parser.add_argument("--damage-every", type=int, default=0, metavar="N", help="cut every Nth picture short")
    parser.add_argument("--fault", choices=("black", "half"), help="what pictures are while it is on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
