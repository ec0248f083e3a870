"""Sends the bars through Mattecam's own virtual camera: python -m tests.testbed.sender DEVICE --width 640 …"""

import argparse
import time

from app.output import open_output
from tests.testbed.picture import bars_picture


def main() -> None:
    """Open the output as the app does and send until the count is reached, or for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=65535)
    options = parser.parse_args()
    size = (options.width, options.height)
    output = open_output(f"virtual:{options.device}", size, round(options.fps))
    print("open", flush=True)
    due = time.monotonic()
    try:
        for count in range(1, options.count + 1):
            image = bars_picture(size, count)
            time.sleep(max(0.0, due - time.monotonic()))
            output.send(image, None, time.monotonic())
            due = max(due + 1 / options.fps, time.monotonic())
    finally:
        output.close()


if __name__ == "__main__":
    main()
