"""The matting thread: gives every frame its alpha, and follows the preset."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.board import Board
from app.engine_fallback import EngineFallback
from app.engine_start import MEND_MEMORY, EngineFactory, EngineStart
from app.mailbox import Mailbox
from app.network_loader import NetworkLoader, Plan, Preparation
from app.preset_control import PresetControl
from app.pulse import Pulse
from app.settings import Settings
from app.stats import StatsRecorder
from matting_core.buffers import Recycler
from matting_core.engine import create_engine
from matting_core.errors import InferenceFailed, MattecamError
from matting_core.fit import fit_frame
from matting_core.frames import Behind, Frame, MattedFrame
from matting_core.pillarbox import on_canvas, placed_size
from matting_core.predictor import Predictor
from matting_core.preprocess import input_size
from matting_core.presets import Preset, live_preset

log = logging.getLogger(__name__)

POLL_S = 0.2
GAP_S = 5.0
"""After a longer one earlier frames say nothing about the next. Not less: a network may be that slow, and the smoothing
with one frame's delay would never show a frame."""


@dataclass(frozen=True, slots=True)
class Blank:
    """Takes a matted frame's place where there is no valid matte: the output shows a slate."""


class MattingStage:
    """Body of the matting worker. Everything here runs on that worker's thread.

    size: (width, height) of the canvas, to which every frame is fitted before it is matted; one taller than wide is
    placed on it after that (`pillarbox.py`).
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
        behind: Callable[[], Behind | None] = lambda: None,
    ) -> None:
        """avoid: engines that hung and must not be started. behind: on what frames are laid now, if it is known."""
        self._settings = settings
        self._size = size
        self._inbox = inbox
        self._outbox = outbox
        self._board = board
        self._stats = stats
        self._starter = EngineStart(settings, size, engine_factory)
        self._loader = NetworkLoader(self._starter.open)
        self._preparation = Preparation()
        self._arrays = Recycler()
        self._avoid = avoid
        self._behind = behind
        self.pulse = Pulse()
        self.engine_name = ""
        self._last_taken: Frame | None = None
        self._mirrored = False
        self._taken = self._settled = 0

    def run(self, stopping: threading.Event) -> None:
        """Matte frames until told to stop. Raises when no engine is left that works."""
        self._board.set(matting="starting")
        settings = self._settings()
        fallback = EngineFallback(self._starter, self._board, settings.engine, self._avoid)
        self._plan, predictor = fallback.start(live_preset(settings.preset))
        if stopping.is_set():  # another took over while this one loaded: what it says is of no more interest
            predictor.close()
            return
        self._announce(predictor)
        self._plan = self._starter.plan(self._plan.preset, self._plan.engine, predictor.engine.name)
        self._control = PresetControl(settings, predictor.preset, self._board, self._costs)
        try:
            while not stopping.is_set():
                frame = self._inbox.take(POLL_S)
                predictor = self._follow(predictor)
                if frame is None:
                    continue
                self._taken += 1
                if not self._control.admits(frame, self._settings()):
                    self._drop()
                    continue
                try:
                    self._settled += self._matte(predictor, frame, stopping)
                    fallback.succeeded()
                except InferenceFailed as error:
                    if stopping.is_set():
                        break
                    self._settled += 1
                    self._failed(error)
                    if fallback.failed(error):
                        self._board.set(matting="starting")
                        self._plan, predictor = fallback.replace(predictor)
                        self._announce(predictor)
        finally:
            self._drop()
            self._loader.close()
            predictor.close()

    def _costs(self, presets: Sequence[Preset]) -> list[float]:
        return self._starter.costs(presets, self._plan.engine, self.engine_name)

    def _drop(self) -> None:
        """Count what was taken and never came out: not admitted, or still held by a delaying stabiliser."""
        self._stats.count("dropped_unmatted", self._taken - self._settled)
        self._settled = self._taken

    def _follow(self, predictor: Predictor) -> Predictor:
        """The predictor to use now: a new preset's network is loaded beside the old one, which mattes meanwhile.

        The new one starts without a past, and what the old one's stabiliser held back is given up.
        """
        wanted = self._starter.plan(self._control.wanted(self._settings()), self._plan.engine, predictor.engine.name)
        loading = self._loader.loading
        if loading is None:
            if wanted != self._plan:
                self._loader.begin(wanted)
            return predictor
        try:
            ready = self._loader.take()
        except MattecamError as error:
            if loading == wanted:
                self._refuse(loading, error)
            return predictor
        if ready is None:
            return predictor
        if loading != wanted or ready.warm != self._starter.size[::-1]:
            ready.close()  # the user, an engine that failed meanwhile or a camera that was turned was quicker
            return predictor
        self._drop()
        predictor.close()
        self._plan = wanted
        self._announce(ready)
        self._board.clear("preset")
        self._control.moved(ready.preset)
        return ready

    def _refuse(self, plan: Plan, error: MattecamError) -> None:
        """A network did not start: what runs stays, and the same is not tried again."""
        log.warning("the preset %s does not start: %s", plan.preset.name, error)
        if plan.preset == self._plan.preset:
            self._plan = plan  # only the arithmetic was to change
            return
        self._control.refused(plan.preset)
        self._board.say("preset", error, "warning")

    def _announce(self, predictor: Predictor) -> None:
        engine = predictor.engine
        self.engine_name = engine.name
        self._stats.begin_anew()
        self._board.set(matting="running", engine=engine.name, provider=engine.provider)
        self._tell_size(predictor)

    def _tell_size(self, predictor: Predictor) -> None:
        width, height = self._starter.size
        self._board.set(input_size=input_size(height, width, predictor.preset.long_side))

    def _turn(self, predictor: Predictor, size: tuple[int, int]) -> None:
        """Get ready for the other orientation, which needs another network size. That does not count as a hang."""
        width, height = size
        predictor.warm_up(height, width)
        self._starter.size = size  # of networks to come, too
        self._control.forget()
        self._tell_size(predictor)

    def _matte(self, predictor: Predictor, frame: Frame, stopping: threading.Event) -> int:
        """Matte one frame; 1 if a matted frame left for the output, 0 if the stabiliser holds it back."""
        settings = self._settings()
        predictor.set_smoothing(settings.smoothing)
        last, self._last_taken = self._last_taken, frame
        mirrored, self._mirrored = self._mirrored, settings.mirror
        if last is not None and (frame.index <= last.index or frame.captured_at - last.captured_at > GAP_S):
            predictor.reset()  # another source, or the same one after a rest
        elif mirrored != settings.mirror:
            predictor.reset()  # where the person is on the other side, earlier mattes would show the room
        size = placed_size(frame.image, *self._size)
        try:
            if size != self._starter.size:
                self._turn(predictor, size)
            began_s = time.monotonic()
            lap = self._stats.lap()
            fitted = fit_frame(frame.image, *size, settings.mirror, self._arrays)
            lap("fit")
            behind = self._behind() if size == self._size else None
            with self.pulse:
                matted = predictor.predict(Frame(fitted, frame.captured_at, frame.index), lap, behind)
            if matted is not None and size != self._size:
                matted = on_canvas(matted, *self._size, self._arrays)
                lap("place")
        except InferenceFailed:
            raise
        except MemoryError as error:
            raise InferenceFailed("There was not enough memory to matte a frame.", MEND_MEMORY) from error
        except Exception as error:
            raise InferenceFailed(f"Matting a frame failed ({type(error).__name__}: {error}).") from error
        spent_s = time.monotonic() - began_s
        self._preparation.ask(predictor, size, behind)
        self._control.matted(spent_s, predictor.engine.name, settings, self._loader.loading is not None)
        if matted is None or stopping.is_set():
            return 0  # who comes back late, having been given up, leaves nothing
        self._stats.count("matted")
        self._outbox.put(matted)
        return 1

    def _failed(self, error: InferenceFailed) -> None:
        """Show a slate for this frame."""
        log.warning("%s", error)
        self._stats.count("failed")
        self._outbox.put(Blank())
