"""AdaptProcess: the command `adapt` in a process of its own, so that neither the window nor the call waits for it."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QProcess, Signal

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main(sys.argv[1:]))")
PATIENCE_MS = 2000
LIMIT_S = 900


class AdaptProcess(QObject):
    """Runs once. `progressed` carries (stage, done, total, seconds left or None); then comes `ended`, once, with the
    command's result, or with None and a sentence that says why there is none (empty after `stop`)."""

    progressed = Signal(str, int, int, object)
    ended = Signal(object, str)

    def __init__(self, parent: QObject | None = None, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__(parent)
        self._command = command
        self._stopped = False
        self._over = False
        self._said = ""
        self._unread = b""
        self._process = QProcess(self)
        self._process.setWorkingDirectory(str(ROOT))
        self._process.readyReadStandardError.connect(self._read)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._failed)

    def start(self, frames: Path, comparison: Path) -> None:
        """Adapt to the pictures in `frames`; pictures of before and after go to `comparison`."""
        program, *arguments = self._command
        options = ["--compare", str(comparison), "--seconds-limit", str(LIMIT_S), "--json"]
        self._process.start(program, [*arguments, "adapt", str(frames), *options])

    def stop(self) -> None:
        """End it, in order where the system knows how, and wait until it is gone; `ended` comes before this returns."""
        self._stopped = True
        self._process.terminate()
        if not self._process.waitForFinished(PATIENCE_MS):
            self._process.kill()
            self._process.waitForFinished(PATIENCE_MS)

    def _read(self) -> None:
        self._unread += bytes(self._process.readAllStandardError().data())
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace").strip())

    def _take(self, line: str) -> None:
        try:
            told = json.loads(line)
            self.progressed.emit(told["stage"], told["done"], told["total"], told["left_s"])
        except (ValueError, TypeError, KeyError):
            log.debug("adapt: %s", line)
            if line.startswith("mattecam: "):
                self._said = line.removeprefix("mattecam: ")

    def _finished(self, code: int) -> None:
        self._read()
        answer = bytes(self._process.readAllStandardOutput().data()).decode(errors="replace").strip().splitlines()
        result: dict[str, Any] | None = None
        if code == 0 and answer:
            result = json.loads(answer[-1])
        self._end(result, self._said or self.tr("Adapting stopped unexpectedly; the log has the details."))

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self._end(None, self.tr("Adapting could not be started: {0}.").format(self._process.errorString()))

    def _end(self, result: dict[str, Any] | None, problem: str) -> None:
        if not self._over:
            self._over = True
            self.ended.emit(result, "" if result is not None or self._stopped else problem)
