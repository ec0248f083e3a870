"""What a training run is made of at one step, in one file: written whole, and resumed to the exact step.

`last.ckpt` and `best.ckpt` are both networks that `weights.load_network` reads; theirs are the averaged weights. The
former also holds the learning weights and the optimiser. No random state is kept, since nothing has any: a sample
depends on (seed, epoch, index) alone.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matting_core.errors import ModelError, UsageError
from matting_core.modnet.model import MODNet
from matting_core.modnet.train_config import BEST, LAST
from matting_core.modnet.weights import FORMAT, load_network, read_checkpoint, save_checkpoint

EMA_START = 10


@dataclass
class RunState:
    """The learning network, its moving average, the optimiser, and fp16's loss scaler if any.

    step: steps done. best: lowest validation MAD. before: what validation gave before the first step.
    """

    model: MODNet
    average: MODNet
    optimiser: Any
    scaler: Any = None
    step: int = 0
    best: float = math.inf
    before: dict[str, float | None] = field(default_factory=dict)

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the average towards the weights; less is kept of it while it is young, so that it is not the start's."""
        kept = min(decay, (1 + self.step) / (EMA_START + self.step))
        for mean, value in zip(_values(self.average), _values(self.model), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - kept)
            else:
                mean.copy_(value)

    def save(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Write last.ckpt. identity: what a run that resumes it must have in common.

        Raises ModelError if it cannot be written, or if the weights are no numbers: the file before is better.
        """
        if not all(torch.isfinite(value).all() for value in _values(self.average)):
            raise diverged(self.step)
        training = {
            "step": self.step,
            "best": self.best,
            "before": self.before,
            "identity": dict(identity),
            "weights": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else {},
        }
        save_checkpoint(folder / LAST, self.average, training)

    def save_best(self, folder: Path, scores: Mapping[str, float | None]) -> None:
        """Write best.ckpt: the average, the step and what it scored. Raises ModelError."""
        save_checkpoint(folder / BEST, self.average, {"step": self.step, "scores": dict(scores)})

    def resume(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Take everything from last.ckpt. Raises UsageError if another run wrote it, ModelError if it is damaged."""
        path = folder / LAST
        training = training_part(path)
        _check_identity(path, training["identity"], identity)
        self.average.load_state_dict(load_network(path).model.state_dict())
        self.model.load_state_dict(training["weights"])
        self.optimiser.load_state_dict(training["optimiser"])
        if self.scaler and training["scaler"]:
            self.scaler.load_state_dict(training["scaler"])
        self.step, self.best, self.before = training["step"], training["best"], training["before"]


def holds_run(folder: Path) -> bool:
    """Whether there is a run to resume. Raises UsageError where that cannot be seen."""
    try:
        return (folder / LAST).exists()
    except OSError as error:
        raise UsageError(
            f"The output folder {folder} cannot be read ({error.strerror}).", "Set another output."
        ) from error


def training_part(path: Path) -> dict[str, Any]:
    """What last.ckpt holds beside the network. Raises ModelError for a file that is none."""
    content = read_checkpoint(path)
    training = content.get("training")
    if content.get("format") != FORMAT or not isinstance(training, dict) or "optimiser" not in training:
        raise ModelError(f"{path} is not a checkpoint of a training run.", "Resume a run that Mattecam wrote.")
    return training


def diverged(step: int) -> ModelError:
    """The error of a run whose weights or loss are no numbers any more."""
    return ModelError(
        f"The network holds values that are not numbers at step {step}.",
        "Lower optimiser.learning_rate, or set optimiser.gradient_clip.",
    )


def averaged(model: MODNet) -> MODNet:
    """A copy that takes no part in learning, in inference mode."""
    return copy.deepcopy(model).eval().requires_grad_(False)


def _check_identity(path: Path, written: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key in sorted({*written, *wanted}):
        if written.get(key) != wanted.get(key):
            raise UsageError(
                f"{path} belongs to another run: there {key} is {written.get(key)!r}, here {wanted.get(key)!r}.",
                "Set it back, or start a new run in another folder, maybe from these weights: "
                f"--set network.weights={path}",
            )


def _values(model: MODNet) -> list[Tensor]:
    return list(model.state_dict().values())
