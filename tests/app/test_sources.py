"""Stills, videos and the demo: paced, read-only, upright, and a broken file is one clear sentence."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from app import sources
from app.camera import open_source
from app.recorder import RecorderOutput
from app.settings import Settings
from app.sources import DemoSource, Pace, VideoSource, demo_view
from matting_core.errors import SourceError, SourceLost
from matting_core.video_loop import VideoLoop


class FakeClock:
    """A clock that only sleeping, and the test, move."""

    def __init__(self):
        self.now = 50.0
        self.slept = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    fake = FakeClock()
    monkeypatch.setattr(sources, "time", fake)
    return fake


def write_video(path, values, size=(64, 48), fps=20):
    """A real video whose frame i is grey of values[i]."""
    recorder = RecorderOutput(path, size, fps)
    for i, value in enumerate(values):
        recorder.send(np.full((size[1], size[0], 3), value, np.uint8), None, i / fps)
    recorder.close()
    return path


def test_the_clock_keeps_an_ideal_beat_and_does_not_wait_when_late(clock):
    pace = Pace(10)
    assert pace.wait() == pytest.approx(50.0)
    assert pace.wait() == pytest.approx(50.1)
    clock.now += 0.25
    assert [pace.wait() for _ in range(2)] == pytest.approx([50.35, 50.35])
    assert pace.wait() == pytest.approx(50.4)


def test_after_a_long_stall_the_clock_starts_anew(clock):
    pace = Pace(10)
    pace.wait()
    clock.now += 30
    assert pace.wait() == pytest.approx(80.0)
    assert pace.wait() == pytest.approx(80.1)


@pytest.mark.parametrize("fps", [0.0, 0.1, 1, 30, 1e6])
def test_no_wait_is_longer_than_half_a_second(clock, fps):
    pace = Pace(fps)
    for _ in range(4):
        pace.wait()
    assert max(clock.slept) <= 0.5 + 1e-9
    assert min(clock.slept) >= 1 / 240 - 1e-9


def test_a_still_repeats_one_read_only_array_at_the_rate(clock, tmp_path):
    cv2.imwrite(str(tmp_path / "room.png"), np.full((6, 8, 3), (10, 20, 30), np.uint8))
    source = open_source(Settings(camera=str(tmp_path / "room.png"), camera_fps=25))
    frames = [source.read() for _ in range(3)]
    assert source.description == "room.png, 8×6 still at 25 fps"
    assert frames[0].image is frames[2].image
    assert not frames[0].image.flags.writeable
    assert (frames[0].image == (10, 20, 30)).all()
    assert [frame.captured_at for frame in frames] == pytest.approx([50.0, 50.04, 50.08])
    assert [frame.index for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize("name", ["broken.png", "broken.mp4", "empty.jpg", "empty.mp4"])
def test_a_broken_file_is_an_error_that_names_it(tmp_path, name):
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"not a picture" * 50)
    with pytest.raises(SourceError, match=name.replace(".", r"\.")) as caught:
        open_source(Settings(camera=str(tmp_path / name)))
    assert not isinstance(caught.value, SourceLost)
    assert caught.value.mend


def test_a_video_plays_in_order_at_its_own_rate_and_loops(clock, tmp_path):
    values = [40, 90, 140, 190, 240]
    source = open_source(Settings(camera=str(write_video(tmp_path / "clip.mp4", values)), camera_fps=60))
    frames = [source.read() for _ in range(12)]
    source.close()
    source.close()
    assert "clip.mp4, 64×48 video at 20 fps" in source.description
    levels = [int(frame.image[24, 32, 1]) for frame in frames]
    assert levels == pytest.approx((values * 3)[:12], abs=3)
    assert [frame.captured_at for frame in frames] == pytest.approx([50 + i / 20 for i in range(12)])
    assert [frame.index for frame in frames] == list(range(12))
    assert not any(frame.image.flags.writeable for frame in frames)


def test_a_video_is_turned_upright_by_its_rotation(tmp_path):
    """The display matrix in the file's track header is written by hand: a quarter turn clockwise."""
    path = tmp_path / "phone.mp4"
    recorder = RecorderOutput(path, (64, 32), 20)
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 255  # white on the left, so on top once it is turned clockwise
    recorder.send(picture, None, 0.0)
    recorder.close()
    data = path.read_bytes()
    one, minus_one, unit = (value.to_bytes(4, "big", signed=True) for value in (0x10000, -0x10000, 0x40000000))
    nil = bytes(4)
    upright = one + nil + nil + nil + one + nil + nil + nil + unit
    clockwise = nil + one + nil + minus_one + nil + nil + nil + nil + unit
    track = data.index(b"tkhd")
    at = data.index(upright, track)
    path.write_bytes(data[:at] + clockwise + data[at + len(clockwise) :])
    source = VideoSource(path)
    image = source.read().image
    source.close()
    assert image.shape == (64, 32, 3)
    assert image[8, 16].min() > 230
    assert image[-8, 16].max() < 25


def test_a_video_damaged_in_the_middle_loops_over_what_comes_before(clock, tmp_path):
    path = write_video(tmp_path / "cut.mp4", [20 + 3 * i for i in range(72)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 4 // 5])
    source = VideoSource(path)
    levels = [int(source.read().image[0, 0, 0]) for _ in range(150)]
    source.close()
    starts = [i for i, level in enumerate(levels) if level < 22]
    assert len(starts) >= 3
    assert 36 < starts[1] < 72
    assert levels[: starts[1]] == pytest.approx([20 + 3 * i for i in range(starts[1])], abs=3)


def test_a_video_deleted_while_it_plays_goes_on_looping(clock, tmp_path):
    path = write_video(tmp_path / "gone.mp4", [50, 200])
    source = VideoSource(path)
    path.unlink()
    assert [int(source.read().image[0, 0, 0]) for _ in range(5)] == pytest.approx([50, 200, 50, 200, 50], abs=3)
    source.close()


def test_a_decode_error_that_repeats_ends_in_a_lost_source(clock, tmp_path, monkeypatch):
    source = VideoSource(write_video(tmp_path / "bad.mp4", [50, 60]))
    monkeypatch.setattr(VideoLoop, "_decode_once", lambda self: iter(()))
    source.read()
    source.read()
    with pytest.raises(SourceLost, match=r"bad\.mp4"):
        source.read()
    source.close()


def test_an_audio_only_file_is_no_video(tmp_path):
    import wave

    with wave.open(str(tmp_path / "song.wav"), "wb") as song:
        song.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        song.writeframes(bytes(1600))
    with pytest.raises(SourceError, match=r"song\.wav"):
        VideoSource(tmp_path / "song.wav")


def test_the_demo_has_the_size_asked_for_and_is_a_function_of_the_index(clock):
    source = open_source(Settings(camera="demo", camera_size="640x360", camera_fps=30))
    frames = [source.read() for _ in range(3)]
    assert frames[0].image.shape == (360, 640, 3)
    assert not frames[0].image.flags.writeable
    assert source.description == "Demo portrait, 640×360 at 30 fps"
    again = DemoSource("640x360", 30)
    assert all((again.render(i) == frames[i].image).all() for i in range(3))


def test_the_demo_moves_gently(clock):
    source = DemoSource("320x180", 30)
    images = [source.render(i).astype(np.int16) for i in range(0, 120, 15)]
    steps = [np.abs(b - a).mean() for a, b in pairwise(images)]
    assert min(steps) > 0.5
    single = np.abs(source.render(1).astype(np.int16) - source.render(0)).mean()
    assert single < 3


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (720, 1280), (1080, 1080)])
def test_the_demo_never_cuts_the_head_nor_mirrors_the_person(size):
    """The head spans x 150…305, y 14…190 of the 512-pixel portrait, the body reaches its lower edge.

    Over two minutes the head stays inside the frame, and no row below the portrait's end (a mirrored body) shows.
    """
    source = DemoSource(f"{size[0]}x{size[1]}", 30)
    corners = np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]], np.float64)
    for seconds in range(120):
        matrix = source._motion(seconds + 0.37) / source._scale
        to_frame = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        head = to_frame @ np.array([[150, 305, 150, 305], [14, 14, 190, 190], [1, 1, 1, 1]], np.float64)
        assert head[:2].min() >= 0
        assert head[0].max() <= size[0]
        assert head[1].max() <= size[1]
        assert (matrix @ corners)[1].max() <= 512


@pytest.mark.parametrize("aspect", [16 / 9, 4 / 3, 1.0, 9 / 16])
def test_the_demo_shows_head_and_shoulders(aspect):
    _, center_y, height = demo_view(aspect)
    assert center_y - height / 2 <= 10
    assert center_y + height / 2 >= 300


def test_a_missing_portrait_is_a_clear_error(tmp_path):
    with pytest.raises(SourceError, match=r"nobody\.jpg"):
        DemoSource("640x360", 30, portrait=tmp_path / "nobody.jpg")
