"""Backgrounds: the SPEC grammar, pictures fitted to the canvas, and videos at their own pace."""

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app.ahead_loop import AheadLoop
from matting_core.background import VideoBackground, open_background
from matting_core.background_spec import BackgroundSpec, parse_spec
from matting_core.errors import MediaError, UsageError
from matting_core.frames import Frame, Image, MattedFrame
from matting_core.pictures import write_image
from matting_core.video_loop import VideoLoop

MATTED = MattedFrame(Frame(np.full((36, 64, 3), 77, np.uint8), 0.0, 0), np.zeros((36, 64), np.uint8))
CANVAS = np.empty((36, 64, 3), np.uint8)
LEVELS = (20, 120, 220)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three grey pictures at 10 fps."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "bgr0"
        for level in LEVELS:
            picture = np.full((36, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("none", "none", ""),
        ("transparent", "transparent", ""),
        ("blur", "blur", "30"),
        ("blur:7", "blur", "7"),
        ("color:#00B140", "color", "#00b140"),
        ("color:00b140", "color", "#00b140"),
        ("beach.jpg", "file", "beach.jpg"),
        ("C:/beach.jpg", "file", "C:/beach.jpg"),
    ],
)
def test_a_spec_is_read(text: str, kind: str, value: str) -> None:
    spec = parse_spec(text)
    assert (spec.kind, Path(spec.value) if kind == "file" else spec.value) == (
        kind,
        Path(value) if kind == "file" else value,
    )


@pytest.mark.parametrize("text", ["", "  ", "blur:0", "blur:101", "blur:x", "blur:", "color:red", "color:#12345"])
def test_a_wrong_spec_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        parse_spec(text)


def test_colour_and_chroma() -> None:
    colour, chroma, none = (open_background(parse_spec(s), 64, 36) for s in ("color:#102030", "transparent", "none"))
    assert (colour.render(MATTED, 0.0, CANVAS) == (0x30, 0x20, 0x10)).all()
    assert (chroma.render(MATTED, 0.0, CANVAS) == (0x40, 0xB1, 0)).all()
    assert none.render(MATTED, 0.0, CANVAS) is MATTED.frame.image


def test_the_blurred_room_is_painted_on_the_canvas_and_nothing_else_is() -> None:
    canvas = np.zeros((36, 64, 3), np.uint8)
    assert open_background(parse_spec("color:#102030"), 64, 36).render(MATTED, 0.0, canvas) is not canvas
    assert not canvas.any()
    assert open_background(parse_spec("blur"), 64, 36).render(MATTED, 0.0, canvas) is canvas
    assert (canvas == 77).all()


def test_a_picture_covers_the_canvas(tmp_path: Path) -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :] = (1, 2, 3)
    write_image(tmp_path / "ü.png", picture)
    background = open_background(BackgroundSpec("file", str(tmp_path / "ü.png")), 64, 36)
    assert background.render(MATTED, 0.0, CANVAS).shape == (36, 64, 3)
    assert (background.render(MATTED, 0.0, CANVAS) == (1, 2, 3)).all()


@pytest.mark.parametrize("name", ["missing.png", "missing.mp4", "broken.png", "broken.mp4"])
def test_a_file_that_cannot_be_shown_is_named(tmp_path: Path, name: str) -> None:
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(MediaError, match=name):
        open_background(BackgroundSpec("file", str(tmp_path / name)), 64, 36)


def levels(background: VideoBackground, times: list[float]) -> list[int]:
    return [round(float(background.render(MATTED, at, CANVAS).mean())) for at in times]


def test_a_video_goes_at_its_own_pace_and_loops(film: Path) -> None:
    background = VideoBackground(VideoLoop(film))
    try:
        shown = levels(background, [50.0, 50.05, 50.11, 50.21, 50.29, 50.31, 50.41, 50.95])
    finally:
        background.close()
    assert shown == [20, 20, 120, 220, 220, 20, 120, 20]


def test_a_video_of_no_steady_rate_keeps_its_own_times_in_every_round(tmp_path: Path) -> None:
    path = tmp_path / "uneven.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        stream.codec_context.time_base = Fraction(1, 10)
        for stamp in (0, 15, 16, 18):
            picture = np.full((48, 64, 3), 10 * stamp, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="rgb8")
            frame.pts = stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    loop = VideoLoop(path)
    dues = [loop.next()[1] for _ in range(8)]
    loop.close()
    assert dues[:4] == pytest.approx([0, 1.5, 1.6, 1.8], abs=0.002)
    assert dues[4] == pytest.approx(1.9, abs=0.15), "the last one's length is not written"
    assert [due - dues[4] for due in dues[4:]] == pytest.approx(dues[:4], abs=0.002)


def test_decoding_ahead_shows_the_same_pictures_and_never_waits(film: Path) -> None:
    loop = AheadLoop(film, lambda image: image)
    try:
        seen: list[tuple[int, float]] = []
        deadline = time.monotonic() + 10.0
        while len(seen) < 7 and time.monotonic() < deadline:
            item = loop.next()
            if item is None:
                time.sleep(0.001)
            else:
                seen.append((round(float(item[0].mean())), round(item[1], 3)))
    finally:
        loop.close()
    assert seen == [(20, 0.0), (120, 0.1), (220, 0.2), (20, 0.3), (120, 0.4), (220, 0.5), (20, 0.6)]


def test_a_video_that_is_cut_short_loops_what_there_is(film: Path) -> None:
    data = film.read_bytes()
    film.write_bytes(data[: int(len(data) * 0.8)])

    def plain(image: Image) -> Image:
        return image

    loop = VideoLoop(film, plain)
    due = [loop.next()[1] for _ in range(9)]
    loop.close()
    assert due == sorted(due)
