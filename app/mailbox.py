"""Mailbox[T]: the hand-off between two threads. One slot; the newest wins, and what it replaces is reported."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot between one producer and one consumer.

    A camera cannot be slowed, so `put` never waits: an item that was not yet taken is dropped and handed to on_drop.
    After `put` the producer must not touch the item's arrays again.
    """

    def __init__(self, on_drop: Callable[[T], None]) -> None:
        self._filled = threading.Condition()
        self._on_drop = on_drop
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> None:
        """Leave the newest item; after `close` it is dropped at once."""
        with self._filled:
            dropped = item if self._closed else self._item
            if not self._closed:
                self._item = item
                self._filled.notify()
        if dropped is not None:
            self._on_drop(dropped)

    def take(self, timeout_s: float) -> T | None:
        """The newest item, or None if none came within timeout_s or the mailbox is closed."""
        with self._filled:
            if self._item is None and not self._closed:
                self._filled.wait(timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake the consumer for good; an item still inside is dropped."""
        with self._filled:
            self._closed = True
            dropped, self._item = self._item, None
            self._filled.notify_all()
        if dropped is not None:
            self._on_drop(dropped)
