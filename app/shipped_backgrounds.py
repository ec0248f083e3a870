"""The backgrounds that come with Mattecam, their names on the command line, and which files can be backgrounds."""

from pathlib import Path

from matting_core.inputs import is_file
from matting_core.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "backgrounds"
SUFFIXES = (IMAGE_SUFFIXES | VIDEO_SUFFIXES) - {".avif", ".jp2"}
"""Qt, which draws the gallery's tiles, does not read these two; on the command line they are fine."""


def files(folder: Path = FOLDER) -> list[Path]:
    """The pictures and videos in a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def names() -> tuple[str, ...]:
    """What the shipped ones are called: 'hills' for hills.jpg."""
    return tuple(path.stem for path in files())


def spec(text: str) -> str:
    """A background SPEC in which the name of a shipped one ('hills', 'Hills', 'hills.jpg') stands for its file.

    A file of that very name comes first.
    """
    shipped = {name: path for path in files() for name in (path.stem.lower(), path.name.lower())}
    name = text.strip().lower()
    return str(shipped[name]) if name in shipped and not is_file(text) else text


def found_again(text: str) -> str:
    """A background SPEC in which a shipped file is where it lies now, if Mattecam was moved since it was chosen."""
    path = Path(text)
    now, ours = FOLDER / path.name, path.parts[-3:-1] == FOLDER.parts[-2:]
    return str(now) if ours and not is_file(text) and is_file(now) else text
