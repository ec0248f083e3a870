"""Mailbox: one slot, newest wins, and what it replaced is told exactly once."""

import threading

from app.mailbox import Mailbox


def test_the_newest_wins_and_the_dropped_are_told() -> None:
    dropped: list[int] = []
    box: Mailbox[int] = Mailbox(dropped.append)
    for number in range(5):
        box.put(number)
    assert box.take(0) == 4
    assert dropped == [0, 1, 2, 3]
    assert box.take(0) is None


def test_close_drops_what_is_inside_and_all_that_follows() -> None:
    dropped: list[int] = []
    box: Mailbox[int] = Mailbox(dropped.append)
    box.put(1)
    box.close()
    box.put(2)
    box.close()
    assert dropped == [1, 2]
    assert box.take(5.0) is None, "a closed mailbox must not make its consumer wait"


def test_put_wakes_a_waiting_consumer() -> None:
    box: Mailbox[str] = Mailbox(lambda _item: None)
    got: list[str | None] = []
    consumer = threading.Thread(target=lambda: got.append(box.take(10.0)))
    consumer.start()
    box.put("frame")
    consumer.join(5.0)
    assert got == ["frame"]


def test_between_threads_every_item_is_taken_or_dropped() -> None:
    dropped: list[int] = []
    taken: list[int] = []
    box: Mailbox[int] = Mailbox(dropped.append)

    def consume() -> None:
        while (item := box.take(1.0)) is not None:
            taken.append(item)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(5000):
        box.put(number)
    box.close()
    consumer.join(5.0)
    assert sorted(taken + dropped) == list(range(5000))
    assert taken == sorted(taken)
