"""What is made ahead keeps its order and its errors; what is done behind is done in order, and its errors come back."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import wait as futures_wait

import pytest

from app import overlap
from app.cli import THREADS
from app.overlap import DEPTH, Behind, ahead

SOON_S = 10.0


def fail() -> None:
    raise OSError("no space left")


def test_items_made_ahead_keep_their_order() -> None:
    assert list(ahead(iter(range(50)))) == list(range(50))


def test_the_next_item_is_made_on_another_thread_while_one_is_used() -> None:
    makers: list[threading.Thread] = []
    second_made = threading.Event()

    def items() -> Iterator[int]:
        for number in range(2):
            makers.append(threading.current_thread())
            if number:
                second_made.set()
            yield number

    with contextlib.closing(ahead(items())) as made:
        assert next(made) == 0
        assert second_made.wait(SOON_S)
    assert threading.current_thread() not in makers


def test_so_many_are_made_ahead_and_no_more() -> None:
    made: list[int] = []
    full = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == DEPTH:
                full.set()
            yield number

    with contextlib.closing(ahead(items())) as given:
        assert next(given) == 0
        assert full.wait(SOON_S)
        time.sleep(0.05)
        assert made == list(range(1 + DEPTH))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    given = ahead(items())
    assert [next(given), next(given)] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(given)


def test_nothing_uses_the_items_once_it_is_closed() -> None:
    going = threading.Event()

    def items() -> Iterator[int]:
        while True:
            going.set()
            yield 0

    source = items()
    given = ahead(source)
    next(given)
    given.close()
    source.close()  # "generator already executing" if another thread were in it
    going.clear()
    assert not going.wait(0.05)


@pytest.fixture
def ctrl_c_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Ends the first wait with Ctrl-C. The event is set once there is another."""
    again = threading.Event()
    waits = iter(["first"])

    def wait(futures: list[Future[object]]) -> object:
        if next(waits, None):
            raise KeyboardInterrupt
        again.set()
        return futures_wait(futures)

    monkeypatch.setattr(overlap, "wait", wait)
    yield again
    assert again.is_set(), "nothing waited a second time"


def test_ctrl_c_while_it_is_closed_does_not_leave_the_items_in_use(ctrl_c_once: threading.Event) -> None:
    making = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        making.set()
        assert ctrl_c_once.wait(SOON_S)
        yield 1

    source = items()
    given = ahead(source)
    next(given)
    assert making.wait(SOON_S)
    with pytest.raises(KeyboardInterrupt):
        given.close()
    source.close()  # "generator already executing" if another thread were in it


def test_ctrl_c_while_it_is_closed_does_not_leave_a_call_going(ctrl_c_once: threading.Event) -> None:
    started, done = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert ctrl_c_once.wait(SOON_S)
        done.set()

    behind = Behind()
    behind.call(slow)
    assert started.wait(SOON_S)
    with pytest.raises(KeyboardInterrupt):
        behind.close()
    assert done.is_set()
    behind.close()


def test_its_threads_are_known_as_ours() -> None:
    names: list[str] = []
    list(ahead(names.append(threading.current_thread().name) for _ in range(1)))
    behind = Behind()
    behind.call(lambda: names.append(threading.current_thread().name))
    behind.finish()
    behind.close()
    assert all(name.startswith(THREADS) for name in names)
    assert len(names) == 2


def test_calls_are_made_in_order_on_another_thread() -> None:
    done: list[int] = []
    threads: set[threading.Thread] = set()
    behind = Behind()
    with contextlib.closing(behind):
        for number in range(50):
            behind.call(lambda given: (done.append(given), threads.add(threading.current_thread())), number)
        behind.finish()
    assert done == list(range(50))
    assert threading.current_thread() not in threads


def test_a_caller_waits_once_too_many_calls_wait() -> None:
    free, started = threading.Event(), threading.Event()
    behind = Behind()

    def slow() -> None:
        started.set()
        assert free.wait(SOON_S)

    with contextlib.closing(behind):
        for _ in range(DEPTH):
            behind.call(slow)
        assert started.wait(SOON_S)
        more = threading.Thread(target=behind.call, args=(slow,))
        more.start()
        more.join(0.05)
        assert more.is_alive()
        free.set()
        more.join(SOON_S)
        assert not more.is_alive()
        behind.finish()


def test_an_error_is_raised_by_a_later_call_which_is_not_made() -> None:
    done: list[str] = []

    behind = Behind()
    with contextlib.closing(behind):
        behind.call(fail)
        with pytest.raises(OSError, match="no space left"):
            for _ in range(DEPTH):
                behind.call(done.append, "later")
        with pytest.raises(OSError, match="no space left"):
            behind.call(done.append, "after the end")
    assert len(done) <= DEPTH - 1, "what waited behind it"


def test_an_error_is_raised_at_the_end_at_the_latest() -> None:
    behind = Behind()
    with contextlib.closing(behind):
        behind.call(fail)
        with pytest.raises(OSError, match="no space left"):
            behind.finish()
