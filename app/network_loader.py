"""NetworkLoader: gets the next network ready on a thread of its own while the one in use goes on matting."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.memory import give_back
from matting_core.arithmetic import Way
from matting_core.errors import EngineError, MattecamError
from matting_core.frames import Behind
from matting_core.fused_spec import FusedSpec
from matting_core.predictor import Predictor
from matting_core.presets import Preset

SETTLE_S = 1.0
"""How long the same background has to be wanted before anything is made for it: a slider passes many."""

_Asked = tuple[Predictor, tuple[int, int], FusedSpec | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to open. engine: a name as the user gives it. way: the fastest on this processor, where that is known."""

    preset: Preset
    engine: str
    way: Way | None = None


class Preparation:
    """Has an engine get ready what makes it faster, on a thread of its own, while frames go on: `Predictor.prepare`.

    One at a time; of what is asked for meanwhile the last counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: _Asked | None = None
        self._next: _Asked | None = None
        self._wish: _Asked | None = None
        self._wished_s = 0.0
        self._running = False

    def ask(self, predictor: Predictor, size: tuple[int, int], behind: Behind | None = None) -> None:
        """Prepare for frames of size (width, height) on that background, unless that was asked for last. Once a
        frame.
        """
        asked = (predictor, size, predictor.whole_spec(size[::-1], behind))
        now_s = time.monotonic()
        if self._wish != asked:
            self._wish, self._wished_s = asked, now_s
        if self._asked == asked:
            return
        if self._asked is not None and self._asked[:2] == asked[:2] and now_s - self._wished_s < SETTLE_S:
            return
        with self._lock:
            self._asked = self._next = asked
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="mattecam-prepare", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._next is None:
                    self._running = False
                    return
                (predictor, (width, height), spec), self._next = self._next, None
            predictor.prepare(height, width, spec)


class NetworkLoader:
    """One network at a time. All but the opening itself runs on the owner's thread.

    opener: gives a Predictor that is warm, or raises MattecamError; called on the loader's thread.
    """

    def __init__(self, opener: Callable[[Plan], Predictor]) -> None:
        self._opener = opener
        self._thread: threading.Thread | None = None
        self._ready: Predictor | None = None
        self._failure: MattecamError | None = None
        self.loading: Plan | None = None

    def begin(self, plan: Plan) -> None:
        """Start to load, unless something is being loaded."""
        if self.loading is not None:
            return
        self.loading = plan
        self._thread = threading.Thread(target=self._load, args=(plan,), name="mattecam-network", daemon=True)
        self._thread.start()

    def take(self) -> Predictor | None:
        """The network once it is ready, else None; it is the caller's to close. Raises what made loading fail."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread.join()
        self._thread = self.loading = None
        ready, self._ready = self._ready, None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return ready

    def close(self) -> None:
        """Wait for what is being loaded, which cannot be broken off, and close it."""
        if self._thread is not None:
            self._thread.join()
        self._thread = self.loading = None
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    def _load(self, plan: Plan) -> None:
        give_back()
        try:
            self._ready = self._opener(plan)
        except MattecamError as error:
            self._failure = error
        except Exception as error:
            self._failure = EngineError(
                f"The preset {plan.preset.name} could not be started ({error}).", "Choose another preset."
            )
            self._failure.__cause__ = error
        give_back()
