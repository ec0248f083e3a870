"""RoomRecording: pictures of the user's room for `adapt`, in a private folder that never outlives its use."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import platformdirs
import psutil

from matting_core.errors import MediaError
from matting_core.frames import Image
from matting_core.pictures import write_image

log = logging.getLogger(__name__)


class RoomRecording:
    """Raw camera pictures on the disk, readable by this user alone. Touches the disk: use it off the window's thread.

    parent: where the folder is made, by default in the platform's cache folder. Raises MediaError if it cannot be.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or recordings_folder()
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkdtemp makes folders of mode 0700. The name says whose it is, for `sweep`.
            self.folder = Path(tempfile.mkdtemp(prefix=f"{_owner(psutil.Process())}-", dir=parent))
        except OSError as error:
            raise MediaError(
                f"Nothing can be recorded to {parent} ({error.strerror}).",
                "Free up disk space, or fix the folder's permissions.",
            ) from error
        self.frames = self.folder / "frames"
        self.comparison = self.folder / "comparison"
        self._count = 0
        self._ended = False

    def add(self, image: Image) -> None:
        """Write one more picture, uint8 H×W×3 BGR; nothing once it has ended. Raises MediaError."""
        if self._ended:
            return
        write_image(self.frames / f"{self._count:05}.jpg", image)
        self._count += 1

    def end(self) -> None:
        """Take no more pictures, those still waiting included. Touches no disk; any thread."""
        self._ended = True

    def delete(self) -> None:
        """End it and delete everything; safe to call twice."""
        self.end()
        _delete(self.folder)


def sweep() -> None:
    """Delete what a crash left behind: recordings whose program no longer runs."""
    parent = recordings_folder()
    running = {_owner(process) for process in psutil.process_iter() if process.pid != 0} if parent.is_dir() else set()
    for folder in parent.iterdir() if parent.is_dir() else ():
        if folder.name.rpartition("-")[0] not in running:
            log.info("deleting a recording that was left behind")
            _delete(folder)


def recordings_folder() -> Path:
    """Where recordings lie while they are needed."""
    return platformdirs.user_cache_path("mattecam", appauthor=False) / "room"


def _owner(process: psutil.Process) -> str:
    """A process by its number and its start, because numbers come again; empty for one that is gone."""
    try:
        return f"{process.pid}-{int(process.create_time())}"
    except psutil.Error:
        return ""


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.warning("the recording %s cannot be deleted", os.fspath(folder))
