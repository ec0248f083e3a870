"""EngineFallback: which engine runs when one does no good. The same built again, then the next of the order."""

import logging

from app.board import Board
from app.engine_start import EngineStart
from app.network_loader import Plan
from matting_core.engine_names import fallback_order
from matting_core.errors import EngineError, InferenceFailed
from matting_core.predictor import Predictor
from matting_core.presets import Preset

log = logging.getLogger(__name__)

FAILURES_BEFORE_REBUILD = 3
SUCCESSES_TO_TRUST = 100


class EngineFallback:
    """Starts the user's engine, and counts how its frames go. Used on the matting thread."""

    def __init__(self, starter: EngineStart, board: Board, engine: str, avoid: tuple[str, ...]) -> None:
        """engine: as in the settings. avoid: engines that hung and must not be started."""
        self._starter = starter
        self._board = board
        self._engine = engine
        self._avoid = avoid
        self._left = [name for name in fallback_order(engine) if name not in avoid]
        self._failures = 0
        self._successes = 0
        self._rebuilt = False
        self._last_error: InferenceFailed | None = None

    def start(self, preset: Preset) -> tuple[Plan, Predictor]:
        """The user's engine, and how it was opened. One that 'auto' found and that gives no matte is replaced.

        Raises MattecamError.
        """
        if self._avoid:
            plural = "s" * (len(self._avoid) > 1)
            hung = EngineError(
                f"The {' and '.join(self._avoid)} engine{plural} stopped responding, and no other engine works here.",
                "Restart the engine; if this happens again, restart the computer.",
            )
            return self._first_that_works(self._left, preset, hung)
        plan = self._starter.plan(preset, self._engine)
        try:
            return plan, self._starter.open(plan)
        except InferenceFailed as error:
            if self._engine != "auto":
                raise
            log.warning("an engine that gives no matte: %s", error)
            useless = error
        plan, predictor = self._first_that_works(self._left, preset, useless)
        told = f"{useless.problem} The {predictor.engine.name} engine runs instead."
        self._board.say("engine", told, "warning", useless.mend)
        return plan, predictor

    def succeeded(self) -> None:
        """A frame was matted."""
        self._failures = 0
        self._successes += 1
        if self._successes == SUCCESSES_TO_TRUST:
            self._rebuilt = False

    def failed(self, error: InferenceFailed) -> bool:
        """A frame was not; True when the engine has failed too often in a row and is to be replaced."""
        self._failures += 1
        self._successes = 0
        self._last_error = error
        return self._failures >= FAILURES_BEFORE_REBUILD

    def replace(self, predictor: Predictor) -> tuple[Plan, Predictor]:
        """The same engine built again; where that did not help before, the next one in the order. Says so.

        Raises EngineError.
        """
        assert self._last_error is not None, "it failed"
        name = predictor.engine.name
        predictor.close()
        self._failures = 0
        if name in self._left:
            self._left = self._left[self._left.index(name) + 1 :]
        given_up = EngineError(
            f"The {name} engine keeps failing, and no other engine works here.", "Choose another engine and restart."
        )
        candidates = self._left if self._rebuilt else [name, *self._left]
        plan, rebuilt = self._first_that_works(candidates, predictor.preset, given_up, self._last_error)
        self._rebuilt = plan.engine == name
        what = "was restarted" if self._rebuilt else f"was replaced by {plan.engine}"
        problem = f"The {name} engine kept failing, so it {what}. {self._last_error.problem}"
        self._board.say("engine", problem, "warning", self._last_error.mend)
        return plan, rebuilt

    def _first_that_works(
        self, names: list[str], preset: Preset, otherwise: EngineError, cause: EngineError | None = None
    ) -> tuple[Plan, Predictor]:
        """The first of these engines that starts. Raises `otherwise`, from `cause` or why the last one did not."""
        reason: EngineError | None = None
        for name in names:
            plan = self._starter.plan(preset, name)
            try:
                return plan, self._starter.open(plan)
            except EngineError as error:
                log.warning("engine %s does not start: %s", name, error)
                reason = error
        raise otherwise from cause or reason
