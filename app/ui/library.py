"""BackgroundLibrary: the pictures and videos that ship, and the user's own, which are copied into their data folder."""

import filecmp
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from PySide6.QtCore import QFile

from app.shipped_backgrounds import FOLDER, SUFFIXES, files
from matting_core.errors import MediaError
from matting_core.suffixes import VIDEO_SUFFIXES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One background file. own: the user added it and may remove it."""

    path: Path
    own: bool

    @property
    def name(self) -> str:
        """The file's name as a caption: 'misty_forest.jpg' → 'Misty forest'."""
        words = self.path.stem.replace("_", " ").replace("-", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


class BackgroundLibrary:
    """Lists, adds and removes files. Touches the disk: call `add` off the window's thread."""

    def __init__(self, own_folder: Path | None = None, shipped_folder: Path = FOLDER) -> None:
        self.own_folder = own_folder or platformdirs.user_data_path("mattecam", appauthor=False) / "backgrounds"
        self.shipped_folder = shipped_folder

    def entries(self) -> list[LibraryEntry]:
        """The shipped ones by name, then the user's own, oldest first."""
        shipped = [LibraryEntry(path, own=False) for path in files(self.shipped_folder)]
        own = sorted(files(self.own_folder), key=lambda path: (path.stat().st_mtime, path.name))
        return shipped + [LibraryEntry(path, own=True) for path in own]

    def add(self, source: Path) -> LibraryEntry:
        """Copy a picture or video into the user's folder, beside and renamed; a file already there is not doubled.

        Raises MediaError if it is of no known kind or cannot be copied.
        """
        if source.suffix.lower() not in SUFFIXES:
            raise MediaError(
                f"{source.name} is not a picture or video that can be a background.", f"Use one of {_list(SUFFIXES)}."
            )
        try:
            self.own_folder.mkdir(parents=True, exist_ok=True)
            target = self._place_for(source)
            if not target.exists():
                _copy_beside_and_rename(source, target)
        except OSError as error:
            raise MediaError(
                f"{source.name} cannot be copied to your backgrounds ({error.strerror}).",
                "Check that the file can be read and that the disk has room.",
            ) from error
        return LibraryEntry(target, own=True)

    def remove(self, entry: LibraryEntry) -> None:
        """Put one of the user's own into the system's bin, or delete it where there is none.

        Raises MediaError if neither is possible.
        """
        if not entry.own:
            raise MediaError(f"{entry.name} comes with Mattecam and cannot be removed.")
        try:
            if not QFile(str(entry.path)).moveToTrash():
                entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise MediaError(
                f"{entry.path.name} cannot be removed ({error.strerror}).",
                "Close the program that uses the file, then try again.",
            ) from error

    def _place_for(self, source: Path) -> Path:
        target = self.own_folder / source.name
        number = 1
        while target.exists() and not filecmp.cmp(source, target, shallow=False):
            number += 1
            target = self.own_folder / f"{source.stem}-{number}{source.suffix}"
        return target


def _copy_beside_and_rename(source: Path, target: Path) -> None:
    # The suffix '.part' keeps a copy that was cut short out of the gallery.
    descriptor, temporary = tempfile.mkstemp(prefix=target.stem, suffix=".part", dir=target.parent)
    os.close(descriptor)
    try:
        shutil.copyfile(source, temporary)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _list(suffixes: frozenset[str]) -> str:
    return ", ".join(sorted(suffix.removeprefix(".") for suffix in suffixes))
