"""AdaptDialog: records the user in their room, adapts the model to it, shows before and after, and asks."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from app.room_recording import RoomRecording
from app.status import Preview
from app.ui.adapt_pages import AdaptPages, Pair
from app.ui.adapt_process import AdaptProcess
from app.ui.jobs import Lane
from app.ui.store import SettingsStore
from matting_core.errors import MattecamError
from matting_core.modnet import require_train_extra
from matting_core.pictures import read_image

log = logging.getLogger(__name__)

RECORD_S = 20.0
EVERY_S = 0.1
LONGEST_GAP_S = 1.0


class AdaptDialog(AdaptPages):
    """Not modal: the call goes on. `adapted` carries the name of the model that the user chose to keep.

    Pictures come through `offer` while it records, for which it switches the window's before/after view on. They lie
    in a private folder, deleted as soon as nothing needs them, and a model that was not kept goes, too. Its `lane` does
    that, and still has to when the dialog is gone.
    """

    adapted = Signal(str)

    def __init__(
        self,
        store: SettingsStore,
        parent: QWidget | None = None,
        clock: Callable[[], float] = time.monotonic,
        make_process: Callable[[QObject], AdaptProcess] = AdaptProcess,
    ) -> None:
        super().__init__(parent)
        self._store, self._clock, self._make_process = store, clock, make_process
        self.lane = Lane("room", self)
        self._recording: RoomRecording | None = None
        self._process: AdaptProcess | None = None
        self._recorded_s: float | None = None
        self._newest_s = 0.0
        self._split_before = False
        self._result: dict[str, Any] | None = None
        self._closed = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.go_button.clicked.connect(self._go)
        self._introduce()

    def _introduce(self) -> None:
        try:
            require_train_extra(self.tr("Adapting to your room"))
        except MattecamError as error:
            self.page(f"{error.problem} {error.mend}", close=self.tr("Close"))
            return
        self.page(
            self.tr(
                "Mattecam records you for {0} seconds, learns your room from that, and keeps what it learnt only if it "
                "measures better. The recording stays on this computer and is deleted afterwards. Learning takes "
                "up to a quarter of an hour; your call continues meanwhile.\n\n"
                "Sit as you do in a call. You will be told what to do."
            ).format(round(RECORD_S)),
            go=self.tr("Record"),
            close=self.tr("Cancel"),
        )

    def _go(self) -> None:
        if self._result is not None:
            self._keep()
        elif self._recorded_s is None:
            self.go_button.setEnabled(False)
            self.lane.submit(self._open_recording, self._record, self._fail)

    # Recording

    def _open_recording(self) -> RoomRecording:
        """On the lane; kept at once, so that closing finds it there."""
        self._recording = RoomRecording()
        return self._recording

    def _record(self, _recording: RoomRecording) -> None:
        self._recorded_s, self._newest_s = 0.0, self._clock()
        self._split_before = self._store.settings.split_view
        self._store.change(split_view=True)
        self.page(self._task(0.0), close=self.tr("Cancel"), bar=round(RECORD_S * 10))

    def offer(self, preview: Preview) -> None:
        """A picture that the window shows; taken while recording, ten times a second, if it has the camera's own."""
        if self._recording is None or self._recorded_s is None or self._process is not None or preview.camera is None:
            return
        now_s = self._clock()
        if now_s - self._newest_s < EVERY_S:
            return
        self._recorded_s += min(now_s - self._newest_s, LONGEST_GAP_S)
        self._newest_s = now_s
        # The preview's array belongs to the window, which only reads it.
        self.lane.submit(partial(self._recording.add, preview.camera), lambda _: None, self._fail)
        self.text.setText(self._task(self._recorded_s))
        self.bar.setValue(round(self._recorded_s * 10))
        if self._recorded_s >= RECORD_S:
            self._learn()

    def _task(self, at_s: float) -> str:
        tasks = (
            self.tr("Sit as you do in a call. Look at the screen, then look around."),
            self.tr("Turn left and right, and lean forwards and back."),
            self.tr("Raise your hands and move them, as when you talk."),
            self.tr("Move out of the picture and come back."),
        )
        return tasks[min(len(tasks) - 1, int(at_s / RECORD_S * len(tasks)))]

    def _end_recording(self) -> None:
        if self._recorded_s is not None:
            self._recorded_s = None
            self._store.change(split_view=self._split_before)

    # Learning

    def _learn(self) -> None:
        assert self._recording is not None
        self._end_recording()
        self._process = self._make_process(self)
        self._process.progressed.connect(self._progress)
        self._process.ended.connect(self._ended)
        self.page(self.tr("Reading the recording…"), close=self.tr("Cancel"), bar=0)
        recording = self._recording
        # On the lane, and so after the last picture is written.
        self.lane.submit(lambda: None, lambda _: self._start(recording))

    def _start(self, recording: RoomRecording) -> None:
        if self._process is not None and not self._closed:
            self._process.start(recording.frames, recording.comparison)

    def _progress(self, stage: str, done: int, total: int, left_s: float | None) -> None:
        words = {
            "looking": self.tr("Looking for you in the pictures…"),
            "heads": self.tr("Getting ready…"),
            "adapting": self.tr("Learning your room…"),
        }
        text = words.get(stage, stage)
        if left_s is not None and left_s >= 60:
            text += " " + self.tr("About {0} minutes left.").format(round(left_s / 60))
        elif left_s is not None and left_s > 0:
            text += " " + self.tr("About {0} seconds left.").format(max(1, round(left_s)))
        self.text.setText(text)
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _ended(self, result: dict[str, Any] | None, problem: str) -> None:
        self._process = None
        if self._closed:
            if result is not None:
                self._discard(result)
            return
        if result is None or not result["kept"]:
            self._delete_recording()
        if result is None:
            self.page(problem, close=self.tr("Close"))
        elif not result["kept"]:
            text = self.tr("Your model already fits this room: learning did not improve it, so nothing has changed.")
            self.page(f"{text}\n\n{result['reason']}", close=self.tr("Close"))
        else:
            assert self._recording is not None
            self._result = result
            self.page(self.tr("Comparing…"), bar=0)
            self.lane.submit(partial(_read_pairs, self._recording.comparison), self._compare, self._fail)

    # Comparing

    def _compare(self, pairs: list[Pair]) -> None:
        assert self._result is not None
        self._delete_recording()  # the pictures to compare are in memory
        before, after = (self._result[key]["disagreement"] for key in ("before", "after"))
        text = self.tr(
            "The adapted model is better: on pictures that it did not learn from, the parts of the network disagree "
            "by {0} % less. Drag the divider to compare. You can go back at any time under Quality and speed."
        ).format(round(100 * (1 - after / before)))
        self.page(text, go=self.tr("Keep"), close=self.tr("Discard"), pairs=pairs)
        self.resize(max(self.width(), 720), 620)

    def _keep(self) -> None:
        assert self._result is not None
        result, self._result = self._result, None
        self.adapted.emit(result["name"])
        self.close()

    def _discard(self, result: dict[str, Any]) -> None:
        if result["kept"]:
            self.lane.submit(partial(_remove_model, result["name"]))

    def _fail(self, error: Exception) -> None:
        log.debug("adapting failed", exc_info=error)
        self._end_recording()
        process, self._process = self._process, None
        if process is not None:  # the last picture was not written: nothing may begin with what there is
            process.ended.disconnect(self._ended)
            process.stop()
        self._delete_recording()
        if not self._closed:
            self.page(str(error), close=self.tr("Close"))

    def _delete_recording(self) -> None:
        """Have it deleted, without waiting for the pictures that are still to be written."""
        if self._recording is not None:
            self._recording.end()
        self.lane.submit(self._delete_on_the_lane)

    def _delete_on_the_lane(self) -> None:
        if self._recording is not None:  # looked at here: it may have been opened after this was asked for
            self._recording.delete()

    def done(self, code: int) -> None:
        """Closing, in every way, discards: stop what runs, delete the recording and a model that was not kept."""
        if self._closed:
            return
        self._closed = True
        self._end_recording()
        if self._process is not None:
            self._process.stop()  # one that has just ended hands its result over here
        if self._result is not None:
            self._discard(self._result)
        self._delete_recording()
        self.lane.close()
        super().done(code)


def _read_pairs(folder: Path) -> list[Pair]:
    befores = sorted(folder.glob("*-before.png"))
    return [(read_image(path), read_image(path.with_name(path.name.replace("before", "after")))) for path in befores]


def _remove_model(name: str) -> None:
    from matting_core.model_store import ModelStore

    ModelStore().remove(name)
