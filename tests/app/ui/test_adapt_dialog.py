"""Adapt to my room, on a made-up camera and a made-up command: record, learn, compare, keep, discard, clean up."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject
from PySide6.QtTest import QTest

from app import room_recording
from app.room_recording import recordings_folder
from app.status import Preview
from app.ui import adapt_dialog, main_window
from app.ui.adapt_dialog import AdaptDialog
from app.ui.adapt_process import AdaptProcess
from matting_core.errors import MediaError, ModelError
from matting_core.frames import Image
from matting_core.model_store import ModelStore
from tests.app.ui.conftest import Desk
from tests.support.tiny_onnx import write_network

pytestmark = pytest.mark.gui

KEPT = {"kept": True, "name": "den", "reason": "", "before": {"disagreement": 0.01}, "after": {"disagreement": 0.004}}
COMMAND = """
import sys, json, time, pathlib
frames, comparison = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4])
assert sys.argv[1::2] == ["adapt", "--compare", "--seconds-limit", "--json"], sys.argv
for done in range(3):
    line = {"stage": "adapting", "done": done, "total": 2, "left_s": 70.0}
    print(json.dumps(line), file=sys.stderr, flush=True)
"""
COMPARE = """
import numpy, cv2
comparison.mkdir()
for number in (1, 2):
    for word, level in (("before", 10), ("after", 20 * number)):
        cv2.imwrite(str(comparison / f"{number}-{word}.png"), numpy.full((36, 64, 3), level, numpy.uint8))
"""


class Room:
    """The dialog under test, its clock, and pictures for it."""

    def __init__(self, desk: Desk, script: str) -> None:
        self.desk = desk
        self.now_s = 100.0
        self.told: list[tuple[str, int, int, float | None]] = []
        self.dialog = AdaptDialog(desk.window.store, desk.window, lambda: self.now_s, self.process(script))
        self.adapted: list[str] = []
        self.dialog.adapted.connect(self.adapted.append)
        self.dialog.show()

    def process(self, script: str) -> Callable[[QObject], AdaptProcess]:
        def make(parent: QObject) -> AdaptProcess:
            process = AdaptProcess(parent, (sys.executable, "-c", COMMAND + script))
            process.progressed.connect(lambda *told: self.told.append(told))
            return process

        return make

    def record(self) -> None:
        self.dialog.go_button.click()
        self.desk.until(lambda: self.desk.settings.split_view)
        for number in range(21):
            self.picture(1.0, number)

    def picture(self, after_s: float, level: int = 0) -> None:
        self.now_s += after_s
        image = np.full((36, 64, 3), level, np.uint8)
        self.dialog.offer(Preview(image, image.shape[1::-1], image, image))

    def recordings(self) -> list[Path]:
        return list(recordings_folder().iterdir()) if recordings_folder().exists() else []


@pytest.fixture
def room(desk: Desk, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Room]:
    monkeypatch.setattr(adapt_dialog, "require_train_extra", lambda _purpose: None)
    ModelStore().add(write_network(tmp_path / "x.onnx"), "den", "made up")
    room = Room(desk, request.param)
    yield room
    if not room.dialog._closed:
        room.dialog.close()
    desk.until(lambda: not room.recordings())


def printing(result: dict[str, object], before: str = "") -> str:
    return before + f"\nprint({json.dumps(json.dumps(result))})"


def names() -> list[str]:
    return [entry.name for entry in ModelStore().list()]


@pytest.mark.parametrize("room", [printing(KEPT, COMPARE)], indirect=True)
def test_record_learn_compare_keep(room: Room) -> None:
    room.record()
    assert not room.desk.settings.split_view, "the view is as it was before"
    room.desk.until(lambda: room.dialog.go_button.text() == "Keep")
    assert room.told == [("adapting", done, 2, 70.0) for done in range(3)]
    assert "60 % less" in room.dialog.text.text()
    assert room.dialog.picture.isVisible()
    room.desk.until(lambda: not room.recordings())  # what is compared is in memory
    room.dialog.next_button.click()
    room.dialog.go_button.click()
    assert room.adapted == ["den"]
    assert "den" in names()


@pytest.mark.parametrize("room", [printing(KEPT, COMPARE)], indirect=True)
def test_discarding_deletes_the_model_and_the_recording(room: Room) -> None:
    room.record()
    room.desk.until(lambda: room.dialog.close_button.text() == "Discard")
    room.dialog.close_button.click()
    room.desk.until(lambda: "den" not in names() and not room.recordings())
    assert room.adapted == []


@pytest.mark.parametrize("room", [printing({"kept": False, "reason": "It flickers."})], indirect=True)
def test_what_is_no_better_is_said(room: Room) -> None:
    room.record()
    room.desk.until(lambda: "It flickers." in room.dialog.text.text())
    assert room.dialog.close_button.text() == "Close"
    assert not room.dialog.go_button.isVisible()
    room.desk.until(lambda: not room.recordings())


@pytest.mark.parametrize("room", ["print('mattecam: Nobody is seen.', file=sys.stderr); sys.exit(2)"], indirect=True)
def test_what_the_command_says_is_said(room: Room) -> None:
    room.record()
    room.desk.until(lambda: room.dialog.text.text() == "Nobody is seen.")
    room.desk.until(lambda: not room.recordings())


@pytest.mark.parametrize("room", ["time.sleep(60)"], indirect=True)
def test_cancelling_while_it_learns_ends_the_process(room: Room) -> None:
    room.record()
    room.desk.until(lambda: len(room.told) == 3)
    process = room.dialog._process
    assert process is not None
    ended: list[object] = []
    process.ended.connect(lambda *told: ended.append(told))
    room.dialog.close_button.click()
    assert ended == [(None, "")]
    room.desk.until(lambda: not room.recordings())


@pytest.mark.parametrize("room", [""], indirect=True)
def test_cancelling_while_it_records(room: Room) -> None:
    room.dialog.go_button.click()
    room.desk.until(lambda: room.desk.settings.split_view)
    for _ in range(3):
        room.picture(0.5)
        room.picture(0.01)  # too soon after the one before
    room.desk.until(lambda: len(list(room.recordings()[0].glob("frames/*.jpg"))) == 3)
    room.dialog.offer(Preview(np.zeros((8, 8, 3), np.uint8), (8, 8)))  # a slate: nothing of the camera's in it
    room.dialog.reject()  # what the Escape key does
    assert not room.desk.settings.split_view
    room.desk.until(lambda: not room.recordings())


def test_without_torch_it_says_how_to_get_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(purpose: str) -> None:
        raise ModelError(f"{purpose} needs the `train` extra.", "pip install it")

    monkeypatch.setattr(adapt_dialog, "require_train_extra", missing)
    desk.window.actions_.adapt.trigger()
    dialog = desk.window.adapting.dialog
    assert dialog is not None
    assert dialog.text.text() == "Adapting to your room needs the `train` extra. pip install it"
    assert not dialog.go_button.isVisible()
    desk.window.actions_.adapt.trigger()
    assert desk.window.adapting.dialog is dialog, "one at a time"
    dialog.close_button.click()
    assert desk.window.adapting.dialog is None


def test_a_kept_model_becomes_the_one_in_use(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(adapt_dialog, "require_train_extra", lambda _purpose: None)
    ModelStore().add(write_network(tmp_path / "x.onnx"), "den", "made up")
    desk.window.actions_.adapt.trigger()
    dialog = desk.window.adapting.dialog
    assert dialog is not None
    dialog.adapted.emit("den")
    assert desk.settings.model == "den"
    assert desk.pipeline.applied[-1].model == "den"
    model = desk.window.panel.quality.model
    desk.until(lambda: {model.itemData(row) for row in range(model.count())} >= {"den", "modnet_photographic"})
    assert model.currentData() == "den"


@pytest.mark.parametrize("room", [""], indirect=True)
def test_a_picture_that_cannot_be_written_ends_it_and_leaves_none(
    desk: Desk, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _image: object) -> None:
        raise MediaError("The disk is full.", "Free some.")

    room.dialog.go_button.click()
    desk.until(lambda: desk.settings.split_view)
    room.picture(0.5)
    desk.until(lambda: bool(list(room.recordings()[0].glob("frames/*.jpg"))))
    monkeypatch.setattr(room_recording, "write_image", full)
    room.picture(0.5)
    desk.until(lambda: "The disk is full." in room.dialog.text.text())
    desk.until(lambda: not room.recordings())
    assert not desk.settings.split_view


@pytest.mark.parametrize("room", [""], indirect=True)
def test_nothing_is_learnt_from_a_recording_whose_last_picture_is_missing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = room_recording.write_image

    def all_but_the_last(path: Path, image: Image) -> None:
        if path.name == "00019.jpg":
            raise MediaError("The disk is full.", "Free some.")
        write(path, image)

    monkeypatch.setattr(room_recording, "write_image", all_but_the_last)
    room.record()
    room.desk.until(lambda: "The disk is full." in room.dialog.text.text())
    room.desk.until(lambda: not room.recordings())
    assert room.dialog._process is None
    assert "The disk is full." in room.dialog.text.text()
    assert room.told == [], "the command was never started"


@pytest.mark.parametrize("hidden", [False, True])
def test_closing_the_window_waits_for_no_picture_and_for_their_deletion(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    monkeypatch.setattr(adapt_dialog, "require_train_extra", lambda _purpose: None)
    write = room_recording.write_image

    def write_slowly(path: Path, image: Image) -> None:
        time.sleep(0.2)
        write(path, image)

    monkeypatch.setattr(room_recording, "write_image", write_slowly)
    monkeypatch.setattr(main_window, "LANES_S", 10.0)  # on a machine that is busy
    desk.window.actions_.adapt.trigger()
    dialog = desk.window.adapting.dialog
    assert dialog is not None
    now_s = 100.0
    dialog._clock = lambda: now_s
    dialog.go_button.click()
    desk.until(lambda: desk.settings.split_view)
    image = np.zeros((36, 64, 3), np.uint8)
    for _ in range(60):  # twelve seconds of writing
        now_s += 0.2
        dialog.offer(Preview(image, image.shape[1::-1], image, image))
    desk.until(lambda: any(recordings_folder().glob("*/frames/*.jpg")))
    dialog.setVisible(not hidden)
    ended: list[bool] = []
    desk.window.ended.connect(lambda: ended.append(any(recordings_folder().iterdir())))
    desk.window.close()
    desk.until(lambda: bool(ended))
    assert ended == [False], "nothing of it is left when the program may end"
    assert not desk.settings.split_view


def test_closing_the_window_ends_it_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_dialog, "require_train_extra", lambda _purpose: None)
    desk.window.actions_.adapt.trigger()
    dialog = desk.window.adapting.dialog
    assert dialog is not None
    dialog.go_button.click()
    desk.until(lambda: desk.settings.split_view)
    image = np.zeros((36, 64, 3), np.uint8)
    QTest.qWait(120)
    desk.pipeline.next_preview = Preview(image, image.shape[1::-1], image, image)
    desk.until(lambda: any(recordings_folder().glob("*/frames/*.jpg")))
    desk.window.close()
    desk.until(lambda: not list(recordings_folder().iterdir()))
    assert not desk.settings.split_view
