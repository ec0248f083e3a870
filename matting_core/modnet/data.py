"""Data sets for torch: pictures with true mattes, made into webcam frames, and pictures and clips without mattes.

Whatever is drawn at random depends on (seed, epoch, index) alone, so that a resumed run sees the same samples.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from matting_core.errors import MediaError, UsageError
from matting_core.foreground import estimate_foreground
from matting_core.frames import Alpha, Image
from matting_core.metrics import as_unit
from matting_core.modnet.augment import ZOOM_IN, WebcamLook, look, random_background, random_view
from matting_core.pairs import Pair, composite_over, read_frames, read_pair
from matting_core.pictures import read_image
from matting_core.preprocess import halve, network_size, shrink, to_blob
from matting_core.suffixes import IMAGE_SUFFIXES
from matting_core.trimap import make_trimap

COMPOSITE_SHARE = 0.5
"""So many of the samples are laid on another background, where there are backgrounds."""
BAND_SHARE = (0.005, 0.05)
"""The trimap's erosion and dilation are each drawn between these shares of the mean side."""
READERS = 8
ROOMS_KEPT = 24
"""So many rooms each process keeps decoded: to decode one of many megapixels takes longer than all else of a sample."""
SEEDS = 2**62

Item = TypeVar("Item")
Key = tuple[int, int]
"""(epoch, index): what a sampler hands to MattingDataset, so that workers that outlive an epoch know it, too."""


class Sample(NamedTuple):
    """image: float32 3×H×W, RGB in [−1, 1]. matte: float32 1×H×W in [0, 1]. trimap: float32 1×H×W of 0, 0.5 and 1."""

    image: Tensor
    matte: Tensor
    trimap: Tensor


class Readable(NamedTuple):
    """The pairs that can be read, and a sentence for each that cannot."""

    pairs: tuple[Pair, ...]
    skipped: tuple[str, ...]


def readable_pairs(pairs: Sequence[Pair]) -> Readable:
    """Read every pair once, before training begins: what is left does not depend on when a file is first needed.

    Its threads end with the call.

    Raises UsageError for a pair whose sizes differ, and where none can be read.
    """
    with ThreadPoolExecutor(READERS, "mattecam-data") as threads:
        problems = list(threads.map(lambda pair: _problem(read_pair, pair), pairs))
    good = tuple(pair for pair, problem in zip(pairs, problems, strict=True) if not problem)
    skipped = tuple(problem for problem in problems if problem)
    if not good:
        raise UsageError(f"None of {len(pairs)} pictures with mattes can be read.", " ".join(skipped[:1]))
    return Readable(good, skipped)


class MattingDataset(Dataset[Sample]):
    """Training samples of one size, each a webcam frame made of a pair; an item's key is (epoch, index).

    size: (height, width), multiples of 32. backgrounds: picture files that people are laid on, their own colours
    estimated first. camera: its faults, or None for a perfect one; faulty: the share of the samples that
    get them, 0 to 1. Raises MediaError for a file that can no longer be read.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        size: tuple[int, int],
        seed: int,
        backgrounds: Sequence[Path] = (),
        camera: WebcamLook | None = None,
        faulty: float = 1.0,
    ) -> None:
        self._pairs = tuple(pairs)
        self._size = size
        self._seed = seed
        self._backgrounds = tuple(backgrounds)
        self._camera = camera
        self._faulty = faulty

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        random = np.random.default_rng((self._seed, epoch, index))
        image, matte = self._picture(self._pairs[index], random)
        image_tensor, matte_tensor = _to_tensors(image, matte)
        camera_seed = int(random.integers(SEEDS))
        if self._camera is not None and camera_seed < self._faulty * SEEDS:
            image_tensor, matte_tensor = self._camera(image_tensor, matte_tensor, camera_seed)
        inner, outer = (_band(self._size, random.uniform(*BAND_SHARE)) for _ in range(2))
        trimap = make_trimap(matte_tensor[0].numpy(), inner, outer)
        return Sample(image_tensor * 2 - 1, matte_tensor, torch.from_numpy(trimap)[None])

    def _picture(self, pair: Pair, random: np.random.Generator) -> tuple[Image, Alpha]:
        """Some view of the pair at the samples' size, before the camera's faults."""
        moved = bool(self._backgrounds) and random.random() < COMPOSITE_SHARE
        if not moved:
            image, matte = read_pair(pair)
            view = random_view(matte, self._size, random, leave=False)
            return cast(Image, look(image, view, self._size)), cast(Alpha, look(matte, view, self._size))
        foreground, matte = read_foreground(pair)
        view = random_view(matte, self._size, random, leave=True)
        behind = _room(self._backgrounds[random.integers(len(self._backgrounds))], min(self._size))
        # Beyond the picture there is nobody, but where the person is cut off by its edge they are not seen to end.
        alpha = cast(Alpha, look(matte, view, self._size, cv2.BORDER_REPLICATE))
        colours = cast(Image, look(foreground, view, self._size, cv2.BORDER_REPLICATE))
        return composite_over(colours, alpha, random_background(behind, self._size, random)), alpha


class ValidationDataset(Dataset[Sample]):
    """Whole pictures as the network gets them in use, one size each (batches of one); the trimap's band is fixed."""

    def __init__(self, pairs: Sequence[Pair], long_side: int) -> None:
        self._pairs = tuple(pairs)
        self._long_side = long_side

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        image, matte = read_pair(self._pairs[index])
        size = network_size(matte.shape[0], matte.shape[1], self._long_side)
        tensor = torch.from_numpy(as_unit(shrink(matte, size)))[None]
        radius = _band(size, sum(BAND_SHARE) / 2)
        trimap = torch.from_numpy(make_trimap(tensor[0].numpy(), radius, radius))
        return Sample(network_input(image, size), tensor, trimap[None])


class UnlabelledDataset(Dataset[Tensor]):
    """Pictures without mattes, float32 3×h×w RGB in [−1, 1], h×w as the network takes them in use.

    source: a video, or a folder of pictures or frames in the order of their names. most: at most so many, evenly
    spread. A clip is kept in memory at the network's size. skipped: a sentence for each file that cannot be read.
    Raises MediaError for a video that cannot be read, UsageError where nothing is left.
    """

    def __init__(self, source: Path, long_side: int, most: int | None = None) -> None:
        self._long_side = long_side
        self.skipped: tuple[str, ...] = ()
        self._items: Sequence[Path | Image]
        if source.is_dir():
            files = sorted(path for path in source.iterdir() if _is_picture(path))
            files = [files[index] for index in spread(len(files), most)]
            with ThreadPoolExecutor(READERS, "mattecam-data") as threads:
                problems = list(threads.map(lambda path: _problem(read_image, path), files))
            self._items = [path for path, problem in zip(files, problems, strict=True) if not problem]
            self.skipped = tuple(problem for problem in problems if problem)
        else:
            small = (shrink(frame, self._network_size(frame)) for frame in read_frames(source))
            frames = _thinned(small, most)
            self._items = [frames[index] for index in spread(len(frames), most)]
        if not self._items:
            raise UsageError(f"{source} has no readable pictures.", "Give a video or a folder of pictures.")

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Tensor:
        item = self._items[index]
        image = read_image(item) if isinstance(item, Path) else item
        return network_input(image, self._network_size(image))

    def _network_size(self, image: Image) -> tuple[int, int]:
        return network_size(image.shape[0], image.shape[1], self._long_side)


class EpochSampler(Sampler[Key]):
    """Every index once an epoch, in an order that (seed, epoch) alone decides; hands out (epoch, index).

    epoch and skip are set between epochs: skip leaves out what an interrupted run had done of this epoch.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length = length
        self._seed = seed
        self.epoch = 0
        self.skip = 0

    def __len__(self) -> int:
        return self._length - self.skip

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(self._length)
        return iter([(self.epoch, int(index)) for index in order[self.skip :]])


@functools.lru_cache(ROOMS_KEPT)
def _room(path: Path, side: int) -> Image:
    """A picture of a room, halved while the narrowest view of it (`random_view`) still fills twice this side."""
    picture = read_image(path)
    while min(picture.shape[:2]) * ZOOM_IN >= 2 * side:
        picture = halve(picture)
    return picture


def read_foreground(pair: Pair) -> tuple[Image, Alpha]:
    """The person's own colours, uint8 H×W×3 BGR, without the room's light in hair and rim, and the true matte.

    They come with the pair where it is a foreground already, and are estimated (Forte 2021) where it is a photo.
    """
    if pair.background is not None:
        return read_pair(Pair(pair.name, pair.image, pair.matte))
    image, matte = read_pair(pair)
    return estimate_foreground(image, matte), matte


def network_input(image: Image, size: tuple[int, int]) -> Tensor:
    """A picture (uint8 H×W×3 BGR) as the engines give it to the network: float32 3×h×w RGB in [−1, 1]."""
    return torch.from_numpy(to_blob(shrink(image, size))[0])


def _to_tensors(image: Image, matte: Alpha) -> tuple[Tensor, Tensor]:
    """float32 3×H×W RGB and 1×H×W, both in [0, 1]."""
    rgb = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float() / 255, torch.from_numpy(as_unit(matte))[None]


def _band(size: tuple[int, int], share: float) -> int:
    return max(1, round(share * sum(size) / 2))


def _problem(read: Callable[[Item], object], item: Item) -> str:
    try:
        read(item)
    except MediaError as error:
        return error.problem
    return ""


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def spread(length: int, most: int | None) -> list[int]:
    """At most `most` indices, evenly spread over `length`."""
    count = length if most is None else min(length, most)
    return [number * length // count for number in range(count)]


def _thinned(frames: Iterator[Image], most: int | None) -> list[Image]:
    """Every frame, or, where there are far more than `most`, every second, fourth, … one: memory stays bounded."""
    kept: list[Image] = []
    step = 1
    for number, frame in enumerate(frames):
        if number % step == 0:
            kept.append(frame)
        if most is not None and len(kept) > 2 * most:
            kept, step = kept[::2], 2 * step
    return kept
