"""`process` on films as old cameras, phones and broken downloads leave them: times, proportions, sound, and names."""

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app import process_command
from app.cli import main
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
) -> Path:
    """A film of the made-up room, 320×192, with a tone for each of the sound codecs."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=FPS)
        video.width, video.height = 320, 192
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        tones = [container.add_stream(name, rate=RATE, layout="stereo") for name in sound]
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(room_picture(8 * index), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.sin(np.arange(RATE * frames // FPS) / 20) * 10_000
        for tone in tones:
            wave = av.AudioFrame.from_ndarray(
                np.repeat(samples, 2).astype(np.int16)[None], format="s16", layout="stereo"
            )
            wave.rate = RATE
            container.mux(tone.encode(wave))
            container.mux(tone.encode(None))
    return path


def run(source: Path, output: Path, *more: str) -> int:
    return main(
        ["process", str(source), "--output", str(output), "--background", "color:#203040", "--preset", "fast", *more]
    )


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
    ("name", "codec", "sound", "results"),
    [
        ("camera.avi", "mjpeg", "pcm_s16le", ("mp4", "mkv", "webm")),  # plain PCM names no places for its two channels
        ("phone.mkv", "libx264", "libopus", ("mov", "m4v")),  # which both refuse Opus, or are not played with it
        ("old.avi", "libx264", "libmp3lame", ("m4v", "mp4")),  # whose frames refer to later ones
    ],
)
def test_sound_and_times_survive(tmp_path: Path, name: str, codec: str, sound: str, results: tuple[str, ...]) -> None:
    film = make_film(tmp_path / name, codec, (sound,))
    for suffix in results:
        result = tmp_path / f"result.{suffix}"
        assert run(film, result) == 0
        assert times(result) == STEADY
        assert sound_s(result) == pytest.approx(FRAMES / FPS, abs=0.06)


def test_sound_that_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(tmp_path / "two.mkv", sound=("aac", "libopus"))
    assert run(film, tmp_path / "result.mp4") == 0
    assert "Of the 2 sound tracks" in capsys.readouterr().err
    assert main(["process", str(film), "--alpha", str(tmp_path / "matte.mp4"), "--preset", "fast"]) == 0
    assert "sound" not in capsys.readouterr().err, "mattes have none anyway"


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    film = make_film(tmp_path / "wide.mp4", aspect=Fraction(4, 3))
    assert run(film, tmp_path / "result.mp4") == 0
    with av.open(str(tmp_path / "result.mp4")) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (426, 192)
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


def test_a_film_of_an_unknown_suffix_is_one_and_its_result_must_be_named_like_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = make_film(tmp_path / "tape.ts")
    precious = tmp_path / "init-stream0.m4s"
    precious.write_text("precious")
    for name in ("result.mpd", "result.m3u8", "result.png", "result.avi", "result"):
        assert run(film, tmp_path / name) == 2
        assert f"'{name}' is not a file name for a video" in capsys.readouterr().err
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
    for source, target in ((film, long), (long, tmp_path / "result.mp4")):
        assert run(source, target) == 1
        assert "(File name too long)" in capsys.readouterr().err
    assert main(["bench", "--source", str(long)]) == 1
    assert "(File name too long)" in capsys.readouterr().err


def test_portable_pictures_become_png(tmp_path: Path) -> None:
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
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*.part.mp4")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped before the end" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]
