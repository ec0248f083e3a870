"""The pictures of a training run: found, read once so that bad ones are known before it starts, and dealt out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch.utils.data import DataLoader

from matting_core.errors import MediaError, UsageError
from matting_core.modnet.augment import WebcamLook
from matting_core.modnet.data import EpochSampler, MattingDataset, Sample, ValidationDataset, readable_pairs
from matting_core.modnet.train_config import DataConfig, TrainConfig
from matting_core.pairs import Pair, find_pairs
from matting_core.pictures import read_image
from matting_core.suffixes import IMAGE_SUFFIXES


class TrainData(NamedTuple):
    """What a run learns from and is measured on.

    steps: whole batches in an epoch; the rest of it is left out. skipped: a sentence for each file that cannot be
    read. fingerprint: of the pictures' names, so that a resumed run is known to see the same ones.
    """

    training: MattingDataset
    validation: ValidationDataset
    sampler: EpochSampler
    steps: int
    skipped: tuple[str, ...]
    fingerprint: str

    def loader(self, config: TrainConfig, pinned: bool) -> "DataLoader[Sample]":
        """Global batches in the sampler's order. pinned: for copying to a GPU."""
        return DataLoader(
            self.training,
            config.batch,
            sampler=self.sampler,
            drop_last=True,
            num_workers=config.data.workers,
            persistent_workers=config.data.workers > 0,
            pin_memory=pinned,
        )

    def start_at(self, step: int, batch: int) -> None:
        """Let the sampler go on where `step` steps have been done: in that epoch, after the batches it has had."""
        self.sampler.epoch, done = divmod(step, self.steps)
        self.sampler.skip = done * batch


def load_data(config: TrainConfig) -> TrainData:
    """Find and read everything. Raises UsageError for a folder without pictures, or with fewer than one batch."""
    data = config.data
    pairs, skipped = _pairs(data.train, data)
    held_out, also_skipped = _pairs(data.validation, data)
    rooms, bad_rooms = _backgrounds(data.backgrounds) if data.backgrounds else ((), ())
    steps = len(pairs) // config.batch
    if not steps:
        raise UsageError(
            f"{data.train} has {len(pairs)} pictures, fewer than a batch of {config.batch}.", "Set a smaller batch."
        )
    names = "\n".join([*(pair.name for pair in pairs), *(room.name for room in rooms)])
    return TrainData(
        MattingDataset(pairs, data.size_hw, config.seed, rooms, WebcamLook(), data.camera),
        ValidationDataset(held_out, max(data.size_hw)),
        EpochSampler(len(pairs), config.seed),
        steps,
        (*skipped, *also_skipped, *bad_rooms),
        hashlib.sha256(names.encode()).hexdigest()[:16],
    )


def _pairs(folder: Path, data: DataConfig) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    found = find_pairs(folder, data.layout).pairs
    if not found:
        raise UsageError(f"{folder} has clips only.", "Training takes pictures: write the clips' frames as files.")
    return readable_pairs(found)


def _backgrounds(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read ({error.strerror}).", "Check the path.") from error
    problems = [_problem(path) for path in files]
    good = tuple(path for path, problem in zip(files, problems, strict=True) if not problem)
    if not good:
        raise UsageError(f"The folder {folder} has no readable pictures.", "Give one with backgrounds.")
    return good, tuple(filter(None, problems))


def _problem(path: Path) -> str:
    try:
        read_image(path)
    except MediaError as error:
        return error.problem
    return ""


def told_by_worker(error: MediaError) -> MediaError:
    """The error as it was raised: a data-loading process hands it over with its traceback before the sentence."""
    lines: Sequence[str] = error.problem.strip().splitlines()
    return MediaError(lines[-1].rpartition("MediaError: ")[2]) if len(lines) > 1 else error
