"""CameraWatch: a camera that delivers, but black, frozen or very slowly, is reported in plain words."""

import numpy as np

from app.board import Board
from matting_core.frames import Frame, Image

BLACK_LEVEL = 8
BLACK_AFTER_S = 2.0
FROZEN_AFTER_S = 3.0
SLOW_FPS = 5.0
SLOW_OVER_S = 5.0


class BlackWatch:
    """Notices that a camera has sent nothing but black for a while: a closed shutter, a privacy switch, a bad cable.

    A frame is black when no sampled pixel (every 8th, both ways) reaches BLACK_LEVEL in any channel.
    """

    def __init__(self) -> None:
        self._black_since: float | None = None

    def update(self, frame: Frame) -> bool:
        """Look at one frame; True once black frames have gone on for longer than BLACK_AFTER_S."""
        if _is_black(frame.image):
            if self._black_since is None:
                self._black_since = frame.captured_at
            return frame.captured_at - self._black_since > BLACK_AFTER_S
        self._black_since = None
        return False


def _is_black(image: Image) -> bool:
    return int(image[::8, ::8].max()) < BLACK_LEVEL


class FrozenWatch:
    """Notices that a camera sends one and the same picture: a sensor has noise, so a live picture never repeats."""

    def __init__(self) -> None:
        self._before: Image | None = None
        self._since_s = 0.0

    def update(self, frame: Frame) -> bool:
        """Look at one frame; True once the same picture has come for longer than FROZEN_AFTER_S."""
        before, self._before = self._before, frame.image
        if before is None or _differ(before, frame.image):
            self._since_s = frame.captured_at
        return frame.captured_at - self._since_s > FROZEN_AFTER_S


def _differ(one: Image, other: Image) -> bool:
    if one.shape != other.shape:
        return True
    # A live picture differs in the sample already; only what looks frozen is compared as a whole.
    return bool((one[::8, ::8] != other[::8, ::8]).any()) or not np.array_equal(one, other)


class SlowWatch:
    """Measures a camera's rate over stretches of SLOW_OVER_S seconds."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._last_s = 0.0
        self._frames = 0
        self._fps = 0.0

    def update(self, frame: Frame) -> float:
        """Count one frame; the rate of the last whole stretch if it was below SLOW_FPS, else 0."""
        now_s = frame.captured_at
        if self._began_s is None or now_s - self._last_s > SLOW_OVER_S:
            self._began_s, self._frames = now_s, 0  # after a pause of the whole program nothing is known
        else:
            self._frames += 1
        self._last_s = now_s
        if now_s - self._began_s >= SLOW_OVER_S:
            self._fps = self._frames / (now_s - self._began_s)
            self._began_s, self._frames = now_s, 0
        return self._fps if self._fps < SLOW_FPS else 0.0


class CameraWatch:
    """Keeps the notices about one open source up to date. Used on the capture thread.

    live: whether a lens feeds it; a file may stand still or be slow on purpose.
    """

    def __init__(self, board: Board, live: bool) -> None:
        self._board = board
        self._live = live
        self._black = BlackWatch()
        self._frozen = FrozenWatch()
        self._slow = SlowWatch()
        self._told: set[str] = set()

    def passes(self, frame: Frame) -> bool:
        """Look at one frame; False where it must not be shown: a frozen person looks live but is not."""
        black = self._black.update(frame)
        self._tell(
            "camera-black",
            black,
            "The camera sends a black picture.",
            "Open its shutter or lid, or turn it on with its own switch or key.",
        )
        if not self._live:
            return True
        frozen = self._frozen.update(frame) and not black
        self._tell(
            "camera-frozen",
            frozen,
            "The camera keeps sending the same picture.",
            "The picture returns automatically once it changes. If not, unplug the camera and plug it back in.",
        )
        fps = self._slow.update(frame)
        self._tell(
            "camera-slow",
            fps > 0,
            f"The camera sends only {fps:.1f} pictures per second.",
            "Add light, use another USB port, or choose a smaller size.",
        )
        return not frozen

    def close(self) -> None:
        """Take its notices down."""
        for key in self._told:
            self._board.clear(key)
        self._told.clear()

    def _tell(self, key: str, so: bool, problem: str, mend: str) -> None:
        if so:
            self._told.add(key)
            self._board.say(key, problem, "warning", mend)
        elif key in self._told:
            self._told.discard(key)
            self._board.clear(key)
