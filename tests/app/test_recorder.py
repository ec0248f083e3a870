"""Recordings keep colours and times, overwrite nothing, and play after a crash, a full disk or a deleted file."""

import contextlib
import errno
import subprocess
import sys
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from app import output, recorder
from app.recorder import RecorderOutput
from matting_core.errors import OutputError, OutputLost, UsageError
from tests.support.bad_disk import frames_in, no_file_larger_than

BARS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (200, 100, 50)]
BARS += [(64, 177, 0), (128, 128, 128), (255, 255, 255), (0, 0, 0)]


def bars(width=320, height=180):
    """Eight colour bars, BGR."""
    canvas = np.empty((height, width, 3), np.uint8)
    step = width // len(BARS)
    for i, colour in enumerate(BARS):
        canvas[:, i * step : (i + 1) * step] = colour
    return canvas


def decode(path):
    """[(time in seconds, BGR picture)], and the container's first frame for its tags."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [(frame.time, frame.to_ndarray(format="bgr24")) for frame in frames], frames


def bar_error(picture):
    """The largest difference between the centres of the bars and what was drawn, in levels."""
    step = picture.shape[1] // len(BARS)
    centres = picture[picture.shape[0] // 2, step // 2 :: step].astype(int)
    return int(np.abs(centres - np.array(BARS)).max())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colours_read_back_right_with_two_readers(tmp_path, suffix):
    path = tmp_path / f"bars{suffix}"
    recording = RecorderOutput(path, (320, 180), 30)
    for i in range(5):
        recording.send(bars(), None, 100 + i / 30)
    recording.close()
    pictures, frames = decode(path)
    assert len(pictures) == 5
    assert bar_error(pictures[0][1]) <= 4
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(5 / 30 * av.time_base, abs=0.05 * av.time_base)
    assert (frames[0].colorspace, frames[0].color_range) == (6, 1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    good, picture = capture.read()
    capture.release()
    assert good
    assert bar_error(picture) <= 4


def test_times_are_the_real_ones_and_always_grow(tmp_path):
    path = tmp_path / "times.mp4"
    recording = RecorderOutput(path, (64, 48), 30)
    sent = [7.0, 7.033, 7.5, 7.5, 7.4, 9.25]
    for at_s in sent:
        recording.send(np.zeros((48, 64, 3), np.uint8), None, at_s)
    recording.close()
    times = [at_s for at_s, _ in decode(path)[0]]
    assert times == pytest.approx([0.0, 0.033, 0.5, 0.5, 0.5, 2.25], abs=0.001)
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_key_frame_comes_every_second_even_when_frames_are_few(tmp_path):
    path = tmp_path / "slow.mp4"
    recording = RecorderOutput(path, (64, 48), 60)
    for i in range(20):
        recording.send(np.full((48, 64, 3), 10 * i, np.uint8), None, i / 4)  # 4 fps where 60 were announced
    recording.close()
    keys = [frame.time for frame in decode(path)[1] if frame.key_frame]
    assert keys == pytest.approx([0, 1, 2, 3, 4], abs=0.01)


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = tmp_path / "mine.mp4"
    path.write_text("precious")
    with pytest.raises(OutputError, match="already exists"):
        RecorderOutput(path, (64, 48), 30)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_a_plain_sentence(tmp_path):
    with pytest.raises(OutputError, match=r"The folder .*none for a\.mp4 does not exist") as caught:
        RecorderOutput(tmp_path / "none" / "a.mp4", (64, 48), 30)
    assert "folder" in caught.value.mend


def test_odd_sizes_are_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="63×48"):
        RecorderOutput(tmp_path / "a.mp4", (63, 48), 30)


class FullAtTheEnd:
    """A container whose disk is full when the recording is finished."""

    def __init__(self, real):
        self._real = real

    def mux(self, packets):
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self._real.close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fails_from_the_start_is_one_error_and_leaves_no_file(tmp_path, monkeypatch):
    class Broken(recorder._Disk):
        def write(self, data):
            raise OSError(errno.EIO, "Input/output error")

        def close(self):
            super().close()
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(recorder, "_Disk", Broken)
    with pytest.raises(OutputError, match=r"cannot be started \(Input/output error\)"):
        RecorderOutput(tmp_path / "a.mp4", (64, 48), 30)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_whose_end_cannot_be_written_says_so_once(tmp_path):
    recording = RecorderOutput(tmp_path / "a.mp4", (64, 48), 30)
    recording.send(np.zeros((48, 64, 3), np.uint8), None, 0.0)
    recording._container = FullAtTheEnd(recording._container)
    with pytest.raises(OutputLost, match=r"The end of the recording a\.mp4 could not be written \(No space left"):
        recording.close()
    recording.close()


def test_a_recording_that_has_said_that_it_cannot_go_on_ends_quietly(tmp_path):
    recording = RecorderOutput(tmp_path / "a.mp4", (64, 48), 30)
    recording._container = FullAtTheEnd(recording._container)
    with pytest.raises(OutputLost, match="cannot continue"):
        recording.send(np.zeros((48, 64, 3), np.uint8), None, 0.0)
    recording.close()


def test_a_deleted_recording_is_lost_not_silently_written(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "LOOK_EVERY_S", 0.0)
    path = tmp_path / "a.mp4"
    recording = RecorderOutput(path, (64, 48), 30)
    recording.send(np.zeros((48, 64, 3), np.uint8), None, 0.0)
    path.unlink()
    with pytest.raises(OutputLost, match=r"a\.mp4 was deleted"):
        recording.send(np.zeros((48, 64, 3), np.uint8), None, 0.1)
    recording.close()
    with pytest.raises(OutputLost):
        recording.send(np.zeros((48, 64, 3), np.uint8), None, 0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the file size are POSIX")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_wherever_the_disk_is_full_it_is_told_and_the_part_that_was_written_plays(tmp_path, monkeypatch, suffix):
    """Also inside a fragment's head, for which players refuse a whole file, and in the last bytes of all."""
    monkeypatch.setattr(recorder, "KEY_EVERY_S", 0.1)

    def record(name, limit):
        """Fourteen pictures in five fragments; whether it was told that something is lost."""
        path = tmp_path / f"{name}{suffix}"
        recording = RecorderOutput(path, (64, 48), 30)
        lost = True
        with no_file_larger_than(limit), contextlib.suppress(OutputLost):
            with contextlib.closing(recording):
                for i in range(14):
                    recording.send(np.full((48, 64, 3), 10 * i, np.uint8), None, i / 30)
            lost = False
        return lost, path

    whole = record("whole", 10**6)
    assert (whole[0], frames_in(whole[1])) == (False, 14)
    header, end = 1000, whole[1].stat().st_size
    played = []
    for limit in range(header, end, 7):
        lost, path = record(str(limit), limit)
        assert lost
        played.append(frames_in(path))
    assert played[0] == 0
    assert played == sorted(played)
    assert played[-1] >= 13


CHILD = """
import sys, time
import numpy as np
from pathlib import Path
from app.recorder import RecorderOutput
from matting_core.errors import OutputLost
sys.path.insert(0, {tests!r})
from test_recorder import bars
path = Path(sys.argv[1])
recording = RecorderOutput(path, (320, 180), 30)
noise = np.random.default_rng(1)
"""


def start_child(code, path):
    head = CHILD.format(tests=str(__file__).rsplit("test_recorder", 1)[0])
    return subprocess.Popen(
        [sys.executable, "-c", head + code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_killed_recording_plays_up_to_its_last_second(tmp_path):
    """100 frames of 30 fps are sent, then the process is killed with no chance to clean up."""
    path = tmp_path / "crash.mp4"
    child = start_child(
        """
for i in range(100):
    recording.send(bars(), None, 5 + i / 30)
print("sent", flush=True)
time.sleep(60)
""",
        path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "sent\n"
    child.kill()
    child.wait()
    child.stdout.close()
    pictures, _ = decode(path)
    assert len(pictures) >= 100 - 31
    assert [at_s for at_s, _ in pictures] == pytest.approx([i / 30 for i in range(len(pictures))], abs=0.001)
    assert max(bar_error(picture) for _, picture in pictures[:: len(pictures) // 4]) <= 4


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the file size are POSIX")
def test_a_full_disk_is_lost_with_its_reason_and_the_written_part_plays(tmp_path):
    """The limit on the file's size stands in for the disk's end; the write fails inside FFmpeg all the same."""
    path = tmp_path / "full.mp4"
    child = start_child(
        """
from tests.support.bad_disk import no_file_larger_than
with no_file_larger_than(400_000):
    try:
        for i in range(600):
            recording.send(noise.integers(0, 255, (180, 320, 3), np.uint8), None, i / 30)
    except OutputLost as error:
        print(error.problem)
        recording.close()
""",
        path,
    )
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "The recording full.mp4 cannot continue (File too large)." in said
    assert "Traceback" not in said
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).width == 320
