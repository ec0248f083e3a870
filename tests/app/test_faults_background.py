"""Background files that are gone, broken, huge or odd: the old background or a slate stays, never the room."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app import background_loader
from matting_core.frames import Image
from matting_core.pictures import write_image
from matting_core.video_loop import VideoLoop
from tests.support.rig import BACKGROUND_BGR, SETTINGS, Rig
from tests.support.room import HEIGHT, WIDTH

GOOD_BGR = (10, 120, 30)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon."""
    monkeypatch.setattr(background_loader, "RETRY_S", 0.1)


def corner(rig: Rig) -> tuple[int, ...]:
    newest = rig.memory.newest
    return () if newest is None else tuple(int(value) for value in newest[4, 4])


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    # A GIF has 256 colours.
    return bool(one) and max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 24


def plain(colour: tuple[int, int, int] = GOOD_BGR, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def bomb_png() -> bytes:
    """A few bytes that claim to be a picture of 40,000 × 40,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def film(path: Path, colours: list[tuple[int, int, int]], codec: str, pixels: str) -> None:
    """A video of plain pictures at 10 fps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for colour in colours:
            frame = av.VideoFrame.from_ndarray(plain(colour, (64, 48)), format="bgr24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.png", None, "cannot be read (No such file"),
        ("gone.mp4", None, "cannot be read (No such file"),
        ("broken.jpg", b"\xff\xd8\xff\xe0 nothing", "is not a readable picture"),
        ("broken.mp4", b"\0\0\0\x20ftypisom" + bytes(500), "is not a readable video"),
        ("broken.gif", b"GIF89a\x10\0\x10\0", "no "),
        ("bomb.png", bomb_png(), "cannot be decoded"),
    ],
)
def test_a_file_that_cannot_be_shown_leaves_the_old_background_and_is_taken_when_it_is_mended(
    rig: Rig, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(background=str(path)))
    rig.until(lambda: rig.notice("background") is not None)
    told = rig.notice("background")
    assert told is not None
    assert name in told.problem
    assert words in told.problem
    assert told.mend
    assert corner(rig) == BACKGROUND_BGR
    assert rig.shows_person()
    write_good(path)
    rig.until(lambda: near(corner(rig), GOOD_BGR))
    assert rig.notice("background") is None


def write_good(path: Path) -> None:
    if path.suffix in (".png", ".jpg"):
        write_image(path, plain())
    else:
        codec, pixels = ("gif", "rgb8") if path.suffix == ".gif" else ("libx264", "yuv420p")
        film(path, [GOOD_BGR, GOOD_BGR], codec, pixels)


def test_for_a_background_deleted_before_the_start_a_colour_stands_in_until_it_is_there(
    rig: Rig, tmp_path: Path
) -> None:
    path = tmp_path / "deleted.png"
    pipeline = rig.build(SETTINGS.changed(background=str(path)))
    rig.until(lambda: rig.notice("background") is not None)
    rig.until(rig.shows_person)
    assert corner(rig) == (0x52, 0x42, 0x3B)
    write_image(path, plain())
    rig.until(lambda: corner(rig) == GOOD_BGR)
    assert rig.notice("background") is None
    assert pipeline.settings.background == str(path)


def test_a_notice_that_was_put_away_does_not_come_back_with_every_try(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build(SETTINGS.changed(background=str(tmp_path / "gone.png")))
    rig.until(lambda: rig.notice("background") is not None)
    pipeline.dismiss("background")
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 80)  # some tries have been made
    assert rig.notice("background") is None


def test_a_background_deleted_while_it_is_shown_stays(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "shown.png"
    write_image(path, plain())
    pipeline = rig.build(SETTINGS.changed(background=str(path)))
    rig.until(rig.shows_person)
    path.unlink()
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 20)
    assert corner(rig) == GOOD_BGR


def test_a_picture_of_100_megapixels_is_shown_and_the_person_goes_on_meanwhile(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    flags = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    path.write_bytes(cv2.imencode(".png", np.full((10_000, 10_000), 90, np.uint8), flags)[1].tobytes())
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.apply(pipeline.settings.changed(background=str(path)))
    shown = pipeline.status().stats.shown
    rig.until(lambda: corner(rig) == (90, 90, 90), timeout_s=30.0)
    assert pipeline.status().stats.shown > shown
    assert pipeline.status().notices == ()


def test_an_animated_gif_moves_and_loops(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0)]
    film(path, colours, "gif", "rgb8")
    rig.build(SETTINGS.changed(background=str(path)))
    for wanted in (*colours, *colours[:2]):
        rig.until(lambda wanted=wanted: near(corner(rig), wanted))


def test_a_picture_with_exif_rotation_stands_upright(rig: Rig, tmp_path: Path) -> None:
    """Lying, its left half is green; turned by 90° as its EXIF says, that is the upper half."""
    lying = plain((0, 0, 200), (HEIGHT, WIDTH))
    lying[:, : HEIGHT // 2] = GOOD_BGR
    jpeg = cv2.imencode(".jpg", lying, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    rig.build(SETTINGS.changed(background=str(path)))
    rig.until(rig.shows_person)
    newest = rig.memory.newest
    assert newest is not None
    assert near(tuple(int(value) for value in newest[8, 8]), GOOD_BGR)
    assert near(tuple(int(value) for value in newest[HEIGHT - 8, 8]), (0, 0, 200))


def test_a_video_that_ends_starts_again(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    film(path, [(200, 40, 40), GOOD_BGR], "libx264", "yuv420p")
    rig.build(SETTINGS.changed(background=str(path)))
    for wanted in ((200, 40, 40), GOOD_BGR) * 3:
        rig.until(lambda wanted=wanted: near(corner(rig), wanted))


def test_a_video_that_breaks_keeps_its_last_picture_is_told_and_plays_again_when_it_can(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "breaks.mp4"
    film(path, [(200, 40, 40), GOOD_BGR], "libx264", "yuv420p")
    real: Callable[[VideoLoop], object] = VideoLoop._pull
    broken = True

    def pull(self: VideoLoop) -> object:
        return None if broken and getattr(self, "_first", None) is None and self._end_s > 0 else real(self)

    monkeypatch.setattr(VideoLoop, "_pull", pull)
    rig.build(SETTINGS.changed(background=str(path)))
    rig.until(lambda: rig.notice("background") is not None)
    told = rig.notice("background")
    assert told is not None
    assert "breaks.mp4 can no longer be read" in told.problem
    rig.until(rig.shows_person)
    broken = False
    rig.until(lambda: rig.notice("background") is None)
    for wanted in ((200, 40, 40), GOOD_BGR) * 2:
        rig.until(lambda wanted=wanted: near(corner(rig), wanted))
