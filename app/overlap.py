"""Work on threads of its own: what is needed next made ahead, what is made written behind."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")

DEPTH = 2
"""So many items wait at most: one would leave a thread idle whenever another is late."""
_END: Any = object()


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made on another thread while the ones before are used.

    What making one raises is raised in its place. Once this is closed, nothing uses `items` any more.
    """
    thread = ThreadPoolExecutor(1, "mattecam-ahead")
    waiting: deque[Future[T]] = deque()
    try:
        while True:
            while len(waiting) < DEPTH:
                waiting.append(thread.submit(next, items, _END))
            item = waiting[0].result()
            waiting.popleft()
            if item is _END:
                return
            yield item
    finally:
        _give_up(thread, waiting)


class Behind:
    """Calls made on another thread in the order they are given, while the caller goes on. Used on one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "mattecam-behind")
        self._waiting: deque[Future[object]] = deque()

    def call(self, do: Callable[..., object], *given: object) -> None:
        """Have `do` called, once what was given before is done. Waits while DEPTH calls are waiting.

        Raises what an earlier one raised, and calls no other then.
        """
        while len(self._waiting) >= DEPTH:
            self._take()
        self._waiting.append(self._thread.submit(do, *given))

    def finish(self) -> None:
        """Wait until all is done. Raises what one of them raised."""
        while self._waiting:
            self._take()

    def close(self) -> None:
        """Give up what has not begun, and wait for what has. Safe to call twice."""
        _give_up(self._thread, self._waiting)
        self._waiting.clear()

    def _take(self) -> None:
        try:
            self._waiting[0].result()
        except BaseException:
            self.close()
            raise
        self._waiting.popleft()


def _give_up(thread: ThreadPoolExecutor, futures: Collection[Future[Any]]) -> None:
    """Cancel what has not begun, and wait for what has: whoever frees what that uses comes next.

    Not by joining the thread, which Python takes for ended once Ctrl-C has ended a join.
    """
    thread.shutdown(wait=False, cancel_futures=True)
    begun = [future for future in futures if not future.cancelled()]  # `wait` would wait for the others for ever
    try:
        wait(begun)
    except KeyboardInterrupt:
        wait(begun)
        raise
