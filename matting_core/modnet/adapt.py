"""SOC, sub-objectives consistency (paper, section 3.5): a network adapts itself to one room, without any true matte.

Each epoch a frozen copy is made; the network then learns on single pictures that its semantic map and its matte agree,
while detail and matte stay near the copy's at the edge (`losses.soc_losses`). Norms are frozen, Adam 1e-5 (0.9, 0.99).
Whether that helped is measured on pictures that took no part; `verdict` says whether to keep the result.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from matting_core.errors import UsageError
from matting_core.modnet.adapt_quality import Quality, measure
from matting_core.modnet.heads import fit_heads
from matting_core.modnet.losses import boundary_band, soc_losses
from matting_core.modnet.model import MODNet
from matting_core.modnet.weights import Loaded

LEARNING_RATE = 1e-5
BETAS = (0.9, 0.99)
MOST_FRAMES = 60
"""So many pictures a clip lends at most to an epoch; neighbours in a clip tell the same."""
HEAD_FRAMES = 12
FEWEST_FRAMES = 8
HELD_OUT_RUNS = 4
LONGEST_RUN = 6
GAP = 2
SHORTEST_CLIP = HELD_OUT_RUNS * (2 + 2 * GAP) + FEWEST_FRAMES
PERSON_SHARE = 0.05
"""A picture shows a person if alpha is above a half on more than this share of it, and on less than all the rest.

Somebody seated before a webcam covers more than a tenth; the network also takes a small thing in an empty room for one.
"""
SEED = 0


class Progress(NamedTuple):
    """What is being done, how many of how many steps of it are done, and the seconds that are left of it, if known."""

    stage: str
    done: int
    total: int
    left_s: float | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """epochs: as in the paper. seconds_limit: adapting takes fewer pictures an epoch, or fewer epochs, to keep it.

    Raises UsageError for values that cannot be meant.
    """

    epochs: int = 10
    seconds_limit: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 1000:
            raise UsageError(f"{self.epochs} epochs cannot be run.", "Give 1 to 1000; the paper uses 10.")
        if self.seconds_limit is not None and not self.seconds_limit > 0:
            raise UsageError(f"A limit of {self.seconds_limit} seconds leaves no time.", "Give a larger limit.")


class Split(NamedTuple):
    """A clip's pictures by index: those to learn from, and runs of neighbours that are held out to measure on."""

    training: tuple[int, ...]
    held_out: tuple[tuple[int, ...], ...]


class Adapted(NamedTuple):
    """The adapted network, on the CPU in inference mode, what was measured, and what was done.

    original: the network before, with heads. held_out: the pictures that were measured on, in runs of neighbours.
    without_person: pictures that were left out because nobody is seen on them.
    """

    original: MODNet
    model: MODNet
    before: Quality
    after: Quality
    held_out: tuple[tuple[int, ...], ...]
    frames: int
    epochs: int
    without_person: int
    seconds: float


def adapt(
    loaded: Loaded,
    clip: Sequence[Tensor],
    options: AdaptOptions | None = None,
    report: Report = lambda _progress: None,
    device: torch.device | None = None,
) -> Adapted:
    """Adapt a copy of `loaded.model` to a clip; `loaded` stays as it is.

    Without a limit on the seconds the same clip gives the same result.
    clip: float32 3×H×W, RGB in [−1, 1], sides multiples of 32, in order. device: by default a CUDA GPU where there is
    one. Raises UsageError for a clip that is too short, shows nobody, or would not fit into the seconds.
    """
    options = options or AdaptOptions()
    began_s = time.monotonic()
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    split = split_clip(len(clip))
    original = copy.deepcopy(loaded.model).to(device).eval()
    split, without = _with_person(original, clip, split, device, report)
    if not loaded.has_heads:
        chosen = _thin(split.training, HEAD_FRAMES)
        fit_heads(
            original, [_on(clip[index], device) for index in chosen], lambda n, of: report(Progress("heads", n, of))
        )
    before = measure(original, clip, split.held_out)
    model = copy.deepcopy(original)
    epochs, frames, step_s = _plan(original, clip, split.training, options, time.monotonic() - began_s)
    _train(model, clip, _thin(split.training, frames), epochs, step_s, report)
    after = measure(model, clip, split.held_out)
    seconds = time.monotonic() - began_s
    return Adapted(original.cpu(), model.cpu(), before, after, split.held_out, frames, epochs, without, seconds)


def split_clip(count: int) -> Split:
    """Hold HELD_OUT_RUNS runs of neighbours out, evenly spread, and leave GAP pictures on both sides of each unused.

    Of the others at most MOST_FRAMES are learnt from. Raises UsageError for fewer than SHORTEST_CLIP pictures.
    """
    if count < SHORTEST_CLIP:
        raise UsageError(
            f"{count} pictures are too few to adapt to.",
            f"Give a clip of some seconds, at least {SHORTEST_CLIP} frames.",
        )
    length = min(LONGEST_RUN, max(2, count // 30))
    runs = []
    for number in range(HELD_OUT_RUNS):
        middle = (2 * number + 1) * count // (2 * HELD_OUT_RUNS)
        runs.append(tuple(range(middle - length // 2, middle - length // 2 + length)))
    taken = {index + shift for run in runs for index in run for shift in range(-GAP, GAP + 1)}
    free = tuple(index for index in range(count) if index not in taken)
    return Split(_thin(free, MOST_FRAMES), tuple(runs))


def _with_person(
    model: MODNet, clip: Sequence[Tensor], split: Split, device: torch.device, report: Report
) -> tuple[Split, int]:
    """The split without the pictures that show nobody, whose band would be empty, and their number."""
    asked = [*split.training, *(index for run in split.held_out for index in run)]
    shown = set()
    for done, index in enumerate(asked, start=1):
        with torch.no_grad():
            share = float((model.matte(_on(clip[index], device)) > 0.5).float().mean())
        if PERSON_SHARE < share < 1 - PERSON_SHARE:
            shown.add(index)
        report(Progress("looking", done, len(asked)))
    training = tuple(index for index in split.training if index in shown)
    runs = tuple(tuple(index for index in run if index in shown) for run in split.held_out)
    runs = tuple(run for run in runs if run)
    if len(training) < FEWEST_FRAMES or not runs:
        raise UsageError(
            f"Only {len(shown)} of {len(asked)} pictures show a person, too few to adapt to."
            if shown
            else "The clip shows nobody, so there is nothing to adapt to.",
            "Give a clip in which you sit or stand in your room.",
        )
    return Split(training, runs), len(asked) - len(shown)


def _plan(
    model: MODNet, clip: Sequence[Tensor], training: tuple[int, ...], options: AdaptOptions, spent_s: float
) -> tuple[int, int, float]:
    """(epochs, pictures an epoch, seconds a step) that keep the limit, found by trying two steps on a copy."""
    trial = copy.deepcopy(model)
    optimiser = _optimiser(trial)
    step_s = 0.0
    for index in training[:2]:  # the first also warms up
        began_s = time.monotonic()
        _step(trial, model, optimiser, _on(clip[index], _device(model)))
        step_s = time.monotonic() - began_s
    if options.seconds_limit is None:
        return options.epochs, len(training), step_s
    steps = int((options.seconds_limit - spent_s) / step_s)
    if steps < FEWEST_FRAMES:
        raise UsageError(
            f"{options.seconds_limit:.0f} seconds are too few on this machine.",
            f"Give --seconds-limit {spent_s + options.epochs * FEWEST_FRAMES * step_s:.0f} or more.",
        )
    frames = min(len(training), max(FEWEST_FRAMES, steps // options.epochs))
    return min(options.epochs, steps // frames), frames, step_s


def _train(
    model: MODNet, clip: Sequence[Tensor], training: Sequence[int], epochs: int, step_s: float, report: Report
) -> None:
    optimiser = _optimiser(model)
    random = np.random.default_rng(SEED)
    total, began_s = epochs * len(training), time.monotonic()
    report(Progress("adapting", 0, total, total * step_s))
    done = 0
    for _ in range(epochs):
        frozen = copy.deepcopy(model).eval()
        for index in random.permutation(np.asarray(training)):
            _step(model, frozen, optimiser, _on(clip[int(index)], _device(model)))
            done += 1
            left_s = (time.monotonic() - began_s) / done * (total - done)
            report(Progress("adapting", done, total, left_s))
    model.eval()


def _step(model: MODNet, frozen: MODNet, optimiser: torch.optim.Optimizer, image: Tensor) -> None:
    """One picture; one whose band is empty teaches nothing and is left out."""
    model.train()
    model.freeze_norms()
    with torch.no_grad():
        target = frozen(image)
    prediction = model(image)
    if not boundary_band(prediction).any():
        return
    optimiser.zero_grad(set_to_none=True)
    soc_losses(prediction, target).total.backward()
    optimiser.step()


def _optimiser(model: MODNet) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), LEARNING_RATE, BETAS)


def _thin(indices: Sequence[int], most: int) -> tuple[int, ...]:
    """At most so many of them, evenly spread."""
    count = min(len(indices), most)
    return tuple(indices[number * len(indices) // count] for number in range(count))


def _device(model: MODNet) -> torch.device:
    return next(model.parameters()).device


def _on(image: Tensor, device: torch.device) -> Tensor:
    return image[None].to(device)
