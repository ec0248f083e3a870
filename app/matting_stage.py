"""The matting thread: loads the model, gives every frame its alpha, and replaces an engine that keeps failing."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.board import Board
from app.mailbox import Mailbox
from app.pulse import Pulse
from app.settings import Settings
from app.stats import StatsRecorder
from matting_core.buffers import Recycler
from matting_core.engine import MattingEngine, Network, create_engine
from matting_core.engine_names import fallback_order
from matting_core.errors import EngineError, InferenceFailed, MattecamError
from matting_core.fit import fit_frame
from matting_core.frames import Frame, MattedFrame
from matting_core.model_store import ModelStore
from matting_core.predictor import Predictor
from matting_core.preprocess import network_size
from matting_core.presets import find_preset

log = logging.getLogger(__name__)

POLL_S = 0.2
FAILURES_BEFORE_REBUILD = 3
SUCCESSES_TO_TRUST = 100
GAP_S = 5.0
"""After a longer one earlier frames say nothing about the next. Not less: a network may be that slow, and the smoothing
with one frame's delay would never show a frame."""

_MEND_MEMORY = "Close other programs, or choose a smaller preset."

EngineFactory = Callable[[str, Network], MattingEngine]


@dataclass(frozen=True, slots=True)
class Blank:
    """Takes a matted frame's place where there is no valid matte: the output shows a slate."""


class MattingStage:
    """Body of the matting worker. Everything here runs on that worker's thread.

    size: (width, height) of the canvas, to which every frame is fitted before it is matted.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        size: tuple[int, int],
        inbox: Mailbox[Frame],
        outbox: Mailbox[MattedFrame | Blank],
        board: Board,
        stats: StatsRecorder,
        engine_factory: EngineFactory = create_engine,
        avoid: tuple[str, ...] = (),
    ) -> None:
        """avoid: engines that hung and must not be started."""
        self._settings = settings
        self._size = size
        self._inbox = inbox
        self._outbox = outbox
        self._board = board
        self._stats = stats
        self._engine_factory = engine_factory
        self._arrays = Recycler()
        self._avoid = avoid
        self.pulse = Pulse()
        self.engine_name = ""
        self._engines_left: list[str] = []
        self._failures = 0
        self._successes = 0
        self._rebuilt = False
        self._last_taken: Frame | None = None

    def run(self, stopping: threading.Event) -> None:
        """Matte frames until told to stop. Raises when no engine is left that works."""
        self._board.set(matting="starting")
        settings = self._settings()
        preset = find_preset(settings.preset)
        model = ModelStore().network(preset.model_for(settings.model), preset.int8)
        self._engines_left = [name for name in fallback_order(settings.engine) if name not in self._avoid]
        predictor = self._start_instead(model) if self._avoid else self._start(settings.engine, model)
        taken = settled = 0
        try:
            while not stopping.is_set():
                frame = self._inbox.take(POLL_S)
                if frame is None:
                    continue
                taken += 1
                try:
                    settled += self._matte(predictor, frame, stopping)
                    self._succeeded()
                except InferenceFailed as error:
                    if stopping.is_set():
                        break
                    settled += 1
                    if self._failed(error):
                        predictor = self._replace(predictor, model)
        finally:
            # What a delaying stabiliser still holds is never shown.
            self._stats.count("dropped_unmatted", taken - settled)
            predictor.engine.close()

    def _start(self, name: str, model: Network) -> Predictor:
        settings = self._settings()
        try:
            engine = self._engine_factory(name, model)
        except MattecamError:
            raise
        except Exception as error:
            raise _cannot_start(name, error) from error
        predictor = Predictor(engine, find_preset(settings.preset), settings.smoothing)
        width, height = self._size
        try:
            predictor.warm_up(height, width)
        except MattecamError:
            engine.close()
            raise
        except Exception as error:
            engine.close()
            raise _cannot_start(name, error) from error
        self.engine_name = engine.name
        h, w = network_size(height, width, predictor.preset.long_side)
        self._board.set(matting="running", engine=engine.name, provider=engine.provider, input_size=f"{w}x{h}")
        return predictor

    def _start_instead(self, model: Network) -> Predictor:
        """The first engine of the order that did not hang and works."""
        cause: EngineError | None = None
        for name in self._engines_left:
            try:
                return self._start(name, model)
            except EngineError as error:
                log.warning("engine %s does not start: %s", name, error)
                cause = error
        raise EngineError(
            f"The {' and the '.join(self._avoid)} engine hung and no other one works here.",
            "Start it again; if it hangs again, restart the computer.",
        ) from cause

    def _matte(self, predictor: Predictor, frame: Frame, stopping: threading.Event) -> int:
        """Matte one frame; 1 if a matted frame left for the output, 0 if the stabiliser holds it back."""
        settings = self._settings()
        predictor.set_smoothing(settings.smoothing)
        last, self._last_taken = self._last_taken, frame
        if last is not None and (frame.index <= last.index or frame.captured_at - last.captured_at > GAP_S):
            predictor.reset()  # another source, or the same one after a rest
        lap = self._stats.lap()
        fitted = fit_frame(frame.image, *self._size, settings.mirror, self._arrays)
        lap("fit")
        try:
            with self.pulse:
                matted = predictor.predict(Frame(fitted, frame.captured_at, frame.index), lap)
        except InferenceFailed:
            raise
        except MemoryError as error:
            raise InferenceFailed("There was not enough memory to matte a frame.", _MEND_MEMORY) from error
        except Exception as error:
            raise InferenceFailed(f"Matting a frame failed ({type(error).__name__}: {error}).") from error
        if matted is None or stopping.is_set():
            return 0  # who comes back late, having been given up, leaves nothing
        self._stats.count("matted")
        self._outbox.put(matted)
        return 1

    def _succeeded(self) -> None:
        self._failures = 0
        self._successes += 1
        if self._successes == SUCCESSES_TO_TRUST:
            self._rebuilt = False

    def _failed(self, error: InferenceFailed) -> bool:
        """Show a slate for this frame; True when the engine has failed too often in a row."""
        log.warning("%s", error)
        self._stats.count("failed")
        self._outbox.put(Blank())
        self._failures += 1
        self._successes = 0
        self._last_error = error
        return self._failures >= FAILURES_BEFORE_REBUILD

    def _replace(self, predictor: Predictor, model: Network) -> Predictor:
        """The same engine built again; where that did not help before, the next one in the order."""
        name = predictor.engine.name
        predictor.engine.close()
        self._board.set(matting="starting")
        self._failures = 0
        if name in self._engines_left:
            self._engines_left = self._engines_left[self._engines_left.index(name) + 1 :]
        candidates = self._engines_left if self._rebuilt else [name, *self._engines_left]
        for candidate in candidates:
            try:
                rebuilt = self._start(candidate, model)
            except EngineError as error:
                log.warning("engine %s does not start: %s", candidate, error)
                continue
            self._rebuilt = candidate == name
            what = "was started again" if self._rebuilt else f"was replaced by {candidate}"
            problem = f"The {name} engine kept failing and {what}. {self._last_error.problem}"
            self._board.say("engine", problem, "warning", self._last_error.mend)
            return rebuilt
        raise EngineError(
            f"The {name} engine keeps failing and no other one works here.", "Choose another engine and restart."
        ) from self._last_error


def _cannot_start(name: str, error: Exception) -> EngineError:
    if isinstance(error, MemoryError):
        return EngineError(f"There is not enough memory to start the {name} engine.", _MEND_MEMORY)
    return EngineError(f"The {name} engine cannot start ({type(error).__name__}: {error}).", "Choose another engine.")
