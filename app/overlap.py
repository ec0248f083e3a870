"""Makes items ahead, and carries out calls behind, each on a thread of its own (live videos: `ahead_loop.py`)."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")

DEPTH = 2
"""So many items or calls wait at most: one would leave a thread idle whenever another is late."""
_END: Any = object()


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, DEPTH of them made on another thread while one is used.

    What making one raises is raised in its place. `items` must not be used elsewhere until this is closed.
    """
    thread = ThreadPoolExecutor(1, "mattecam-ahead")
    waiting: deque[Future[T]] = deque()
    try:
        waiting.extend(thread.submit(next, items, _END) for _ in range(DEPTH))
        while (item := waiting[0].result()) is not _END:
            waiting.popleft()
            waiting.append(thread.submit(next, items, _END))
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

        Raises what an earlier one raised, then and ever after; what waits behind that one may still be called.
        """
        while len(self._waiting) >= DEPTH:
            self._take()
        self._waiting.append(self._thread.submit(do, *given))

    def finish(self) -> None:
        """Wait until all is done. Raises what one of them raised."""
        while self._waiting:
            self._take()

    def close(self) -> None:
        """Give up what has not begun, and wait for what has, whatever it raises. Safe to call twice."""
        _give_up(self._thread, self._waiting)

    def _take(self) -> None:
        self._waiting[0].result()  # stays where it failed, so that it fails again
        self._waiting.popleft()


def _give_up(thread: ThreadPoolExecutor, futures: deque[Future[Any]]) -> None:
    """Cancel what has not begun, and wait for what has, also on Ctrl-C: who frees what that uses comes next.

    Not by joining the thread: at least Python 3.11 takes it for ended once Ctrl-C has ended a join.
    """
    try:
        _drain(thread, futures)
    except KeyboardInterrupt:
        _drain(thread, futures)
        raise
    finally:
        thread.shutdown(wait=False)


def _drain(thread: ThreadPoolExecutor, futures: deque[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
    try:
        last = thread.submit(int)  # done when everything before it is
    except RuntimeError:
        return  # given up before
    wait([last])
