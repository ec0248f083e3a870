"""Demand: whether anybody looks at the picture; while nobody does, the camera is closed and the network rests."""

import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.virtual_camera import is_v4l2loopback, loopback_nodes

LOOK_S = 0.1
LOOKS_TO_WAKE = 2
"""A program that only lists the cameras has the device open for one look; the camera's light must not blink for it."""
REST_AFTER_S = 5.0
PREVIEW_COUNTS_S = 1.0
LOOPBACK_USERS = Path("/sys/module/v4l2loopback/refcnt")
OWN_FILES = Path("/proc/self/fd")

ReaderProbe = Callable[[], bool | None]
"""Whether another program has the virtual camera open; None where that cannot be known."""


def has_readers() -> bool | None:
    """Ask v4l2loopback how many times its devices are open, and leave out our own.

    The kernel counts the openings of every user's programs, in all versions of the driver. The count is one for all
    its devices, and it counts a program that has the device open without reading: both err towards being watched.
    None on other systems, and for a kernel that does not count.
    """
    if platform.system() != "Linux":
        return None
    try:
        users = int(LOOPBACK_USERS.read_text(encoding="ascii"))
        nodes = {str(node) for node in loopback_nodes() if is_v4l2loopback(node)}
        own = sum(_target(link) in nodes for link in OWN_FILES.iterdir())
    except (OSError, ValueError):
        return None
    return users > own


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


class Demand:
    """`wanted` is set while frames are wanted. `update` is called on the output thread, the rest on any."""

    def __init__(self, is_read: ReaderProbe = has_readers) -> None:
        self.wanted = threading.Event()
        self.wanted.set()
        self._is_read = is_read
        self._asked_at_s = time.monotonic()
        self._preview_at_s = -PREVIEW_COUNTS_S
        self._looked_at_s = 0.0
        self._looks = 0

    def preview_taken(self) -> None:
        """The window has asked for a preview, so it is on show."""
        self._preview_at_s = time.monotonic()

    @property
    def previewed(self) -> bool:
        """Whether the window shows the picture."""
        return time.monotonic() - self._preview_at_s < PREVIEW_COUNTS_S

    def update(self, may_rest: bool, sure: bool, virtual: bool) -> None:
        """Decide again. may_rest: the setting. sure: something takes every canvas. virtual: that camera is on."""
        now_s = time.monotonic()
        sure |= not may_rest or self.previewed
        if not sure and not self._seems_read(now_s, virtual):
            if now_s - self._asked_at_s > REST_AFTER_S:
                self.wanted.clear()
            return
        self._asked_at_s = now_s
        if sure or self._looks >= LOOKS_TO_WAKE:
            self.wanted.set()

    def _seems_read(self, now_s: float, virtual: bool) -> bool:
        if not virtual:
            self._looks = 0
        elif now_s - self._looked_at_s >= LOOK_S:
            self._looked_at_s = now_s
            self._looks = self._looks + 1 if self._is_read() is not False else 0
        return self._looks > 0
