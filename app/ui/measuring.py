"""MeasureRow: measures the processor's fastest arithmetic, automatically at the first start and later by a button."""

import json
import logging
import time
from collections.abc import Mapping

from PySide6.QtCore import QProcess
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.status import Status
from app.ui.adapt_process import COMMAND, ROOT
from app.ui.jobs import Lane
from app.ui.statistics import preset_names
from app.ui.widgets import MutedLabel
from matting_core.engine_names import PROCESSOR_ENGINES

log = logging.getLogger(__name__)

LIVE_FOR_S = 15.0
"""The picture comes first: measuring starts when it has been live for so long."""
PATIENCE_MS = 2000
Ways = Mapping[str, tuple[str, str, int]]


class MeasureRow(QWidget):
    """The button and what was found. The measuring is a process of its own, at low priority, beside the live picture;
    the matting thread sees the new file by itself."""

    def __init__(self, parent: QWidget | None = None, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__(parent)
        self._command = command
        self._live_since_s: float | None = None
        self._is_first = False
        self._process = QProcess(self)
        self._process.setWorkingDirectory(str(ROOT))
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._failed)
        self.found = MutedLabel()
        self.button = QPushButton(self.tr("Measure again"))
        self.button.setToolTip(self.tr("Find the arithmetic that is fastest on this processor"))
        self.button.clicked.connect(self.start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.found)
        layout.addWidget(self.button)

    def look(self, lane: Lane) -> None:
        """Show what is remembered; reading the disk is not for the window's thread."""
        lane.submit(remembered_ways, self._show_remembered)

    def show_status(self, status: Status) -> None:
        """Measure by itself once, when nothing is remembered and a processor has been matting for a while."""
        is_live = status.matting == status.output == "running" and status.engine in PROCESSOR_ENGINES
        if not is_live:
            self._live_since_s = None
        elif self._live_since_s is None:
            self._live_since_s = time.monotonic()
        elif self._is_first and time.monotonic() - self._live_since_s >= LIVE_FOR_S:
            self.start()

    def start(self) -> None:
        """Start to measure, unless that is being done."""
        self._is_first = False
        if self._process.state() is not QProcess.ProcessState.NotRunning:
            return
        self.button.setEnabled(False)
        self.found.say(self.tr("Measuring this processor…"))
        program, *arguments = self._command
        self._process.start(program, [*arguments, "bench", "--calibrate", "--json"])

    def close_process(self) -> None:
        """End a measurement that still runs, and wait until it is gone."""
        self._is_first = False
        if self._process.state() is not QProcess.ProcessState.NotRunning:
            self._process.finished.disconnect(self._finished)
            self._process.errorOccurred.disconnect(self._failed)
            self._process.kill()
            self._process.waitForFinished(PATIENCE_MS)

    def _show_remembered(self, ways: Ways | None) -> None:
        if ways is None:
            self._is_first = True
        elif self._process.state() is QProcess.ProcessState.NotRunning:
            self._show(ways)

    def _finished(self, code: int) -> None:
        self.button.setEnabled(True)
        answer = bytes(self._process.readAllStandardOutput().data()).decode(errors="replace").strip().splitlines()
        said = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip()
        try:
            if code == 0:
                self._show(json.loads(answer[-1])["ways"])
                return
        except (ValueError, KeyError, IndexError, TypeError) as error:
            log.warning("the measurement gave no result: %s", error)
        log.warning("measuring failed: %s", said)
        self.found.say(self.tr("Measuring failed; the usual arithmetic is used."))

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self.button.setEnabled(True)
            self.found.say(self.tr("Measuring could not be started: {0}.").format(self._process.errorString()))

    def _show(self, ways: Ways) -> None:
        names = preset_names()
        parts = [
            f"{names.get(preset, preset)} {arithmetic}{'' if engine == 'openvino' else ' (ONNX Runtime)'}"
            for preset, (engine, arithmetic, _threads) in ways.items()
        ]
        self.found.say(self.tr("Measured as fastest here: {0}").format(", ".join(parts)) if parts else "")


def remembered_ways() -> Ways | None:
    """What is remembered for this machine, or None if it has to be measured."""
    from app.calibration import recall
    from matting_core.model_store import ModelStore

    measured = recall(ModelStore())
    return None if measured is None else measured.ways
