"""A made-up room: a marker pattern that must never be sent, and a green person whom a made-up engine finds exactly."""

import threading
import time
from pathlib import Path

import numpy as np

from matting_core.errors import InferenceFailed, SourceLost
from matting_core.frames import Alpha, FloatAlpha, Frame, Image
from matting_core.preprocess import Blob

WIDTH, HEIGHT = 320, 192
PERSON_BGR = (40, 200, 60)
MARKER_BGR = (255, 0, 255)


def room_picture(index: int = 0, height: int = HEIGHT) -> Image:
    """Marker stripes everywhere but on a green person, who steps sideways with the index."""
    image = np.full((height, WIDTH, 3), MARKER_BGR, np.uint8)
    image[:, ::16] = (250, 20, 240)
    left = 96 + index % 32
    image[48:, left : left + 96] = PERSON_BGR
    return image


def looks_like_the_room(canvas: Image) -> int:
    """How many pixels of a canvas are near the marker's colours."""
    near = (canvas[..., 0] > 190) & (canvas[..., 1] < 80) & (canvas[..., 2] > 190)
    return int(near.sum())


class RoomSource:
    """A FrameSource of room pictures at about 100 fps, lost after `frames`, if given. `height` may change meanwhile."""

    description = "made-up room"
    live = False

    def __init__(self, frames: int | None = None, height: int = HEIGHT) -> None:
        self._left = frames
        self.height = height
        self._index = 0
        self.closed = False

    def read(self) -> Frame:
        time.sleep(0.01)
        if self._left is not None and self._index >= self._left:
            raise SourceLost("The made-up room is gone.", "Wait.")
        frame = Frame(room_picture(self._index, self.height), time.monotonic(), self._index)
        frame.image.flags.writeable = False
        self._index += 1
        return frame

    def close(self) -> None:
        self.closed = True


class GreenEngine:
    """A MattingEngine that answers 1 where the picture is green. Fails where `plan` says so, by the call's number."""

    provider = "made up"

    def __init__(self, name: str = "green", delay_s: float = 0.0, plan: dict[int, str] | None = None) -> None:
        self.name = name
        self.calls = 0
        self.sizes: list[tuple[int, int]] = []
        self.prepared: list[tuple[int, int]] = []
        self.closed = False
        self._delay_s = delay_s
        self._plan = plan or {}

    def prepare(self, size: tuple[int, int]) -> None:
        self.prepared.append(size)

    def predict(self, blob: Blob) -> FloatAlpha:
        time.sleep(self._delay_s)
        self.calls += 1
        self.sizes.append(blob.shape[2:])
        what = self._plan.get(self.calls)
        if what == "raise":
            raise InferenceFailed("The made-up engine failed.")
        if what == "bug":
            raise MemoryError("no memory")
        green = blob[0, 1] - np.maximum(blob[0, 0], blob[0, 2])
        alpha = np.clip(green, 0.0, 1.0).astype(np.float32)
        if what == "nan":
            alpha[0, 0] = np.nan
        return alpha

    def close(self) -> None:
        self.closed = True


class GreenEngines:
    """An engine factory that keeps what it built. `plans` are used up in order; clearing `may_load`
    makes a model load last until it is set again."""

    def __init__(self, *plans: dict[int, str], delay_s: float = 0.0) -> None:
        self.built: list[GreenEngine] = []
        self._plans = list(plans)
        self._delay_s = delay_s
        self.may_load = threading.Event()
        self.may_load.set()

    def __call__(self, name: str, model: Path) -> GreenEngine:
        self.may_load.wait(10.0)
        engine = GreenEngine(name, self._delay_s, self._plans.pop(0) if self._plans else None)
        self.built.append(engine)
        return engine


class Memory:
    """An Output that scans every canvas for the room as it comes, and keeps the newest."""

    name = "memory"

    def __init__(self, keep: bool = False) -> None:
        self.sent = 0
        self.leaks = 0
        self.closed = False
        self.newest: Image | None = None
        self.newest_alpha: Alpha | None = None
        self.kept: list[Image] = []
        self._keep = keep
        self.changed = threading.Condition()

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        with self.changed:
            self.sent += 1
            self.leaks += looks_like_the_room(canvas) > 0
            self.newest = canvas.copy()
            self.newest_alpha = None if alpha is None else alpha.copy()
            if self._keep:
                self.kept.append(self.newest)
            self.changed.notify_all()

    def close(self) -> None:
        self.closed = True
