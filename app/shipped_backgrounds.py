"""The backgrounds that come with Mattecam, their names on the command line, and which files can be backgrounds."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "backgrounds"
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".gif"})
SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES


def files(folder: Path = FOLDER) -> list[Path]:
    """The pictures and videos in a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def names() -> tuple[str, ...]:
    """What the shipped ones are called: 'hills' for hills.jpg."""
    return tuple(path.stem for path in files())


def spec(text: str) -> str:
    """A background SPEC in which the name of a shipped one stands for its file; a file of that name comes first."""
    shipped = {path.stem: path for path in files()}
    return str(shipped[text]) if text in shipped and not Path(text).is_file() else text
