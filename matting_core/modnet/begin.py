"""The command that begins a slim network: its teacher's sight, and branches at random, for `train` to teach.

    python -m matting_core.modnet.begin CONFIG [--set KEY=VALUE …]

CONFIG is `train`'s (`train_config.py`), usually the preset `slim`. The output folder gets `sight.ckpt`, for
network.weights of the first training run. `sight.py` says how the sight is made; the config's epochs, pictures, batch
and optimiser count. Of what the teacher's semantic features say, the command prints which share is missed, right after
the narrowing and at the end.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matting_core.command_line import CommandParser
from matting_core.errors import UsageError
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import exit_code
from matting_core.modnet.train_config import TrainConfig, load_config

if TYPE_CHECKING:  # these import torch, whose absence the command must be able to report
    import torch

    from matting_core.modnet.train_data import TrainData

RESULT = "sight.ckpt"
FIRST_LOOK = 120
"""So many pictures decide how the convolutions are narrowed before they learn."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: print(json.dumps(begin(load_config(arguments.config, arguments.set)))))


def begin(config: TrainConfig) -> dict[str, Any]:
    """Make the network of the config and write it; where, and what it misses of its teacher's sight.

    Raises UsageError for a config of another network and as `load_data` does, ModelError for its teacher.
    """
    require_train_extra("Making a network")
    import torch
    from tqdm import tqdm

    from matting_core.modnet.model import MODNet, ModnetConfig
    from matting_core.modnet.sight import MEASURED, fit_sight, give_sight
    from matting_core.modnet.teacher import Teacher
    from matting_core.modnet.train_data import load_data
    from matting_core.modnet.train_setup import make_accelerator, teacher_precision
    from matting_core.modnet.weights import save_checkpoint

    network = config.network
    if network.branches != "slim" or network.teacher is None:
        raise UsageError("Only a slim network begins with a teacher's sight.", "Set network.teacher, with CONFIG slim.")
    if network.weights or network.backbone:
        raise UsageError("A network that begins has no weights yet.", "Leave out network.weights and network.backbone.")
    data = load_data(config)
    if data.skipped:
        print(f"Skipped {len(data.skipped)} files: {' '.join(data.skipped)}", file=sys.stderr)
    device = make_accelerator(config).device
    teacher = Teacher(network.teacher, device, teacher_precision(config, device))
    torch.manual_seed(config.seed)
    wanted = ModnetConfig(network.context, network.detail_width, network.backbone_width, network.branches)
    pupil = MODNet(wanted).to(device, memory_format=torch.channels_last)
    give_sight(teacher, pupil, [data.training[(0, index)].image[None].to(device) for index in range(_looked_at(data))])
    steps = config.epochs * data.steps
    images = tqdm(_images(config, data, device), total=MEASURED + steps, unit="batch", dynamic_ncols=True)
    missed = fit_sight(teacher, pupil, images, steps, config.optimiser)
    path = config.output / RESULT
    save_checkpoint(path, pupil)
    return {"output": str(path), "missed_before": round(missed.before, 5), "missed": round(missed.after, 5)}


def _looked_at(data: "TrainData") -> int:
    return min(FIRST_LOOK, len(data.training))


def _images(config: TrainConfig, data: "TrainData", device: "torch.device") -> "Iterator[torch.Tensor]":
    """Batches without end, epoch after epoch."""
    loader = data.loader(config, pinned=device.type == "cuda")
    for epoch in itertools.count():
        data.start_at(epoch * data.steps, config.batch)
        yield from (batch.image.to(device) for batch in loader)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m matting_core.modnet.begin", description="Give a new slim network its teacher's sight."
    )
    parser.add_argument("config", metavar="CONFIG", help="a TOML file of `train`, or its preset slim")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="set one key, for example data.train=DIR"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
