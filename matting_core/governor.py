"""Governor: which preset the next frames deserve, from how long the last ones took. No threads, no clock of its own."""

import itertools
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from matting_core.presets import Preset

WINDOW_S = 1.5
LEAST_FRAMES = 4
"""So many are judged even where they take longer than the window."""
SETTLE_S = 1.0
"""After a switch the caches are cold and the new network's buffers are being made: these frames are not judged."""
TOO_SLOW = 0.95
"""Share of a frame's interval, or of the limit, beyond which frames are lost."""
ROOM = 0.65
"""Share up to which a heavier preset must be expected to stay before it is tried: the call needs the processor, too."""
UP_AFTER_S = 4.0
BACKOFF_S, LONGEST_BACKOFF_S = 30.0, 600.0
FORGIVEN_S = 120.0
SAME_INTERVAL = 1.25
"""A preset that was too slow may be tried at once where a frame has this many times the time that it had then."""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of preset that the governor wants. why: in a few words, with the figures."""

    preset: Preset
    why: str


@dataclass(slots=True)
class _Memory:
    """What went wrong with a preset: refused until until_s, unless a frame's interval is longer than interval_s."""

    backoff_s: float
    until_s: float
    interval_s: float


class Governor:
    """Holds the wanted rate with the best preset that can. Used on one thread.

    rungs: the presets, the lightest first. costs: what the network of each takes, in any unit, measured before or
    guessed; what is seen at each switch, of all that a frame takes, comes in its place. Times are in seconds of one
    clock that never goes back.

    Pressure is the share of the wanted interval that a frame takes, or of the limit on load that is used, whichever
    is higher. Beyond TOO_SLOW the next lighter preset that is expected to fit is taken; after UP_AFTER_S with a
    preset the next heavier one is, if it is expected to stay below ROOM. One that was too slow is not tried again for
    BACKOFF_S, twice as long after each further time.
    """

    def __init__(self, rungs: Sequence[Preset], costs: Sequence[float], start: str) -> None:
        self._rungs = tuple(rungs)
        names = [preset.name for preset in self._rungs]
        self._at = names.index(start) if start in names else 0
        self._since_s: float | None = None
        self._recent: deque[tuple[float, float, float]] = deque()
        self._left: tuple[int, float] | None = None
        self._memory: dict[int, _Memory] = {}
        self._refused: set[int] = set()
        self.expect(costs)

    @property
    def preset(self) -> Preset:
        """The preset that runs now, as far as the governor has been told."""
        return self._rungs[self._at]

    @property
    def at_bottom(self) -> bool:
        """Whether no lighter preset is left."""
        return self._at == 0

    def frame(self, now_s: float, spent_s: float, interval_s: float, load: float = 0.0) -> Move | None:
        """Take a frame's figures; the move that they call for, or None. It holds only once `moved` is called.

        spent_s: what matting the frame took. interval_s: the time a frame may take, above 0. load: share of the
        limit on the processor or the GPU that is used; 0 without a limit.
        """
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < SETTLE_S:
            return None
        self._recent.append((now_s, spent_s, max(spent_s / interval_s, load)))
        while len(self._recent) > LEAST_FRAMES and now_s - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()
        if len(self._recent) < LEAST_FRAMES:
            return None
        spent_s = statistics.median(item[1] for item in self._recent)
        pressure = statistics.median(item[2] for item in self._recent)
        self._learn(spent_s)
        if pressure > TOO_SLOW:
            return self._down(now_s, spent_s, interval_s, pressure, load)
        if now_s - self._since_s >= FORGIVEN_S:
            self._memory.pop(self._at, None)
        return self._up(now_s, spent_s, interval_s, pressure)

    def expect(self, costs: Sequence[float]) -> None:
        """Other costs than before are known: what was seen of the steps between the presets is no longer true."""
        self._steps = [after / before for before, after in itertools.pairwise(costs)]
        self._recent.clear()
        self._left = None

    def hold(self, now_s: float) -> None:
        """Judge nothing that was measured until now: something else was going on, such as a network being loaded."""
        self._recent.clear()
        if self._since_s is not None:
            self._since_s = max(self._since_s, now_s - SETTLE_S)

    def moved(self, preset: Preset, now_s: float) -> None:
        """The preset runs from now on."""
        if self._recent:
            self._left = (self._at, statistics.median(item[1] for item in self._recent))
        self._at = self._rungs.index(preset)
        self._since_s = now_s
        self._recent.clear()

    def refuse(self, preset: Preset) -> None:
        """The preset's network cannot be run here: never ask for it again."""
        self._refused.add(self._rungs.index(preset))

    def _learn(self, spent_s: float) -> None:
        """What the last step really cost: both sides were measured within seconds, so under the same other load."""
        if self._left is None:
            return
        (before, before_s), self._left = self._left, None
        if abs(before - self._at) == 1 and before_s > 0 and spent_s > 0:
            step = spent_s / before_s if self._at > before else before_s / spent_s
            self._steps[min(before, self._at)] = max(1.0, step)

    def _down(self, now_s: float, spent_s: float, interval_s: float, pressure: float, load: float) -> Move | None:
        lower = [rung for rung in range(self._at) if rung not in self._refused]
        if not lower:
            return None
        old = self._memory.get(self._at)
        backoff_s = BACKOFF_S if old is None else min(2 * old.backoff_s, LONGEST_BACKOFF_S)
        self._memory[self._at] = _Memory(backoff_s, now_s + backoff_s, interval_s)
        fitting = [rung for rung in lower if pressure / self._factor(rung, self._at) <= TOO_SLOW]
        why = f"too slow: {_of(spent_s, interval_s)}"
        if load > spent_s / interval_s:
            why = f"over the limit: {load:.0%} of it"
        return Move(self._rungs[max(fitting, default=lower[0])], why)

    def _up(self, now_s: float, spent_s: float, interval_s: float, pressure: float) -> Move | None:
        assert self._since_s is not None
        rung = next((rung for rung in range(self._at + 1, len(self._rungs)) if rung not in self._refused), None)
        if rung is None or now_s - self._since_s < UP_AFTER_S:
            return None
        memory = self._memory.get(rung)
        if memory and now_s < memory.until_s and interval_s < SAME_INTERVAL * memory.interval_s:
            return None
        if pressure * self._factor(self._at, rung) > ROOM:
            return None
        return Move(self._rungs[rung], f"room for more: {_of(spent_s, interval_s)}")

    def _factor(self, lower: int, upper: int) -> float:
        factor = 1.0
        for step in self._steps[lower:upper]:
            factor *= step
        return factor


def _of(spent_s: float, interval_s: float) -> str:
    return f"{spent_s * 1e3:.0f} of {interval_s * 1e3:.0f} ms"
