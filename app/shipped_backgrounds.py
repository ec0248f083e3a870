"""The backgrounds that come with Mattecam, and their names on the command line."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "backgrounds"


def names() -> tuple[str, ...]:
    """What they are called, in order: 'hills' for hills.jpg."""
    return tuple(sorted(path.stem for path in FOLDER.iterdir()))


def spec(text: str) -> str:
    """A background SPEC in which the name of a shipped one stands for its file; a file of that name comes first."""
    if text in names() and not Path(text).exists():
        return str(next(path for path in FOLDER.iterdir() if path.stem == text))
    return text
