"""A camera's JPEG: OpenCV's pixels, in storage used again, and damage passed over."""

import cv2
import numpy as np
import pytest

from matting_core import jpeg
from matting_core.benchmark import as_jpeg
from matting_core.buffers import Recycler
from matting_core.frames import Array, Image
from matting_core.jpeg import decode_jpeg


def picture(height: int = 360, width: int = 640) -> Image:
    """Colours that change gently, with a hard edge in the middle."""
    y, x = np.mgrid[:height, :width]
    smooth = np.dstack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)]).astype(np.uint8)
    smooth[:, width // 2 :] = 255 - smooth[:, width // 2 :]
    return smooth


def without_tables(data: Array) -> Array:
    """The same without its Huffman tables, as many webcams send it."""
    raw, at = data.tobytes(), 2
    kept = raw[:2]
    while raw[at + 1] != 0xDA:
        length = 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        if raw[at + 1] != 0xC4:
            kept += raw[at : at + length]
        at += length
    return np.frombuffer(kept + raw[at:], np.uint8)


@pytest.mark.parametrize("size", [(360, 640), (361, 643)])
def test_the_pixels_are_opencvs(size: tuple[int, int]) -> None:
    """Colours interpolated, too: repeated, they would lay the room's over the person's outermost pixels."""
    for data in (as_jpeg(picture(*size)), cv2.imencode(".jpg", picture(*size))[1]):
        expected = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)).astype(int)
        assert np.abs(decode_jpeg(data, Recycler()) - expected).max() <= 1, "two builds of one library"


def test_huffman_tables_may_be_missing_and_grey_becomes_bgr() -> None:
    whole = cv2.imencode(".jpg", picture())[1]
    bare = without_tables(whole)
    assert bare.size < whole.size
    expected = decode_jpeg(whole, Recycler())
    np.testing.assert_array_equal(decode_jpeg(bare, Recycler()), expected)
    grey = decode_jpeg(cv2.imencode(".jpg", picture()[..., 0])[1], Recycler())
    assert grey is not None and grey.shape == (360, 640, 3)


def test_storage_is_used_again_once_nobody_holds_it() -> None:
    data, arrays = as_jpeg(picture()), Recycler()
    places = set()
    for _ in range(6):
        image = decode_jpeg(data, arrays)
        assert image is not None
        places.add(image.__array_interface__["data"][0])
        del image
    assert len(places) == 1
    first, second = decode_jpeg(data, arrays), decode_jpeg(as_jpeg(255 - picture()), arrays)
    assert first is not None and second is not None and not np.shares_memory(first, second)


def test_what_is_cut_or_no_jpeg_is_nothing() -> None:
    data = as_jpeg(picture())
    for damaged in (data[: data.size // 2], data[2:], data[:100], np.zeros(500, np.uint8)):
        assert decode_jpeg(damaged, Recycler()) is None


def test_slight_damage_is_taken_as_opencv_takes_it(capfd: pytest.CaptureFixture[str]) -> None:
    data = as_jpeg(picture()).copy()
    data[data.size // 2 : data.size // 2 + 8] = 0
    np.testing.assert_array_equal(decode_jpeg(data, Recycler()), cv2.imdecode(data, cv2.IMREAD_COLOR))


def test_no_storage_is_made_for_a_size_beyond_belief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "LARGEST_PICTURE", 100)
    arrays = Recycler()
    assert decode_jpeg(as_jpeg(picture()), arrays) is not None, "OpenCV has a bound of its own"
    assert not arrays._kept
