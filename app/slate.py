"""The slate: what an output shows whenever there is no valid matte. Drawn from nothing, so it cannot show a room."""

import cv2
import numpy as np

from app.status import Status
from matting_core.frames import Image

TOP_BGR, BOTTOM_BGR = (58, 46, 38), (34, 27, 22)
INK_BGR = (214, 203, 196)

STARTING = "Starting"
PAUSED = "Paused"
RESTING = "Resting"
NO_CAMERA = "No picture from the camera"
NO_MATTE = "One moment, please"
OFF = "Virtual camera is off"


def reason(status: Status, paused: bool) -> str:
    """The words for the slate, by what keeps the picture away."""
    if paused:
        return PAUSED
    if status.capture in ("waiting", "failed"):
        return NO_CAMERA
    if status.capture == "resting":
        return RESTING
    if "starting" in (status.capture, status.matting):
        return STARTING
    return NO_MATTE


def draw_slate(width: int, height: int, text: str) -> Image:
    """A calm dark canvas, uint8 height×width×3 BGR, with the outline of a person and a line of ASCII text."""
    ramp = np.linspace(0.0, 1.0, height)[:, None, None]
    rows = (1 - ramp) * np.array(TOP_BGR) + ramp * np.array(BOTTOM_BGR)
    canvas = np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))
    unit = min(width, height) / 720
    thick = max(1, round(6 * unit))
    middle = (width // 2, round(height * 0.40))
    cv2.circle(canvas, middle, round(64 * unit), INK_BGR, thick, cv2.LINE_AA)
    shoulders = (middle[0], middle[1] + round(200 * unit))
    cv2.ellipse(canvas, shoulders, (round(120 * unit), round(110 * unit)), 0, 180, 360, INK_BGR, thick, cv2.LINE_AA)
    font, scale = cv2.FONT_HERSHEY_DUPLEX, 1.1 * unit
    (text_width, _), _ = cv2.getTextSize(text, font, scale, max(1, round(2 * unit)))
    origin = ((width - text_width) // 2, round(height * 0.80))
    cv2.putText(canvas, text, origin, font, scale, INK_BGR, max(1, round(2 * unit)), cv2.LINE_AA)
    canvas.flags.writeable = False
    return canvas
