"""`process` on films as old cameras, phones and broken downloads leave them: times, proportions, sound, and names."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app import process_command
from app.cli import main
from matting_core.command_line import ended_like_ctrl_c
from matting_core.pictures import write_image
from tests.support.room import GreenEngine, room_picture

FPS, FRAMES, RATE = 10, 12, 48_000


@pytest.fixture(autouse=True)
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_command, "create_engine", lambda name, _model: GreenEngine(name))


def make_film(
    path: Path,
    codec: str = "libx264",
    sound: tuple[str, ...] = (),
    aspect: Fraction | None = None,
    frames: int = FRAMES,
    layout: str = "stereo",
    stamps: Sequence[int] = (),
) -> Path:
    """A film of the made-up room, 320×192, with a tone for each of the sound codecs.

    stamps: of the frames, in tenths of a second; by default one after the other.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=FPS)
        video.width, video.height = 320, 192
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        if stamps:
            video.codec_context.time_base = Fraction(1, 10)
        tones = [container.add_stream(name, rate=RATE, layout=layout) for name in sound]
        for index in range(len(stamps) or frames):
            frame = av.VideoFrame.from_ndarray(room_picture(8 * index), format="bgr24")
            frame.pts = stamps[index] if stamps else None
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = (np.sin(np.arange(RATE * frames // FPS) / 20) * 10_000).astype(np.int16)
        for tone in tones:
            channels = av.AudioLayout(layout).nb_channels
            wave = av.AudioFrame.from_ndarray(np.repeat(samples, channels)[None], format="s16", layout=layout)
            wave.rate = RATE
            container.mux(tone.encode(wave))
            container.mux(tone.encode(None))
    return path


def run(source: Path, output: Path, *more: str) -> int:
    looks = ("--background", "color:#203040", "--preset", "fast")
    return main(["process", str(source), "--output", str(output), *looks, *more])


def times(path: Path) -> list[float]:
    with av.open(f"file:{path}") as container:
        return [round(float(frame.time), 2) for frame in container.decode(video=0)]


def sound_s(path: Path) -> float:
    """How long a file's sound is; 0 without any."""
    with av.open(f"file:{path}") as container:
        if not container.streams.audio:
            return 0.0
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


STEADY = [index / FPS for index in range(FRAMES)]


@pytest.mark.parametrize(
    ("name", "codec", "sound", "layout", "results"),
    [
        ("camera.avi", "mjpeg", "pcm_s16le", "stereo", ("mp4", "mkv", "webm")),  # names no places for its two channels
        ("phone.mkv", "libx264", "libopus", "stereo", ("mov", "m4v")),  # which refuse Opus, or are not played with it
        ("old.avi", "libx264", "libmp3lame", "stereo", ("m4v", "mp4")),  # whose frames refer to later ones
        ("disc.mkv", "libx264", "ac3", "5.1(side)", ("webm", "mp4")),
        ("mixer.avi", "mjpeg", "pcm_s16le", "5.1", ("mp4",)),
        ("memo.mkv", "libx264", "libopus", "mono", ("mov",)),
    ],
)
def test_sound_and_times_survive(
    tmp_path: Path, name: str, codec: str, sound: str, layout: str, results: tuple[str, ...]
) -> None:
    film = make_film(tmp_path / name, codec, (sound,), layout=layout)
    for suffix in results:
        result = tmp_path / f"result.{suffix}"
        assert run(film, result) == 0
        assert times(result) == STEADY
        assert sound_s(result) == pytest.approx(FRAMES / FPS, abs=0.06)


@pytest.mark.parametrize(("height", "matrix"), [(192, 6), (720, 1)])
def test_a_result_says_how_its_colours_are_written(tmp_path: Path, height: int, matrix: int) -> None:
    """Not every program guesses as players do: a green to key by would be another."""
    film = tmp_path / "film.mp4"
    with av.open(str(film), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 320, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((height, 320, 3), np.uint8), format="bgr24")
        container.mux([*video.encode(frame), *video.encode(None)])
    assert run(film, tmp_path / "result.mp4") == 0
    with av.open(str(tmp_path / "result.mp4")) as container:
        colours = container.streams.video[0].codec_context
        codes = (colours.colorspace, colours.color_primaries, colours.color_trc, colours.color_range)
        (picture,) = container.decode(video=0)
    assert tuple(map(int, codes)) == (matrix, matrix, matrix, 1)
    shown = picture.to_ndarray(format="bgr24").reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(shown, (0x40, 0x30, 0x20), atol=3)


def test_sound_that_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(tmp_path / "two.mkv", sound=("aac", "libopus"))
    assert run(film, tmp_path / "result.mp4") == 0
    assert "Of the 2 sound tracks" in capsys.readouterr().err
    assert main(["process", str(film), "--alpha", str(tmp_path / "matte.mp4"), "--preset", "fast"]) == 0
    assert "sound" not in capsys.readouterr().err, "mattes have none anyway"


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(4, 3), 426), (Fraction(1280, 1281), 320)])
def test_pixels_that_are_not_square_are_made_so(tmp_path: Path, aspect: Fraction, width: int) -> None:
    film = make_film(tmp_path / "wide.mp4", aspect=aspect)
    assert run(film, tmp_path / "result.mp4") == 0
    with av.open(str(tmp_path / "result.mp4")) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (width, 192)
        assert stream.sample_aspect_ratio in (None, 0, 1)


def test_a_film_that_was_cut_short_is_said_and_what_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = make_film(tmp_path / "whole.mp4", frames=40)
    whole = tmp_path / "first.mp4"
    with av.open(str(film)) as source, av.open(str(whole), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = whole.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    assert run(whole, tmp_path / "result.mp4") == 0
    assert run(cut, tmp_path / "part.mp4") == 1
    said = capsys.readouterr().err
    assert f"{cut} ends after" in said
    assert "of 4.0 s" in said
    assert 0 < len(times(tmp_path / "part.mp4")) < 40


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "gif", "ts"])
@pytest.mark.parametrize(
    "stamps", [(*range(10), 60), (*range(30, 45),)], ids=["a picture that stays", "one that begins late"]
)
def test_a_whole_film_is_not_called_cut_short(tmp_path: Path, suffix: str, stamps: tuple[int, ...]) -> None:
    """Its last picture may stay for long, and its first come late."""
    if suffix == "gif":
        film = tmp_path / "film.gif"
        with av.open(str(film), "w") as container:
            stream = container.add_stream("gif", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = 320, 192, "rgb8"
            stream.codec_context.time_base = Fraction(1, 10)
            for stamp in stamps:
                frame = av.VideoFrame.from_ndarray(room_picture(stamp), format="bgr24").reformat(format="rgb8")
                frame.pts = stamp
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        film = make_film(tmp_path / f"film.{suffix}", stamps=stamps)
    assert run(film, tmp_path / "result.mp4") == 0


def test_a_film_of_an_unknown_suffix_is_one_and_its_result_must_be_named_like_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = make_film(tmp_path / "tape.ts")
    precious = tmp_path / "init-stream0.m4s"
    precious.write_text("precious")
    for name in ("result.mpd", "result.m3u8", "result"):
        assert run(film, tmp_path / name) == 2
        assert f"'{name}' is no file name for a video" in capsys.readouterr().err
    assert run(film, tmp_path / "result.avi") == 2
    assert "Mattecam does not write a video as '.avi'. End it with .mp4" in capsys.readouterr().err
    assert precious.read_text() == "precious"
    assert run(film, tmp_path / "result.mp4") == 0
    assert len(times(tmp_path / "result.mp4")) == FRAMES
    behind = ["--background", str(film)]
    assert run(film, tmp_path / "over.mp4", *behind) == 0
    picture = tmp_path / "photo.heic"  # as some phones call a JPEG
    write_image(tmp_path / "photo.jpg", room_picture())
    (tmp_path / "photo.jpg").rename(picture)
    assert run(picture, tmp_path / "photo.png") == 0


@pytest.mark.parametrize("name", ["日" * 80, "a" * 250, "c:olon", "100%d"])
def test_names_that_a_file_can_have_are_taken(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a colon matters in the first part of a path only
    film = make_film(tmp_path / "film.mp4", frames=2)
    for suffix in (".mp4", ".png"):
        source = film if suffix == ".mp4" else tmp_path / "photo.png"
        write_image(tmp_path / "photo.png", room_picture())
        assert run(source, Path(f"{name}{suffix}")) == 0
        assert (tmp_path / f"{name}{suffix}").stat().st_size > 0
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name != "posix", reason="names may be longer")
def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(tmp_path / "film.mp4", frames=2)
    long = tmp_path / ("a" * 300 + ".mp4")
    assert run(film, long) == 1
    assert "(File name too long)" in capsys.readouterr().err
    assert run(long, tmp_path / "result.mp4") == 2
    assert main(["bench", "--source", str(long)]) == 2
    assert capsys.readouterr().err.count("does not exist") == 2


def test_a_grey_format_is_for_mattes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "photo.png", room_picture())
    assert run(tmp_path / "photo.png", tmp_path / "x.ppm", "--alpha", str(tmp_path / "x.pgm")) == 0
    for names in (("x.pgm", "x.png"), ("x.png", "x.ppm")):
        assert run(tmp_path / "photo.png", tmp_path / names[0], "--alpha", str(tmp_path / names[1])) == 2
        assert "Mattecam does not write" in capsys.readouterr().err


def test_grey_pictures_of_a_folder_become_png(tmp_path: Path) -> None:
    write_image(tmp_path / "in/grey.pgm", room_picture()[..., 0])
    write_image(tmp_path / "in/photo.png", room_picture())
    write_image(tmp_path / "in/._photo.png", room_picture())  # as macOS leaves them on other systems' disks
    assert run(tmp_path / "in", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["grey.png", "photo.png"]


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a program without asking it")
def test_a_process_that_is_told_to_end_leaves_no_part(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=200)
    command = [sys.executable, "main.py", "process", str(film), "--output", str(tmp_path / "result.mp4")]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".*.part.mp4")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Stopped before the end" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signal")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_hang_up_ends_it_unless_it_is_ignored_as_under_nohup(ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    ended = False
    try:
        with ended_like_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
    except KeyboardInterrupt:
        ended = True
    finally:
        left = signal.signal(signal.SIGHUP, before)
    assert ended != ignored
    assert left == (signal.SIG_IGN if ignored else signal.SIG_DFL), "it is as it was"


def test_only_the_first_ctrl_c_ends_it_so_that_clearing_up_comes_to_its_end() -> None:
    cleared = False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleared = True
    assert cleared
    assert signal.getsignal(signal.SIGINT) is before, "it is as it was"
