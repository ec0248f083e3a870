"""Where the time goes and what becomes of every frame: counted by the three threads, read by anybody."""

import math
import threading
import time
from collections import Counter, deque
from typing import Any

import numpy as np

from app.status import StageTimes, Stats

WINDOW_S = 3.0
KEPT = 600
LATENCIES_KEPT = 20_000
RATES = {"captured": "capture_fps", "matted": "matting_fps", "sent": "output_fps"}


class Lap:
    """A stopwatch for one pass through a thread's stages: call it with each stage's name as that stage ends."""

    def __init__(self, recorder: "StatsRecorder") -> None:
        self._recorder = recorder
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self._recorder.time(stage, (now - self._last) * 1e3)
        self._last = now


class StatsRecorder:
    """Thread-safe counters, rates and times. Fixed memory, however long it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._moments: dict[str, deque[float]] = {name: deque(maxlen=KEPT) for name in RATES}
        self._stages: dict[str, deque[float]] = {}
        self._passed: dict[str, float] = {}  # when a frame last went through each
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._recent: deque[float] = deque(maxlen=KEPT)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter of Stats: captured, matted, failed, dropped_unmatted, dropped_unsent, shown, …"""
        with self._lock:
            self._counts[name] += by
            if name in RATES:
                self._moments[name].append(time.monotonic())

    def time(self, stage: str, ms: float) -> None:
        """One duration of a stage, in milliseconds."""
        now_s = time.monotonic()
        with self._lock:
            times = self._stages.setdefault(stage, deque(maxlen=KEPT))
            if now_s - self._passed.get(stage, now_s) > WINDOW_S:
                times.clear()  # of another time
            times.append(ms)
            self._passed[stage] = now_s

    def latency(self, ms: float) -> None:
        """One frame's way from capture to sent, in milliseconds."""
        with self._lock:
            self._latencies.append(ms)
            self._recent.append(ms)

    def begin_anew(self) -> None:
        """Another network takes over: the times of the last one no longer apply. Counts and the whole run stay."""
        with self._lock:
            self._stages.clear()
            self._recent.clear()

    def lap(self) -> Lap:
        """A stopwatch that starts now."""
        return Lap(self)

    def snapshot(self, whole_run: bool = False) -> Stats:
        """The figures now: latency over the last KEPT frames, or over the whole run (its last 20 000 frames).

        Stages are over the last KEPT frames; these and latency begin anew with another network. Unless whole_run,
        stages that no frame went through in the last WINDOW_S are left out.
        """
        since_s = -math.inf if whole_run else time.monotonic() - WINDOW_S
        with self._lock:
            counts: dict[str, Any] = dict(self._counts)
            rates: dict[str, Any] = {RATES[name]: _rate(moments) for name, moments in self._moments.items()}
            stages = {name: list(values) for name, values in self._stages.items() if self._passed[name] >= since_s}
            latencies = list(self._latencies if whole_run else self._recent)
        p50, p95, p99 = _percentiles(latencies, (50, 95, 99))
        times = {name: StageTimes(*_percentiles(values, (50, 95))) for name, values in stages.items()}
        return Stats(**counts, **rates, latency_p50_ms=p50, latency_p95_ms=p95, latency_p99_ms=p99, stages=times)


def _rate(moments: deque[float]) -> float:
    now = time.monotonic()
    recent = [moment for moment in moments if now - moment <= WINDOW_S]
    if len(recent) < 2 or now - recent[-1] > 1.0:
        return 0.0
    return (len(recent) - 1) / (recent[-1] - recent[0]) if recent[-1] > recent[0] else 0.0


def _percentiles(values: list[float], which: tuple[int, ...]) -> list[float]:
    if not values:
        return [0.0] * len(which)
    return [float(value) for value in np.percentile(values, which)]
