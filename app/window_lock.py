"""WindowLock: one window for each user. A second start brings the first one's window to the front and ends.

Two windows would fight for the camera and the virtual camera, and the later one to close would undo what the earlier
one saved. Nothing listens: the two speak through a file.
"""

import contextlib
import logging
import time
from pathlib import Path
from typing import IO

import platformdirs

from matting_core.errors import MattecamError
from matting_core.file_lock import is_held, lock_file

log = logging.getLogger(__name__)

ANSWER_S = 25.0
"""A window that is being closed is gone by then, also while a model loads; one that is being opened has answered."""
LOOK_S = 0.1


class WindowLock:
    """folder: where the lock lies, by default the platform's cache folder."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or platformdirs.user_cache_path("mattecam", appauthor=False)
        self._lock_path = folder / "window.lock"
        self._call_path = folder / "window.call"
        self._file: IO[bytes] | None = None

    def take_or_call(self, wait_s: float = ANSWER_S) -> bool:
        """True if this is the one window now; False if another is open and comes to the front.

        Raises MattecamError where another one holds the lock and does not answer. A folder that cannot be written
        keeps nobody from working: then there is no lock.
        """
        until_s = time.monotonic() + wait_s
        called = False
        while not self._take():
            if not called:
                with contextlib.suppress(OSError):
                    self._call_path.touch()
                    called = True
            elif not self._call_path.exists():
                return False
            if time.monotonic() > until_s:
                self.was_called()
                raise MattecamError(
                    "Mattecam is already running but does not respond.",
                    "End it in the task manager, then start Mattecam again.",
                )
            time.sleep(LOOK_S)
        self.was_called()  # an own call, or one that nobody answered
        return True

    def was_called(self) -> bool:
        """Whether another start asked for the window since the last time; cheap enough for a timer."""
        try:
            self._call_path.unlink()
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Let the next one in. Safe to call twice; the system does it, too, when the process ends."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self) -> bool:
        try:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            file = self._lock_path.open("a+b")
        except OSError as error:
            log.warning("there is no lock against a second window (%s)", error)
            return True
        try:
            lock_file(file)
        except OSError as error:
            file.close()
            if is_held(error):
                return False
            log.warning("this file system has no lock against a second window (%s)", error)
            return True
        self._file = file
        return True
