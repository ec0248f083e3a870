"""Worker: one named thread on which a body opens, loops and closes; reports at most one failure."""

import logging
import threading
from collections.abc import Callable

from matting_core.errors import StageFailed

log = logging.getLogger(__name__)


class Worker:
    """Runs `body(stopping)` on a thread of its own until it returns or `stop` is called.

    The body opens its device, loops while `stopping` is not set, and closes its device in a `finally`,
    all on its own thread. An exception that leaves the body is reported once, as StageFailed, to
    on_failure (called on the worker's thread). Single-use.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        on_failure: Callable[[StageFailed], None],
    ) -> None:
        self.name = name
        self._body = body
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mattecam-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Set the stop flag and return at once."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; True if it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._body(self._stopping)
        except Exception as error:
            log.debug("%s failed", self.name, exc_info=True)
            self._on_failure(StageFailed(self.name, error))
