"""A camera's JPEG: OpenCV's pixels, in storage used again, and damage passed over."""

import cv2
import numpy as np
import pytest

from matting_core import jpeg
from matting_core.benchmark import as_jpeg
from matting_core.frames import Array, Image
from matting_core.jpeg import LEAVE, JpegDecoder


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
    for damaged in (
        data[:-3],
        data[: data.size // 2],
        data[2:],
        data[:100],
        np.zeros(500, np.uint8),
        np.append(data[5:100], end),
    ):
        assert JpegDecoder().decode(damaged) is None


def test_an_end_may_be_missing() -> None:
    data = as_jpeg(picture())
    for cut in (1, 2):
        assert np.abs(JpegDecoder().decode(data[:-cut]) - opencvs(data)).max() <= 1


def test_slight_damage_is_taken_as_opencv_takes_it_and_decoded_once() -> None:
    data = as_jpeg(picture()).copy()
    data[data.size // 2 : data.size // 2 + 8] = 0
    stray = np.concatenate([data[:-2], np.arange(1, 20, dtype=np.uint8), data[-2:], np.zeros(300, np.uint8)])
    for damaged in (data, stray):
        decoder, tried = JpegDecoder(), []
        sound = decoder._sound
        decoder._sound = lambda given, into=tried, ask=sound: into.append(1) or ask(given)  # type: ignore[method-assign]
        for _ in range(3 * LEAVE):
            assert np.abs(decoder.decode(damaged) - opencvs(damaged)).max() <= 1
        assert len(tried) == 3, "a camera whose every picture has a flaw"
        for _ in range(LEAVE + 1):
            decoder.decode(as_jpeg(picture()))
        assert len(tried) > 3, "a camera that had one"


def test_no_damage_shows_an_earlier_picture() -> None:
    """Of what stands in the storage that is used again, nothing may be left: it would lie under another matte."""
    before, data = as_jpeg(picture(120, 160)), as_jpeg(255 - picture(120, 160))
    earlier = opencvs(before)
    scan = data.tobytes().find(b"\xff\xda")
    random = np.random.default_rng(5)
    for number in range(1500):
        decoder, bad = JpegDecoder(), data.copy()
        for _ in range(2):
            decoder.decode(before)
        if number == 0:
            bad[scan + 6], bad[scan + 12] = 0x33, 0  # fatal after a warning
        else:
            at = scan + int(random.integers(0, 14)) if number % 2 else int(random.integers(2, data.size))
            bad[at : at + int(random.integers(1, 9))] = random.integers(0, 256)
        image = decoder.decode(bad)
        if image is not None and image.shape == earlier.shape:
            assert (np.abs(image - earlier).max(axis=2) == 0).mean() < 0.5, number


def test_an_unusual_sampling_is_left_to_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(6)

    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg_header", fail)
    data = as_jpeg(picture())
    np.testing.assert_array_equal(JpegDecoder().decode(data), opencvs(data))


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


def test_no_storage_is_made_for_a_size_beyond_belief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "LARGEST_PICTURE", 100)
    decoder = JpegDecoder()
    assert decoder.decode(as_jpeg(picture())) is not None, "OpenCV has a bound of its own"
    assert not decoder._arrays._kept
