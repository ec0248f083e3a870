"""Board: where the stages post their notices and states, and where the window and the commands read it."""

import dataclasses
import logging
import threading
import traceback
from typing import Any

from app.status import Notice, Severity, Status
from matting_core.errors import MattecamError

log = logging.getLogger(__name__)


class Board:
    """Thread-safe: one Status, replaced by a changed copy at every change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status = Status()

    def read(self) -> Status:
        """The status now; its `stats` and `paused` are filled in by the pipeline."""
        return self._status

    def set(self, **fields: Any) -> None:
        """Change fields of the status; a change of a stage's state is logged."""
        with self._lock:
            for stage in ("capture", "matting", "output"):
                if stage in fields and fields[stage] != getattr(self._status, stage):
                    log.info("%s: %s", stage, fields[stage])
            self._status = dataclasses.replace(self._status, **fields)

    def say(self, key: str, error: Exception | str, severity: Severity = "error", mend: str = "") -> None:
        """Pin a notice; one of the same key is replaced, and an identical one stays as it is."""
        detail = ""
        if isinstance(error, MattecamError):
            problem, mend = error.problem, error.mend or mend
        else:
            problem = str(error)
        if isinstance(error, Exception) and error.__cause__ is not None:
            detail = "".join(traceback.format_exception(error.__cause__)).strip()
        notice = Notice(key, severity, problem, mend, detail)
        with self._lock:
            pinned = {old.key: old for old in self._status.notices}
            if pinned.get(key) == notice:
                return
            pinned.pop(key, None)
            self._status = dataclasses.replace(self._status, notices=(*pinned.values(), notice))
        log.info("%s: %s %s", severity, problem, mend)  # not louder: who pins a notice shows it, too

    def clear(self, key: str) -> None:
        """Take the notice of that key down, if it is up."""
        with self._lock:
            kept = tuple(notice for notice in self._status.notices if notice.key != key)
            self._status = dataclasses.replace(self._status, notices=kept)
