"""The background SPEC that commands and settings share: its grammar, read in one place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matting_core.errors import UsageError
from matting_core.inputs import is_file, why_no_file

Kind = Literal["none", "transparent", "blur", "color", "file"]
DEFAULT_BLUR = 30


@dataclass(frozen=True, slots=True)
class BackgroundSpec:
    """A parsed SPEC. value: '#rrggbb' for color, '1'…'100' for blur, a path for file, else empty."""

    kind: Kind
    value: str = ""


def parse_spec(text: str) -> BackgroundSpec:
    """`color:#00b140`, `blur`, `blur:30`, `transparent`, `none`, or a path; UsageError says what is wrong."""
    text = text.strip()
    if text in ("none", "transparent"):
        return BackgroundSpec("none" if text == "none" else "transparent")
    kind, colon, value = text.partition(":")
    if kind == "blur":
        strength = value if colon else str(DEFAULT_BLUR)
        if not (strength.isdecimal() and len(strength) < 4 and 1 <= int(strength) <= 100):
            raise UsageError(f"'{text}' is not a blur.", "Write blur or blur:N with N from 1 to 100.")
        return BackgroundSpec("blur", str(int(strength)))
    if kind == "color" and colon:
        digits = value.removeprefix("#").lower()
        if len(digits) != 6 or set(digits) - set("0123456789abcdef"):
            raise UsageError(f"'{value}' is not a colour.", "Write color:#rrggbb, for example color:#00b140.")
        return BackgroundSpec("color", f"#{digits}")
    if not text:
        raise UsageError("The background is empty.", "Give color:#rrggbb, blur, transparent, none or a file.")
    if "\0" in text:
        raise UsageError("The background's name contains a null byte.", "Give the file's name.")
    try:
        return BackgroundSpec("file", str(Path(text).expanduser()))
    except RuntimeError as error:  # '~nobody/…'
        raise UsageError(f"'{text}' names the folder of an unknown user.", "Give the file's full path.") from error


def existing_spec(text: str) -> BackgroundSpec:
    """As `parse_spec`, for a command that starts at once: UsageError also where the file is not there."""
    spec = parse_spec(text)
    if spec.kind == "file" and not is_file(spec.value):
        if spec.value[:1] == "#" and len(spec.value) == 7:
            raise UsageError(f"The background {spec.value} is not a file.", f"Write color:{spec.value} for the colour.")
        problem = why_no_file(Path(spec.value))
        raise UsageError(
            f"The background {spec.value} {problem}.",
            "Give a picture, a video, blur, color:#rrggbb, transparent, none, or a name that --help lists.",
        )
    return spec
