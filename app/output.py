"""Output: where composited pictures go. A virtual camera, a recording, or nowhere; several may run at once."""

from typing import Protocol

from matting_core.frames import Alpha, Image


class Output(Protocol):
    """Takes canvases. Opened, fed and closed on one thread."""

    name: str
    """Shown to the user, e.g. '/dev/video10' or 'recording.mp4'."""

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Take one canvas, uint8 H×W×3 BGR of the size the output was opened with; not kept after the call.

        alpha: uint8 H×W, given while the background is 'transparent', for outputs that can carry it, else None;
        the canvas then already stands on chroma colour. at_s: monotonic seconds. Raises OutputLost.
        """
        ...

    def close(self) -> None:
        """Finish and free the device or file. Safe to call twice."""
        ...
