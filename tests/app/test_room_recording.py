"""A recording of the room: private while it lies there, gone afterwards, also after a crash."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.room_recording import RoomRecording, recordings_folder, sweep
from matting_core.errors import MediaError
from matting_core.pictures import read_image


def test_pictures_lie_in_order_in_a_folder_of_ones_own() -> None:
    recording = RoomRecording()
    for level in (10, 200):
        recording.add(np.full((32, 48, 3), level, np.uint8))
    assert [path.name for path in sorted(recording.frames.iterdir())] == ["00000.jpg", "00001.jpg"]
    assert abs(int(read_image(recording.frames / "00001.jpg").mean()) - 200) <= 2
    if os.name == "posix":
        assert recording.folder.stat().st_mode & 0o777 == 0o700
        assert recordings_folder().stat().st_mode & 0o777 == 0o700
    recording.end()
    recording.add(np.zeros((8, 8, 3), np.uint8))
    assert len(list(recording.frames.iterdir())) == 2, "it has ended"
    recording.delete()
    recording.delete()
    recording.add(np.zeros((8, 8, 3), np.uint8))
    assert list(recordings_folder().iterdir()) == []


def test_what_a_crash_left_is_swept_and_what_is_in_use_is_not() -> None:
    mine = RoomRecording()
    code = (
        "from app.room_recording import RoomRecording; import numpy, os\n"
        "RoomRecording().add(numpy.zeros((8, 8, 3), numpy.uint8)); os._exit(9)"
    )
    crashed = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert crashed.returncode == 9
    number_again = mine.folder.with_name(f"{os.getpid()}-1-abc")  # this process' number, but an older process
    number_again.mkdir()
    assert len(list(recordings_folder().iterdir())) == 3
    sweep()
    assert list(recordings_folder().iterdir()) == [mine.folder]
    mine.delete()


def test_sweeping_where_nothing_was_recorded() -> None:
    sweep()
    assert not recordings_folder().exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="Nothing can be recorded"):
        RoomRecording(tmp_path / "file" / "below")
