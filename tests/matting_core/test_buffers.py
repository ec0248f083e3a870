"""Scratch arrays that stay, and travelling ones that come back only when nobody holds them."""

import threading

import cv2
import numpy as np

from matting_core.buffers import Buffers, Recycler


def storage(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_a_buffer_is_made_once_for_each_name_and_type() -> None:
    buffers = Buffers()
    first = buffers.get("a", (2, 3))
    assert first.shape == (2, 3)
    assert storage(buffers.get("a", (2, 3))) == storage(buffers.get("a", (1, 2, 2))) == storage(first)
    others = [buffers.get("b", (2, 3)), buffers.get("a", (2, 3), np.float32)]
    assert not any(np.shares_memory(first, other) for other in others)


def test_storage_grows_to_the_largest_and_keeps_no_other() -> None:
    buffers = Buffers()
    for side in (4, 9, 7, 9):
        assert buffers.get("a", (side, side)).shape == (side, side)
    places = {storage(buffers.get("a", (side, side))) for side in (4, 7, 9)}
    assert len(places) == 1


def test_storage_comes_back_when_nobody_holds_it() -> None:
    arrays = Recycler()
    array = arrays.new((4, 5))
    place = storage(array)
    del array
    again = arrays.new((4, 5))
    assert storage(again) == place
    assert again.flags.writeable
    assert again.shape == (4, 5)


def test_what_is_held_is_never_handed_out_again() -> None:
    arrays = Recycler()
    held = [arrays.new((8, 8)) for _ in range(5)]
    assert len({storage(array) for array in held}) == 5
    row = held.pop()[3:4, 2:]  # a part of a view, which alone is left
    assert all(not np.shares_memory(row, arrays.new((8, 8))) for _ in range(3))


def test_another_thread_holds_as_well() -> None:
    arrays = Recycler()
    taken, done = threading.Event(), threading.Event()

    def hold(array: np.ndarray) -> None:
        taken.set()
        done.wait(10)
        assert (array == 7).all()

    array = arrays.new((16, 16))
    array.fill(7)
    thread = threading.Thread(target=hold, args=(array,))
    thread.start()
    assert taken.wait(10)
    del array
    arrays.new((16, 16)).fill(1)
    done.set()
    thread.join(10)
    assert not thread.is_alive()


def test_one_made_read_only_comes_back_writable() -> None:
    arrays = Recycler()
    array = arrays.new((4, 4, 3))
    assert cv2.flip(np.ones((4, 4, 3), np.uint8), 1, dst=array) is array
    array.flags.writeable = False
    place = storage(array)
    del array
    again = arrays.new((4, 4, 3))
    again.fill(3)
    assert storage(again) == place


def test_as_many_are_kept_as_were_held_at_once() -> None:
    arrays = Recycler()
    places = set()
    for _ in range(50):
        pair = arrays.new((6, 6)), arrays.new((6, 6))
        places |= {storage(array) for array in pair}
        del pair
    assert len(places) == 2
