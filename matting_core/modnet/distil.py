"""The command that lets one model teach another: photos in, a folder of pictures and mattes to train on out.

    python -m matting_core.modnet.distil OUTPUT PHOTOS … [--model NAME] [--layout LAYOUT]

Each of PHOTOS is a folder of pictures, or of pictures with true mattes in one of the layouts of `eval`. The teacher's
matte of every picture is written; where there is a true one, which may be a coarse mask, it counts wherever it is
certain, and the teacher's in the band around its edge. Training on OUTPUT then is distillation: the paper's three
objectives (equations 1, 2 and 4) against what the teacher sees on the clean picture, while the pupil is shown a
webcam's. A slim network (`teacher.py`) only has its people cut out by these mattes. A run that was broken off goes on
where it stopped.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from matting_core.atomic import write_atomically
from matting_core.command_line import INTERRUPTED, CommandParser
from matting_core.engine import create_engine
from matting_core.engine_names import ENGINE_NAMES
from matting_core.errors import MediaError, OutputError, UsageError
from matting_core.frames import Alpha
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.model_store import ModelStore
from matting_core.modnet.commands import exit_code, tell_skipped
from matting_core.pairs import find_pairs, read_matte
from matting_core.pictures import read_image
from matting_core.predictor import matte_still
from matting_core.presets import find_preset
from matting_core.suffixes import IMAGE_SUFFIXES
from matting_core.trimap import make_trimap

TEACHER = "modnet_photographic"
PRESET = "balanced"
ENGINE = "cpu"
"""Photos come in many sizes, and OpenVINO, though faster on one, would compile the network anew for each."""
BAND_SHARE = 0.02
"""A true matte is certain farther than this share of the mean side from its edge: hand-drawn masks wander so far."""


class Photo(NamedTuple):
    """A picture and, where there is one, its true matte. name: unique over all of PHOTOS."""

    name: str
    image: Path
    matte: Path | None


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return exit_code(lambda: _run(arguments))
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to resume.", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> None:
    photos = find_photos(arguments.photos, arguments.layout)
    written, skipped = teach(photos, arguments.output, arguments.model, arguments.engine)
    tell_skipped(skipped)
    print(json.dumps({"output": str(arguments.output), "pictures": len(photos) - len(skipped), "new": written}))


def find_photos(folders: Sequence[Path], layout: str = AUTO) -> tuple[Photo, ...]:
    """The pictures of all folders. Raises UsageError for one that has none, and as `find_pairs` does."""
    photos: list[Photo] = []
    for number, folder in enumerate(folders):
        try:
            plain = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        except OSError as error:
            raise UsageError(f"The folder {folder} cannot be read ({error.strerror}).", "Check the path.") from error
        if plain:
            photos.extend(Photo(f"{number}_{path.stem}", path, None) for path in plain)
        else:
            pairs = find_pairs(folder, layout).pairs
            photos.extend(Photo(f"{number}_{pair.name}", pair.image, pair.matte) for pair in pairs)
    return tuple(photos)


def teach(
    photos: Sequence[Photo], output: Path, model: str = TEACHER, engine_name: str = ENGINE
) -> tuple[int, list[str]]:
    """Write image/ and matte/ under `output`; how many are new, and a sentence for each picture that cannot be read.

    Raises OutputError if they cannot be written, UsageError and EngineError for the model.
    """
    engine = create_engine(engine_name, ModelStore().locate(model))
    preset = find_preset(PRESET)
    written, skipped = 0, []
    try:
        for folder in (output / "image", output / "matte"):
            folder.mkdir(parents=True, exist_ok=True)
        for photo in tqdm(photos, unit="picture", dynamic_ncols=True):
            place = output / "matte" / f"{photo.name}.png"
            if place.exists():
                continue
            try:
                image = read_image(photo.image)
                truth = read_matte(photo.matte) if photo.matte else None
            except MediaError as error:
                skipped.append(error.problem)
                continue
            matte = matte_still(engine, preset, image)
            if truth is not None:
                matte = merge(truth, matte)
            shutil.copyfile(photo.image, output / "image" / f"{photo.name}{photo.image.suffix.lower()}")
            write_atomically(place, cv2.imencode(".png", matte)[1].tobytes())  # last: it says that both are there
            written += 1
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(
            f"{output} cannot be written ({reason}).", "Free up disk space, or fix the folder's permissions."
        ) from error
    finally:
        engine.close()
    return written, skipped


def merge(truth: Alpha, teacher: Alpha) -> Alpha:
    """The true matte where it is certain, the teacher's in the band around its edge: uint8 H×W, new.

    Raises UsageError where the two differ in size.
    """
    if truth.shape != teacher.shape:
        raise UsageError(
            f"A true matte is {truth.shape[1]}x{truth.shape[0]}, "
            f"but its picture is {teacher.shape[1]}x{teacher.shape[0]}.",
            "Give each matte the size of its picture.",
        )
    radius = max(1, round(BAND_SHARE * sum(truth.shape) / 2))
    trimap = make_trimap(truth.astype(np.float32) / np.float32(255), radius, radius)
    return np.where(trimap == 0.5, teacher, np.where(trimap > 0.5, 255, 0)).astype(np.uint8)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m matting_core.modnet.distil",
        description="Let one model make the mattes that another learns from.",
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a folder of its own, for pictures and mattes")
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTOS", help="folders of pictures, maybe with mattes")
    parser.add_argument("--model", default=TEACHER, metavar="NAME", help=f"the teacher; default {TEACHER}")
    parser.add_argument("--engine", default=ENGINE, choices=ENGINE_NAMES, help=f"what runs it; default {ENGINE}")
    parser.add_argument("--layout", default=AUTO, choices=LAYOUTS, help="of folders with true mattes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
