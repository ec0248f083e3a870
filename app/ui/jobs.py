"""Lane: slow work off the window's thread, with its result handed back on it."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer

from matting_core.errors import MattecamError

T = TypeVar("T")
log = logging.getLogger(__name__)
Job = tuple[Callable[[], Any], Callable[[Any], None], Callable[[Exception], None]]


def log_failure(error: Exception) -> None:
    """What happens to a failed job that nobody asked about."""
    log.warning("A background job failed: %s", error)
    told = isinstance(error, MattecamError)  # its sentence says it all
    log.log(logging.DEBUG if told else logging.WARNING, "That job:", exc_info=error)


class Lane(QObject):
    """One daemon thread that works off jobs in order.

    A daemon, and polled instead of signalling: a job that hangs (a camera driver, a network folder) can neither
    freeze the window nor keep the program from ending. Results come back while the event loop runs.
    """

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._pending = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"mattecam-{name}", daemon=True)
        self._poll = QTimer(self)
        self._poll.setInterval(30)
        self._poll.timeout.connect(self._deliver)

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] = lambda _: None,
        failed: Callable[[Exception], None] = log_failure,
    ) -> None:
        """Run `work` on the lane's thread, then `done(result)` or `failed(error)` on this one."""
        if self._closed:
            return
        if self._thread.ident is None:
            self._thread.start()
        self._pending += 1
        self._jobs.put((work, done, failed))
        self._poll.start()

    def close(self) -> None:
        """Take no more jobs, finish those waiting, hand back nothing more. Returns at once."""
        self._closed = True
        self._poll.stop()
        self._jobs.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after `close`; True if it has ended. May be called from any thread."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._results.put(_work(*job))

    def _deliver(self) -> None:
        while not self._results.empty():
            self._pending -= 1
            self._results.get()()
        if not self._pending:
            self._poll.stop()


def _work(
    work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]
) -> Callable[[], None]:
    try:
        result = work()
    except Exception as error:
        failure = error
        return lambda: failed(failure)
    return lambda: done(result)
