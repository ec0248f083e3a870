"""A camera's JPEG: OpenCV's pixels, in storage used again, and damage passed over."""

import cv2
import numpy as np
import pytest

from matting_core import jpeg
from matting_core.benchmark import as_jpeg
from matting_core.frames import Array, Image
from matting_core.jpeg import JpegDecoder


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


def opencvs(data: Array) -> Array:
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)).astype(int)


@pytest.mark.parametrize("size", [(360, 640), (361, 643)])
def test_the_pixels_are_opencvs(size: tuple[int, int]) -> None:
    """Colours interpolated, too: repeated, they would lay the room's over the person's outermost pixels."""
    for data in (as_jpeg(picture(*size)), cv2.imencode(".jpg", picture(*size))[1]):
        decoder = JpegDecoder()
        for _ in range(2):  # into new storage, and into storage used again
            assert np.abs(decoder.decode(data) - opencvs(data)).max() <= 1, "two builds of one library"


def test_huffman_tables_may_be_missing_and_grey_becomes_bgr() -> None:
    whole = cv2.imencode(".jpg", picture())[1]
    bare = without_tables(whole)
    assert bare.size < whole.size
    np.testing.assert_array_equal(JpegDecoder().decode(bare), JpegDecoder().decode(whole))
    grey = JpegDecoder().decode(cv2.imencode(".jpg", picture()[..., 0])[1])
    assert grey is not None and grey.shape == (360, 640, 3)


def test_storage_is_used_again_once_nobody_holds_it() -> None:
    decoder, data = JpegDecoder(), as_jpeg(picture())
    assert decoder.decode(data) is not None
    places = set()
    for _ in range(6):
        image = decoder.decode(data)
        assert image is not None
        places.add(image.__array_interface__["data"][0])
        del image
    assert len(places) == 1
    first, second = decoder.decode(data), decoder.decode(as_jpeg(255 - picture()))
    assert first is not None and second is not None and not np.shares_memory(first, second)


def test_no_storage_stays_of_a_size_that_only_a_damaged_header_named() -> None:
    decoder = JpegDecoder()
    for height in (360, 344, 360, 328, 360):
        image = decoder.decode(as_jpeg(picture(height)))
        assert image is not None and image.shape == (height, 640, 3)
        assert len(decoder._arrays._kept) <= 1


def test_what_is_cut_or_no_jpeg_is_nothing() -> None:
    data = as_jpeg(picture())
    end = np.array([0xFF, 0xD9], np.uint8)
    for damaged in (data[: data.size // 2], data[2:], data[:100], np.zeros(500, np.uint8), np.append(data[5:100], end)):
        assert JpegDecoder().decode(damaged) is None


def test_slight_damage_is_taken_as_opencv_takes_it_and_shows_nothing_of_the_picture_before() -> None:
    decoder, data = JpegDecoder(), as_jpeg(picture()).copy()
    assert decoder.decode(as_jpeg(255 - picture())) is not None
    data[data.size // 2 : data.size // 2 + 8] = 0
    stray = np.concatenate([data[:-2], np.arange(1, 20, dtype=np.uint8), data[-2:], np.zeros(300, np.uint8)])
    for damaged in (data, stray):
        assert np.abs(decoder.decode(damaged) - opencvs(damaged)).max() <= 1


def test_an_orientation_is_never_heeded() -> None:
    """Else a camera's picture would turn with each damaged one."""
    data = as_jpeg(picture())
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    head = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    turned = np.concatenate([data[:2], np.frombuffer(head, np.uint8), data[2:]])
    assert opencvs(turned).shape == (640, 360, 3)
    for each in (turned, np.append(turned, np.uint8(7))):
        image = JpegDecoder().decode(each)
        assert image is not None and image.shape == (360, 640, 3)


def test_a_size_beyond_belief_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "LARGEST_PICTURE", 100)
    assert JpegDecoder().decode(as_jpeg(picture())) is None
