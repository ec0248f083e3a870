"""FrameSource: where frames come from. A camera, a video file, a still or the demo; and the list of cameras."""

from typing import Protocol

from matting_core.frames import Frame


class FrameSource(Protocol):
    """Delivers frames at its own pace. Opened, read and closed on one thread."""

    description: str
    """What is really delivered, e.g. 'HD Webcam, 1280×720 MJPG at 30 fps'."""

    def read(self) -> Frame:
        """The next frame; waits for it. Raises SourceLost when the source stopped delivering."""
        ...

    def close(self) -> None:
        """Free the device. Safe to call twice."""
        ...
