"""Pulse and Watchdog: how it is noticed that a stage does not come back from a call into a driver or a library."""

from types import TracebackType

LOOK_MOST_S = 0.5
"""What one look can add to a call's time: a process that was stopped or a machine that slept blames no call."""


class Pulse:
    """A stage enters it (`with pulse:`) around each call that nobody can break off. Written on that stage's thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.inside = False

    def __enter__(self) -> None:
        self.calls += 1
        self.inside = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.inside = False


class Watchdog:
    """Looks at one Pulse now and then, and adds up how long it has been inside the same call. Used on one thread."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._call = -1
        self._looked_at_s: float | None = None
        self._stuck_s = 0.0

    def stuck_s(self, now_s: float) -> float:
        """Seconds that looks at monotonic times up to now_s have found it inside one call; 0 when it came back."""
        step_s = 0.0 if self._looked_at_s is None else min(now_s - self._looked_at_s, LOOK_MOST_S)
        self._looked_at_s = now_s
        call = self._pulse.calls
        if not self._pulse.inside or call != self._call:
            self._call, self._stuck_s = call, 0.0
        else:
            self._stuck_s += step_s
        return self._stuck_s
