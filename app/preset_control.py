"""PresetControl: which frames are matted, and with which preset: what the user chose, or what `auto` finds."""

import time
from collections.abc import Callable, Sequence

from app.board import Board
from app.pace import Limiter, LoadMeter, Pacer, RateWatch
from app.settings import NO_LIMIT, Settings
from app.status import CHOSEN, Switch
from matting_core.engine_names import GPU_ENGINES
from matting_core.frames import Frame
from matting_core.governor import Governor
from matting_core.presets import AUTO_PRESET, Preset, find_preset, ladder

SWITCHES_KEPT = 50


class PresetControl:
    """Used on the matting thread, once a frame: `wanted`, `admits`, then `matted`. Tells the board what it does.

    costs: what the network of each of some presets takes, in any unit, as far as is known when it is asked.
    """

    def __init__(
        self,
        settings: Settings,
        start: Preset,
        board: Board,
        costs: Callable[[Sequence[Preset]], list[float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._costs = costs
        self._rungs = ladder(settings.model)
        self._known: list[float] = []
        self._clock = clock
        self._running = start
        self._rate = RateWatch()
        self._pacer = Pacer()
        self._meter = LoadMeter()
        self._limiter = Limiter()
        self._governor: Governor | None = None
        self._move: Preset | None = None
        self._why = ""
        self._chosen = settings.preset
        self._refused = ""
        if settings.preset == AUTO_PRESET:
            self._govern()
        board.set(preset=start.name)

    def admits(self, frame: Frame, settings: Settings) -> bool:
        """Whether the frame is to be matted; if not it is dropped, evenly, for the cap's or the limit's sake."""
        self._rate.push(frame)
        cap_s = 1 / settings.fps_cap if settings.fps_cap else 0.0
        return self._pacer.admits(frame.captured_at, max(cap_s, self._limiter.interval_s))

    def matted(self, spent_s: float, engine: str, settings: Settings, loading: bool = False) -> None:
        """A frame took that long on the engine of that name. loading: a network is, beside it, which says nothing."""
        if loading:
            self._meter.restart()
            return
        now_s = self._clock()
        if engine in GPU_ENGINES:
            self._meter.busy(spent_s)
        limit = settings.load_limit / 100
        measured = self._meter.measure(now_s)
        load = max(self._meter.processor, self._meter.gpu) / limit if settings.load_limit < NO_LIMIT else 0.0
        interval_s = self._interval_s(settings)
        if measured:
            self._board.set(processor_share=self._meter.processor)
            self._hold_back(load, interval_s)
        if self._governor is None or self._move is not None or not interval_s:
            return
        self._expect(self._governor)
        move = self._governor.frame(now_s, spent_s, interval_s, load)
        if move is not None:
            self._move, self._why = move.preset, move.why

    def wanted(self, settings: Settings) -> Preset:
        """The preset that should run now."""
        if settings.preset != self._chosen:
            self._chosen, self._refused, self._move = settings.preset, "", None
            if settings.preset == self._running.name:
                self._note(self._running, CHOSEN)  # that `auto` had moved to it says nothing any more
            self._board.clear("preset")
            self._limiter.release()
            self._governor = None
            if settings.preset == AUTO_PRESET:
                self._govern()
        if self._governor is not None:
            return self._move or self._running
        return self._running if self._chosen == self._refused else find_preset(self._chosen)

    def moved(self, preset: Preset) -> None:
        """The preset's network runs from now on."""
        why = self._why if self._governor else CHOSEN
        before, self._running, self._move = self._running, preset, None
        self._meter.restart()
        if self._governor is not None:
            self._governor.moved(preset, self._clock())
        if before != preset:
            self._note(preset, why)

    def refused(self, preset: Preset) -> None:
        """The preset's network could not be started: what runs stays."""
        self._move = None
        if self._governor is not None:
            self._governor.refuse(preset)
        else:
            self._refused = preset.name
        self.forget()

    def forget(self) -> None:
        """What was measured until now says nothing of what comes."""
        self._meter.restart()
        if self._governor is not None:
            self._governor.hold(self._clock())

    def _note(self, preset: Preset, why: str) -> None:
        history = (*self._board.read().switches, Switch(self._clock(), preset.name, why))
        self._board.set(preset=preset.name, switches=history[-SWITCHES_KEPT:])

    def _govern(self) -> None:
        self._known = self._costs(self._rungs)
        self._governor = Governor(self._rungs, self._known, self._running.name)

    def _expect(self, governor: Governor) -> None:
        """Tell the governor if other costs are known now: measured meanwhile, or those of another engine."""
        known = self._costs(self._rungs)
        if known != self._known:
            self._known = known
            governor.expect(known)

    def _interval_s(self, settings: Settings) -> float:
        """What a frame may take: the camera's interval, or longer where fewer are wanted; 0 before that is known."""
        source_s = self._rate.interval_s
        wanted_fps = min(settings.output_fps, settings.fps_cap or settings.output_fps)
        return max(source_s, 1 / wanted_fps) if source_s else 0.0

    def _hold_back(self, load: float, interval_s: float) -> None:
        """A lighter preset comes first; frames are dropped where there is none."""
        if load and interval_s and (self._governor is None or self._governor.at_bottom):
            self._limiter.update(load, 1 / interval_s)
        else:
            self._limiter.release()
