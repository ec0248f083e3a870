"""Mailbox[T]: the hand-off between two threads. One slot; the newest wins; what it replaced is counted."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot between one producer and one consumer.

    A camera cannot be slowed, so `put` never waits: an item not yet taken is replaced and counted in
    `dropped`. After `put` the producer must not touch the item's arrays again.
    """

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._put = 0
        self._dropped = 0

    @property
    def received(self) -> int:
        """How many items were put in."""
        return self._put

    @property
    def dropped(self) -> int:
        """How many items were replaced, or thrown away on `close`, before anybody took them."""
        return self._dropped

    def put(self, item: T) -> None:
        """Leave the newest item; after `close` it is counted and dropped."""
        with self._filled:
            self._put += 1
            if self._closed:
                self._dropped += 1
                return
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._filled.notify()

    def take(self, timeout_s: float) -> T | None:
        """The newest item, or None if none came within timeout_s or the mailbox is closed."""
        with self._filled:
            if self._item is None and not self._closed:
                self._filled.wait(timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake the consumer for good; an item still inside counts as dropped."""
        with self._filled:
            self._closed = True
            if self._item is not None:
                self._item = None
                self._dropped += 1
            self._filled.notify_all()
