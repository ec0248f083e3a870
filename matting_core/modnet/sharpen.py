"""The command that makes a trained network as sure of itself as its teacher is: temperature scaling of the matte.

    python -m matting_core.modnet.sharpen CHECKPOINT PAIRS --output CHECKPOINT [--long-side 512] [--pictures 100]

A network that learnt from dark, blurred and noisy pictures stays unsure on clear ones: too much of a rim is half
transparent. Its matte is σ(z); σ(κz) moves no edge, and κ is the one of FACTORS with the lowest mean |α − α_g| on
PAIRS: clean pictures with true, soft mattes that the network has not learnt from and is not judged by, for example
people cut out and laid on other photos (layout amd). On pictures that it has learnt from κ comes out too small, since
it is surer there; on hand-drawn masks, which have no half transparent pixels, too large. κ goes into the last
convolution, so that it costs nothing in use. The output is a network to export, not a run to resume.

This is temperature scaling, T = 1/κ (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2),
but for its measure, which is the matte's error.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matting_core.command_line import CommandParser
from matting_core.errors import UsageError
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import exit_code
from matting_core.pairs import Pair, find_pairs
from matting_core.preprocess import MULTIPLE
from matting_core.presets import FAST_SIDE

if TYPE_CHECKING:
    from torch import Tensor

    from matting_core.modnet.model import MODNet

FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0)
LOGIT_FLOOR = 1e-6
"""A matte nearer than this to 0 or 1 is taken for this near: the logit of 0 is no number."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: print(json.dumps(_run(arguments))))


def mean_errors(model: "MODNet", pairs: Sequence[Pair], long_side: int) -> list[float]:
    """Mean |σ(κz) − α_g| over the pictures for each κ of FACTORS, whole and at the network's size."""
    import torch

    from matting_core.modnet.data import ValidationDataset

    pictures = ValidationDataset(pairs, long_side)
    with torch.inference_mode():
        rows = [
            list(_errors(model.matte(image[None]), truth[None]))
            for image, truth, _ in (pictures[index] for index in range(len(pictures)))
        ]
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def sharpen(model: "MODNet", factor: float) -> None:
    """Multiply the logits of the model's matte by `factor`, in place."""
    import torch

    last = [module for module in model.f_branch.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight *= factor
        if last.bias is not None:
            last.bias *= factor


def _errors(matte: "Tensor", truth: "Tensor") -> Iterator[float]:
    import torch

    logits = torch.logit(matte, LOGIT_FLOOR)
    for factor in FACTORS:
        yield float((torch.sigmoid(factor * logits) - truth).abs().mean())


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    require_train_extra(f"Sharpening {arguments.checkpoint.name}")
    from matting_core.modnet.data import spread
    from matting_core.modnet.weights import load_network, save_checkpoint

    if arguments.long_side % MULTIPLE or arguments.long_side < MULTIPLE:
        raise UsageError(
            f"A long side of {arguments.long_side} does not fit the network.", f"Give a multiple of {MULTIPLE}."
        )
    if arguments.pictures < 1:
        raise UsageError(f"Nothing can be measured from {arguments.pictures} pictures.", "Give --pictures 100.")
    loaded = load_network(arguments.checkpoint)
    if not loaded.has_heads:
        raise UsageError(
            f"{arguments.checkpoint.name} is not a checkpoint of a training run.", "Give its last.ckpt or best.ckpt."
        )
    pairs = find_pairs(arguments.pairs, arguments.layout).pairs
    if not pairs:
        raise UsageError(f"{arguments.pairs} has clips only.", "Give a folder of pictures and mattes.")
    chosen = [pairs[index] for index in spread(len(pairs), arguments.pictures)]
    errors = mean_errors(loaded.model, chosen, arguments.long_side)
    factor = FACTORS[errors.index(min(errors))]
    sharpen(loaded.model, factor)
    save_checkpoint(arguments.output, loaded.model)
    return {
        "output": str(arguments.output),
        "factor": factor,
        "mad": {str(tried): round(error, 6) for tried, error in zip(FACTORS, errors, strict=True)},
    }


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m matting_core.modnet.sharpen",
        description="Scale the logits of a network's matte so that it is as sure as the true mattes are.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a training run's last.ckpt or best.ckpt")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="pictures with true mattes, not learnt from")
    parser.add_argument("--output", type=Path, required=True, metavar="CHECKPOINT", help="where to write it")
    parser.add_argument("--layout", default=AUTO, choices=LAYOUTS, help="of PAIRS")
    parser.add_argument(
        "--long-side", type=int, default=FAST_SIDE, metavar="N", help=f"of the network's input; default {FAST_SIDE}"
    )
    parser.add_argument("--pictures", type=int, default=100, metavar="N", help="how many to measure; default 100")
    return parser


if __name__ == "__main__":
    sys.exit(main())
