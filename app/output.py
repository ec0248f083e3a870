"""Output: where composited pictures go. A virtual camera, a recording, or nowhere; several may run at once."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from matting_core.frames import Alpha, Image

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


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
        """Finish and free the device or file. Safe to call twice. Raises OutputLost where a file's end is lost."""
        ...


class NullOutput:
    """Takes canvases and drops them: for measuring, and for running with no virtual camera."""

    name = "null"

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Drop one canvas; ValueError if it is not of the size given at the start."""
        check_canvas(canvas, self._size)

    def close(self) -> None:
        """Nothing to free."""


class NodeWatch:
    """Tells whether a device node or file that was open by its path is still the one at that path.

    Writers need it: writes to a deleted file or an unplugged device raise no error. Looks at most every
    LOOK_EVERY_S seconds, so it may be asked once a frame.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._identity = file_identity(self._path)
        self._looked_at = time.monotonic()

    def is_gone(self) -> bool:
        """True once the path is found missing or to be another file."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return False
        self._looked_at = now
        return file_identity(self._path) != self._identity


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file or device a path names now; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_canvas(canvas: Image, size: tuple[int, int]) -> None:
    """ValueError unless the canvas is uint8 H×W×3 of `size` (width, height)."""
    if canvas.shape != (size[1], size[0], 3) or canvas.dtype.name != "uint8":
        raise ValueError(f"a canvas of {canvas.shape} {canvas.dtype} was sent to an output of {size[0]}×{size[1]}")


Factory = Callable[[str, tuple[int, int], int], Output]
"""(target, (width, height), fps) → an open Output. target: a device name or empty, a file's path, or unused."""


def _null(target: str, size: tuple[int, int], fps: int) -> Output:
    return NullOutput(size)


def _virtual(target: str, size: tuple[int, int], fps: int) -> Output:
    from app.virtual_camera import VirtualCameraOutput

    return VirtualCameraOutput(size, fps, target)


def _file(target: str, size: tuple[int, int], fps: int) -> Output:
    from app.recorder import RecorderOutput

    return RecorderOutput(Path(target), size, fps)


OUTPUTS: dict[str, Factory] = {"null": _null, "virtual": _virtual, "file": _file}


def parse_output(spec: str) -> tuple[str, str]:
    """The kind of OUTPUTS and the target: 'virtual:DEVICE' names a device, and what names no kind is a file's path."""
    kind, _, target = spec.partition(":")
    return ("file", spec) if kind not in OUTPUTS or kind == "file" else (kind, target)


def open_output(spec: str, size: tuple[int, int], fps: int) -> Output:
    """Open what the commands call an output: 'null', 'virtual', 'virtual:DEVICE', or a file's path.

    size: (width, height) in pixels, kept for the output's whole life. Raises OutputError, UsageError.
    """
    kind, target = parse_output(spec)
    output = OUTPUTS[kind](target, size, fps)
    log.info("opened the output %s, %d×%d at %d fps", output.name, *size, fps)
    return output
