"""A recording on a disk that is full, slow, failing or not there: told plainly, and what was recorded plays."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from app import recorder
from app.recorder import RecorderOutput
from matting_core.errors import OutputLost
from tests.support.bad_disk import DISKS, frames_in, no_file_larger_than
from tests.support.rig import Rig, stages_alive
from tests.support.room import HEIGHT, WIDTH

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="limits of a file's size are POSIX")


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow over 250 kB: what a full disk is to a writer, the kernel's refusal in the middle of a write.

    Recordings are lossless, because made-up pictures are small, and get their fragments in short steps, so that several
    are whole before that.
    """
    monkeypatch.setitem(recorder._ENCODER, "crf", "0")
    monkeypatch.setattr(recorder, "KEY_EVERY_S", 0.1)
    with no_file_larger_than(250_000):
        yield


@posix_only
@pytest.mark.usefixtures("small_files")
def test_a_disk_that_fills_up_ends_the_recording_and_nothing_else(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.mp4"
    mine.write_text("precious")
    pipeline = rig.build()
    film = tmp_path / "film.mp4"
    rig.until(rig.shows_person)
    pipeline.start_recording(film)
    rig.until(lambda: "cannot continue" in str(rig.notice("recording")), timeout_s=60.0)
    told = rig.notice("recording")
    assert told is not None
    assert (told.severity, "Free up disk space" in told.mend) == ("error", True)
    assert pipeline.status().recording == ""
    shown = pipeline.status().stats.shown
    rig.until(lambda: pipeline.status().stats.shown > shown + 10)  # the call goes on
    assert frames_in(film) > 0  # and what was written plays
    assert mine.read_text() == "precious"
    monkeypatch.setitem(recorder._ENCODER, "crf", "40")
    pipeline.start_recording(tmp_path / "next.mp4")
    rig.until(lambda: pipeline.status().recording != "")
    assert rig.notice("recording") is None


@DISKS
def test_a_disk_that_fails_in_mid_recording_ends_it_with_its_own_reason(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    """A disk that went bad is mounted read-only by the kernel while it is written to."""
    failing = threading.Event()
    real = av.open

    class Container:
        """The real one, until the disk fails."""

        def __init__(self, *arguments: object, **options: object) -> None:
            self._real = real(*arguments, **options)  # type: ignore[call-overload]

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def mux(self, packets: object) -> None:
            if failing.is_set():
                raise fault
            self._real.mux(packets)

    monkeypatch.setattr(recorder.av, "open", Container)
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.start_recording(tmp_path / "film.mp4")
    rig.until(lambda: pipeline.status().recording != "")
    failing.set()
    rig.until(lambda: "cannot continue" in str(rig.notice("recording")))
    told = rig.notice("recording")
    assert told is not None
    assert told.problem == f"The recording film.mp4 cannot continue ({fault.strerror})."
    assert told.mend
    assert pipeline.status().recording == ""
    rig.until(rig.shows_person)
    failing.clear()
    pipeline.start_recording(tmp_path / "next.mp4")
    rig.until(lambda: pipeline.status().recording != "")
    assert rig.notice("recording") is None


@posix_only
@pytest.mark.usefixtures("small_files")
def test_a_disk_that_fills_up_under_a_run_to_a_file_ends_it_with_a_sentence(rig: Rig, tmp_path: Path) -> None:
    """`run --output film.mp4` has nothing else to do: its output stage fails, and the command says why."""
    film = tmp_path / "film.mp4"
    rig.memory.close()
    rig.memory = RecordedToo(film)  # type: ignore[assignment]
    pipeline = rig.build()
    rig.until(lambda: pipeline.failure is not None, 60.0)
    assert "The recording film.mp4 cannot continue" in str(pipeline.failure)
    assert pipeline.stop(2.0)
    assert frames_in(film) > 0


def test_a_recording_that_is_ended_as_soon_as_it_begins_plays(rig: Rig, tmp_path: Path) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.start_recording(tmp_path / "film.mp4")
    pipeline.stop_recording()
    rig.until(lambda: "was saved" in str(rig.notice("recording")))
    assert frames_in(tmp_path / "film.mp4") > 0


def test_a_run_whose_recording_loses_its_end_fails(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        rig.memory.closed = True
        raise OutputLost("The end of the recording could not be written.", "Free up disk space.")

    pipeline = rig.build()
    rig.until(rig.shows_person)
    monkeypatch.setattr(rig.memory, "close", lost)
    pipeline.stop()
    assert "The end of the recording could not be written." in str(pipeline.failure)


class RecordedToo:
    """A recording as the one fixed output."""

    def __init__(self, path: Path) -> None:
        self._recorder = RecorderOutput(path, (WIDTH, HEIGHT), 30)
        self.name = self._recorder.name
        self.send = self._recorder.send
        self.leaks = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True
        self._recorder.close()


def test_a_recording_on_a_slow_disk_is_finished_when_the_program_is_closed(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write takes longer than a virtual camera's may before it is given up."""
    film, writing = tmp_path / "film.mp4", threading.Event()
    send, slow = RecorderOutput.send, [2.5]

    def slow_send(self: RecorderOutput, *canvas: object) -> None:
        if writing.is_set() and slow:
            time.sleep(slow.pop())
        send(self, *canvas)  # type: ignore[arg-type]

    monkeypatch.setattr(RecorderOutput, "send", slow_send)
    pipeline = rig.build()
    rig.until(rig.shows_person)
    pipeline.start_recording(film)
    rig.until(lambda: pipeline.status().recording != "")
    writing.set()
    rig.until(lambda: not slow)
    assert pipeline.stop()
    assert not stages_alive()
    assert frames_in(film) > 0
    with av.open(str(film)) as container:
        assert container.duration


@DISKS
def test_a_recording_that_cannot_begin_is_told_and_the_call_goes_on(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    real = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.suffix == ".mp4":
            raise fault
        return real(path, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", refuse)
        pipeline.start_recording(tmp_path / "film.mp4")
        rig.until(lambda: rig.notice("recording") is not None)
    told = rig.notice("recording")
    assert told is not None
    assert f"cannot be created ({fault.strerror})" in told.problem
    assert told.mend
    rig.until(rig.shows_person)
    pipeline.start_recording(tmp_path / "film.mp4")
    rig.until(lambda: pipeline.status().recording != "")
    assert rig.notice("recording") is None


def test_a_recording_into_a_folder_that_is_not_there_says_so(rig: Rig, tmp_path: Path) -> None:
    rig.build().start_recording(tmp_path / "gone" / "film.mp4")
    rig.until(lambda: rig.notice("recording") is not None)
    told = rig.notice("recording")
    assert told is not None
    assert told.problem == f"The folder {tmp_path / 'gone'} for film.mp4 does not exist."
    assert told.mend
