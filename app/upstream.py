"""Upstream: capture and matting with the mailbox between them, and the watch over both."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.capture_stage import CaptureStage
from app.mailbox import Mailbox
from app.matting_stage import MattingStage
from app.pulse import Watchdog
from app.worker import Worker
from matting_core.errors import StageFailed
from matting_core.frames import Frame

if TYPE_CHECKING:
    from app.pipeline import Pipeline

log = logging.getLogger(__name__)

LET_GO_S = 20.0
"""How long a new upstream waits for the camera and the engine of the one before. A model that is being loaded cannot
be broken off, and takes seconds on a slow machine."""


class Upstream:
    """One capture and one matting worker. Single-use: a restart builds a new one, which waits on its own threads
    until the one before has let go of the camera and the engine.

    A worker that is stuck in a driver or a library can be given up: nobody waits for it any more. Should it come
    back, it ends without leaving anything for the output.
    """

    def __init__(self, pipeline: "Pipeline", before: "Upstream | None", avoid: tuple[str, ...] = ()) -> None:
        """avoid: engines that must not be started, because they hung."""
        self._before = before
        stats, board, parts = pipeline.recorder, pipeline.board, pipeline.parts
        self._frames: Mailbox[Frame] = Mailbox(lambda _frame: stats.count("dropped_unmatted"))
        capture = CaptureStage(
            pipeline.settings,
            self._frames,
            board,
            stats,
            parts.must_open and before is None,
            parts.open_source,
            pipeline.demand.wanted,
        )
        self._matting = MattingStage(
            lambda: pipeline.settings,
            pipeline.size,
            self._frames,
            pipeline.matted,
            board,
            stats,
            parts.create_engine,
            avoid,
            lambda: pipeline.behind,
        )
        bodies = {"capture": capture.run, "matting": self._matting.run}
        self._failed = pipeline.failed
        self._stopped = False
        self._workers = {name: Worker(name, self._after_before(body), self._tell) for name, body in bodies.items()}
        self._watchdogs = {"capture": Watchdog(capture.pulse), "matting": Watchdog(self._matting.pulse)}
        self._given_up: set[str] = set()

    @property
    def engine_name(self) -> str:
        """The engine that matting uses, or empty before one is loaded."""
        return self._matting.engine_name

    def start(self) -> None:
        for worker in self._workers.values():
            worker.start()

    def ask_to_stop(self) -> None:
        self._stopped = True
        for worker in self._workers.values():
            worker.ask_to_stop()

    def chain(self) -> Iterator["Upstream"]:
        """This one, and those before it that have not ended."""
        yield self
        before = self._before
        if before is not None:
            yield from before.chain()

    def give_up_stuck(self, now_s: float, limit_s: float) -> list[str]:
        """Wait no more for the stages that looks up to now_s have found inside one call for longer than limit_s.

        Returns their names, once.
        """
        stuck = [
            name
            for name, watchdog in self._watchdogs.items()
            if watchdog.stuck_s(now_s) > limit_s and name not in self._given_up
        ]
        for name in stuck:
            log.warning("the %s stage does not come back and is given up", name)
        self._given_up.update(stuck)
        return stuck

    def join(self, until_s: float) -> bool:
        """Wait until all threads, and those of every upstream before, have ended; False if time ran out.

        A worker that was given up is not waited for.
        """
        before = self._before
        ended = before is None or before.join(until_s)
        for name, worker in self._workers.items():
            if name not in self._given_up:
                ended &= worker.join(max(0.0, until_s - time.monotonic()))
        self._frames.close()
        if ended:
            self._before = None
        return ended

    def _tell(self, failure: StageFailed) -> None:
        """Pass a failure on, but not of a stage that another has taken over from."""
        if self._stopped or failure.stage in self._given_up:
            log.info("a stage that was left behind failed: %s", failure)
        else:
            self._failed(failure)

    def _after_before(self, body: Callable[[threading.Event], None]) -> Callable[[threading.Event], None]:
        def run(stopping: threading.Event) -> None:
            before = self._before
            until_s = time.monotonic() + LET_GO_S
            while before is not None and not before.join(time.monotonic() + 0.1):
                if time.monotonic() > until_s:
                    break
            if not stopping.is_set():
                body(stopping)

        return run
