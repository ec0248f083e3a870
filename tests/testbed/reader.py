"""A second program that reads a camera: python -m tests.testbed.reader DEVICE --count N

For every picture one line of JSON: when it came, its size, what its two strips say, the pixels of bars and ramp, how
many pixels look like the room, and whether the person flashes. `{"open": …}` comes first.
"""

import argparse
import json
import os
import time
from typing import Any

import cv2

from matting_core.frames import Image
from tests.testbed import picture


def main() -> None:
    """Read with OpenCV as a video program would; ends when the count is reached or nothing comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--look-later", action="store_true", help="look at the pictures when all have come")
    options = parser.parse_args()
    # OpenCV's own patience is 10 s a picture.
    os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = "3"
    capture = cv2.VideoCapture(options.device, cv2.CAP_V4L2)
    print(json.dumps({"open": capture.isOpened()}), flush=True)
    kept: list[tuple[float, Image]] = []
    for _ in range(options.count):
        good, image = capture.read()
        if not good:
            break
        kept.append((time.monotonic(), image))
        if not options.look_later:
            print(json.dumps(look(*kept.pop())), flush=True)
    for at_s, image in kept:
        print(json.dumps(look(at_s, image)), flush=True)


def look(at_s: float, image: Image) -> dict[str, Any]:
    """Everything the scenarios ask of a picture."""
    size = (image.shape[1], image.shape[0])
    return {
        "at_s": at_s,
        "size": size,
        "counts": picture.counts_of(image),
        "bars": picture.pick(image, picture.bar_points(size)),
        "ramp": picture.pick(image, picture.ramp_points(size)),
        "corner": picture.pick(image, [(size[0] // 8, size[1] * 3 // 4)])[0],
        "person": picture.pick(image, [(size[0] // 3, size[1] * 3 // 4)])[0],
        "room": picture.room_pixels(image),
        "flash": picture.flashes(image),
    }


if __name__ == "__main__":
    main()
