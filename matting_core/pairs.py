"""Pictures with their true mattes: matched file by file in one of the LAYOUTS, and read.

A video, or a folder of frames, among the pictures is a clip, and so is its matte. Partners have the same stem.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from matting_core.errors import MediaError, UsageError
from matting_core.fit import fit_image
from matting_core.frames import Alpha, Image
from matting_core.layouts import AUTO, AUTO_ORDER, FOLDERS, LAYOUTS
from matting_core.pictures import read_image
from matting_core.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from matting_core.video_decode import decoded, open_video, to_bgr


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its true matte. background: where set, the picture is a foreground to be laid over it.

    name: unique in its set, for reports.
    """

    name: str
    image: Path
    matte: Path
    background: Path | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """Consecutive pictures and their true mattes, each a video file or a folder of frames."""

    name: str
    frames: Path
    mattes: Path


@dataclass(frozen=True, slots=True)
class PairSet:
    """What lies in a folder, sorted by name: layout is the one that fits, never 'auto'."""

    layout: str
    pairs: tuple[Pair, ...]
    clips: tuple[Clip, ...]


def find_pairs(folder: Path, layout: str = AUTO) -> PairSet:
    """Match the files of a data set by their names; no picture is opened.

    Raises UsageError: no such folder or layout, nothing there, two files of one stem, or a file without its partner,
    which is named.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout '{layout}'.", f"Choose one of: {', '.join(LAYOUTS)}.")
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"The folder {folder} {problem}.", "Check the path.")
    candidates = AUTO_ORDER if layout == AUTO else (layout,)
    for candidate in candidates:
        for names in FOLDERS[candidate]:
            folders = [folder / name for name in names]
            if all(map(Path.is_dir, folders)):
                return _match(candidate, *folders)
    every = [" + ".join(f"{name}/" for name in names) for one in candidates for names in FOLDERS[one]]
    wanted = ", ".join(dict.fromkeys(every))
    which = "any known layout" if layout == AUTO else f"the layout '{layout}'"
    raise UsageError(f"{folder} does not have the folders of {which}.", f"Name them as one of: {wanted}.")


def read_pair(pair: Pair) -> tuple[Image, Alpha]:
    """The picture, uint8 H×W×3 BGR, and its true matte, uint8 H×W; new arrays.

    Raises MediaError that names the file which cannot be read, and UsageError where the two differ in size.
    """
    image, matte = read_image(pair.image), read_matte(pair.matte)
    _check_sizes(image, matte, pair.image, pair.matte)
    if pair.background is not None:
        image = composite_over(image, matte, read_image(pair.background))
    return image, matte


def read_matte(path: Path) -> Alpha:
    """A matte file as uint8 H×W, upright; a file of 0 and 1 is stretched to 0 and 255. Raises MediaError."""
    return _as_matte(read_image(path))


def read_clip(clip: Clip) -> Iterator[tuple[Image, Alpha]]:
    """The clip's pictures and true mattes in order, each as read_pair gives them.

    Raises MediaError where a file cannot be read, UsageError where the two differ in size or length.
    """
    mattes = read_frames(clip.mattes)
    count = 0
    for image in read_frames(clip.frames):
        matte = next(mattes, None)
        if matte is None:
            raise UsageError(
                f"{clip.mattes} has {count} mattes, but {clip.frames} has more frames.", "Cut both to the same length."
            )
        _check_sizes(image, matte, clip.frames, clip.mattes)
        yield image, _as_matte(matte)
        count += 1
    if next(mattes, None) is not None:
        raise UsageError(
            f"{clip.frames} has {count} frames, but {clip.mattes} has more mattes.", "Cut both to the same length."
        )
    if not count:
        raise MediaError(f"The clip {clip.frames} has no readable picture.", "Give another clip.")


def read_frames(path: Path) -> Iterator[Image]:
    """The pictures of a video file, or of a folder in the order of their names: uint8 H×W×3 BGR, upright.

    Raises MediaError where the file, or one of the folder's, cannot be read.
    """
    if path.is_dir():
        yield from map(read_image, _frame_files(path))
        return
    container, stream = open_video(path)
    try:
        yield from decoded(map(to_bgr, container.decode(stream)), path)
    finally:
        container.close()


def composite_over(foreground: Image, matte: Alpha, background: Image) -> Image:
    """I = αF + (1 − α)B (Xu et al., CVPR 2017, eq. 1), the background cropped to fill: uint8 H×W×3 BGR, new."""
    height, width = matte.shape
    behind = fit_image(background, width, height, "cover")
    alpha = matte.astype(np.float32)[..., None] / np.float32(255)
    return np.rint(behind + alpha * (foreground.astype(np.float32) - behind)).astype(np.uint8)


def _match(layout: str, images: Path, mattes: Path, backgrounds: Path | None = None) -> PairSet:
    numbered = layout == "amd" and backgrounds is None
    partners = _by_stem(mattes)
    unused = dict(partners)
    pairs: list[Pair] = []
    clips: list[Clip] = []
    for stem, image in _by_stem(images).items():
        matte_stem = stem if stem in partners or not numbered else stem.rpartition("_")[0]
        matte = partners.get(matte_stem)
        if matte is None:
            raise UsageError(f"{image} has no matte {mattes / matte_stem}.*.", "Add it, or remove the picture.")
        unused.pop(matte_stem, None)
        if _is_clip(image) != _is_clip(matte):
            raise UsageError(
                f"One of {image} and {matte} is a clip, and the other is a picture.", "Give two of the same kind."
            )
        if _is_clip(image):
            _check_frame_names(image, matte)
            clips.append(Clip(stem, image, matte))
        else:
            pairs.append(Pair(stem, image, matte))
    if unused:
        raise UsageError(f"{next(iter(unused.values()))} has no picture in {images}.", "Add it, or remove the matte.")
    if not pairs and not clips:
        raise UsageError(f"The folder {images} has no pictures or clips.", "Give one with JPEG or PNG files.")
    if backgrounds is not None:
        pairs = list(_over_backgrounds(pairs, backgrounds))
    return PairSet(layout, tuple(pairs), tuple(clips))


def _over_backgrounds(pairs: list[Pair], folder: Path) -> Iterator[Pair]:
    backgrounds = list(_by_stem(folder).values())
    if not backgrounds:
        raise UsageError(f"The folder {folder} has no pictures.", "Add pictures to use as backgrounds.")
    each = max(1, len(backgrounds) // max(1, len(pairs)))
    for number, pair in enumerate(pairs):
        for turn in range(each):
            background = backgrounds[(number * each + turn) % len(backgrounds)]
            yield Pair(f"{pair.name}_{turn}", pair.image, pair.matte, background)


def _by_stem(folder: Path) -> dict[str, Path]:
    """The folder's pictures, videos and frame folders by their stems, sorted."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise MediaError(f"The folder {folder} cannot be read ({error.strerror}).", "Fix its permissions.") from error
    for path in paths:
        if path.name.startswith(".") or not (path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES):
            continue
        stem = path.name if path.is_dir() else path.stem
        if stem in found:
            raise UsageError(
                f"{found[stem].name} and {path.name} in {folder} have the same name.", "Rename one of them."
            )
        found[stem] = path
    return found


def _is_clip(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES


def _frame_files(folder: Path) -> list[Path]:
    return [path for path in _by_stem(folder).values() if path.suffix.lower() in IMAGE_SUFFIXES]


def _check_frame_names(frames: Path, mattes: Path) -> None:
    """Two folders of frames match by name; a video has none, and its length is checked as it is read."""
    if not (frames.is_dir() and mattes.is_dir()):
        return
    names, partners = ({path.stem: path for path in _frame_files(folder)} for folder in (frames, mattes))
    for lonely, other in ((names.keys() - partners, mattes), (partners.keys() - names, frames)):
        if lonely:
            path = {**names, **partners}[min(lonely)]
            raise UsageError(f"{path} has no partner in {other}.", "Add it, or remove the frame.")


def _check_sizes(image: Image, matte: Image | Alpha, image_path: Path, matte_path: Path) -> None:
    if image.shape[:2] != matte.shape[:2]:
        (h, w), (matte_h, matte_w) = image.shape[:2], matte.shape[:2]
        raise UsageError(
            f"{image_path} is {w}×{h}, but its matte {matte_path} is {matte_w}×{matte_h}.", "Make both the same size."
        )


def _as_matte(image: Image) -> Alpha:
    matte = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if matte.max() == 1:
        matte *= 255
    return matte  # type: ignore[return-value]
