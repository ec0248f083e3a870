"""The paths that `process` is given: what fits together, told before any work; and files that come whole or not."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from app.video_file import FILM_SUFFIXES, keeps_film_alpha
from matting_core.atomic import part_stem
from matting_core.background_spec import BackgroundSpec
from matting_core.errors import MediaError, UsageError
from matting_core.inputs import is_folder, is_there
from matting_core.media_kind import MediaKind, media_kind
from matting_core.suffixes import ALPHA_SUFFIXES, COLOUR_SUFFIXES, IMAGE_SUFFIXES, MATTE_SUFFIXES, VIDEO_SUFFIXES

InputKind = Literal["folder"] | MediaKind
MEND_FOLDER = "Use a folder that you can write to, or a shorter name."


def _input_kind(source: Path) -> InputKind:
    return "folder" if is_folder(source) else media_kind(source)


def check_paths(source: Path, output: Path | None, alpha: Path | None, background: BackgroundSpec) -> InputKind:
    """What the input is; UsageError unless the results can be written under these names, and are not the input."""
    if output is None and alpha is None:
        raise UsageError("There is nothing to write.", "Give --output, --alpha or both.")
    if not is_there(source):
        raise UsageError(f"The input {source} does not exist.", "Check the path.")
    kind = _input_kind(source)
    for target, suffixes in ((output, COLOUR_SUFFIXES), (alpha, MATTE_SUFFIXES)):
        if target is not None:
            _check_target(target, source, kind, suffixes)
    if output is not None and alpha is not None and output.resolve() == alpha.resolve():
        raise UsageError(f"The result and its mattes would both be written to {output}.", "Give two different paths.")
    spare_background(background, [target for target in (output, alpha) if target is not None])
    if output is not None and background.kind == "transparent":
        _check_transparent(output, kind)
    return kind


def spare_background(background: BackgroundSpec, targets: Iterable[Path]) -> None:
    """UsageError if one of the files to be written is the background itself."""
    if background.kind == "file":
        _spare("background", Path(background.value), targets)


def _spare(name: str, file: Path, targets: Iterable[Path]) -> None:
    for target in targets:
        if is_there(target) and target.samefile(file):
            raise UsageError(f"The {name} {file} would be overwritten.", "Choose another path to write to.")


def _check_target(target: Path, source: Path, kind: InputKind, picture_suffixes: frozenset[str]) -> None:
    _spare("input", source, [target])
    suffix = target.suffix.lower()
    if kind == "folder":
        is_file = is_there(target) and not is_folder(target)
        if is_file or (not is_there(target) and suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES):
            raise UsageError(
                f"The input {source} is a folder, but {target} is a file's name.", "Give a folder for the results."
            )
        return
    if is_folder(target):
        raise UsageError(f"{target} is a folder.", f"Name a file in it, such as {target / source.name}.")
    image, video = ("a picture", ".png or .jpg", picture_suffixes), ("a video", ".mp4, .mkv or .webm", FILM_SUFFIXES)
    noun, example, suffixes = image if kind == "image" else video
    if suffix not in suffixes:
        problem = f"'{target.name}' is no file name for {noun}"
        if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
            problem = f"Mattecam does not write {noun} as '{suffix}'"
        raise UsageError(f"{problem}.", f"End it with {example}, for example.")


def _check_transparent(output: Path, kind: InputKind) -> None:
    if kind == "image" and output.suffix.lower() not in ALPHA_SUFFIXES:
        raise UsageError(f"'{output.name}' cannot be transparent.", "Name the result .png, .webp or .tif.")
    if kind == "video" and not keeps_film_alpha(output):
        raise UsageError(
            f"'{output.name}' cannot be transparent.",
            "Name the result .webm, or choose color:#00b140 for a green background.",
        )


@contextlib.contextmanager
def beside(target: Path | None) -> Iterator[Path | None]:
    """A path beside `target`, of the same suffix, which becomes `target` when the block ends well."""
    if target is None:
        yield None
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"The folder {target.parent} cannot be created ({error.strerror}).", "Choose another folder."
        ) from error
    part = target.with_name(f"{part_stem(target)}.part{target.suffix}")
    try:
        yield part
        try:
            part.replace(target)
        except OSError as error:
            raise MediaError(f"The file {target} cannot be written ({error.strerror}).", MEND_FOLDER) from error
    finally:
        with contextlib.suppress(OSError):  # of a name that no file can have, which was told already
            part.unlink(missing_ok=True)
