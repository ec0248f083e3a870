"""How many frames are matted: the camera's own rate, the user's cap, and what the limit on load leaves."""

import os
from collections import deque
from collections.abc import Callable

import psutil

from matting_core.frames import Frame

SPAN_S = 2.0
REMEMBERED_S = 60.0
SLOWEST_FPS = 2.0
"""Fewer would let a frame grow older than the outputs show one."""
AIM = 0.95
FASTER, SLOWER = 1.1, 0.5
"""The most that the limiter changes the rate by at each measurement."""


class RateWatch:
    """The interval of a source, from its frames' indices, whether or not each of them is seen here.

    The shortest of the last minute counts: a machine that is too busy for its camera makes the camera look slow, and
    the picture must not be made heavier for that.
    """

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last_index = -1
        self._intervals: deque[tuple[float, float]] = deque()

    def push(self, frame: Frame) -> None:
        """Register a frame; one whose index goes back belongs to a source that was opened again."""
        index, at_s = frame.index, frame.captured_at
        if self._first is None or index <= self._last_index:
            self._first = (index, at_s)
            self._intervals.clear()
        self._last_index = index
        spent_s = at_s - self._first[1]
        if spent_s < SPAN_S:
            return
        self._intervals.append((at_s, spent_s / (index - self._first[0])))
        self._first = (index, at_s)
        while at_s - self._intervals[0][0] > REMEMBERED_S:
            self._intervals.popleft()

    @property
    def interval_s(self) -> float:
        """Seconds between two frames of the source; 0 before that is known."""
        return min((interval for _, interval in self._intervals), default=0.0)


class Pacer:
    """Lets through at most one frame an interval, evenly: what is early now is made up for by the next."""

    def __init__(self) -> None:
        self._due_s = float("-inf")

    def admits(self, at_s: float, interval_s: float) -> bool:
        """Whether a frame of that time is to be matted. interval_s: 0 admits all."""
        if at_s < self._due_s - interval_s / 4:
            return False
        behind = at_s - self._due_s > interval_s
        self._due_s = (at_s if behind else self._due_s) + interval_s
        return True


class LoadMeter:
    """What share of the machine this process uses, in [0, 1], measured every second.

    Of the processor: the process's time on it over that of all cores. Of a GPU: the share of time in which the
    matting thread is busy with frames, which no part of the GPU's own use by Mattecam can exceed; the driver is not
    asked.
    """

    def __init__(self, cpu_seconds: Callable[[], float] | None = None, cores: int | None = None) -> None:
        self._cpu_seconds = cpu_seconds or _own_cpu_seconds
        self._cores = cores or os.cpu_count() or 1
        self._from: tuple[float, float] | None = None
        self._busy_s = 0.0
        self.processor = 0.0
        self.gpu = 0.0

    def restart(self) -> None:
        """Know nothing until a whole second from now is measured: what was before says nothing of what comes."""
        self._from = None
        self._busy_s = 0.0
        self.processor = self.gpu = 0.0

    def busy(self, seconds: float) -> None:
        """A frame was matted on a GPU and took that long."""
        self._busy_s += seconds

    def measure(self, now_s: float) -> bool:
        """True when a second is over and both shares are new."""
        if self._from is not None and now_s - self._from[0] < 1.0:
            return False
        cpu_s = self._cpu_seconds()
        before, self._from = self._from, (now_s, cpu_s)
        if before is None:
            return False
        self.processor = (cpu_s - before[1]) / (now_s - before[0]) / self._cores
        self.gpu = min(1.0, self._busy_s / (now_s - before[0]))
        self._busy_s = 0.0
        return True


class Limiter:
    """The rate at which the load stays within its limit, found by lowering and raising it a little each second."""

    def __init__(self) -> None:
        self._fps: float | None = None

    @property
    def interval_s(self) -> float:
        """The least time between two matted frames; 0 while nothing has to be held back."""
        return 0.0 if self._fps is None else 1 / self._fps

    def release(self) -> None:
        """Hold nothing back any more."""
        self._fps = None

    def update(self, load: float, source_fps: float) -> None:
        """Take a new measurement. load: share of the limit that is used; source_fps: the rate without a limit."""
        if self._fps is None and load <= 1.0:
            return
        factor = min(FASTER, max(SLOWER, AIM / max(load, 1e-3)))
        fps = max(SLOWEST_FPS, min(self._fps or source_fps, source_fps) * factor)
        self._fps = None if fps >= source_fps else fps


def _own_cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
