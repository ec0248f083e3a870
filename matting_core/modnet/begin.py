"""The command that begins a slim network: its teacher's sight, and branches at random, for `train` to teach.

    python -m matting_core.modnet.begin CONFIG [--set KEY=VALUE …]

CONFIG is `train`'s (`train_config.py`), usually the preset `slim`. The output folder gets `sight.ckpt`, for
network.weights of the first training run. `sight.py` says how the sight is made; the config's epochs, pictures, batch
and optimiser count. The command prints which share of the teacher's semantic features the network misses, right after
the narrowing and at the end.
"""

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matting_core.command_line import INTERRUPTED
from matting_core.errors import MediaError, UsageError
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import config_parser, exit_code, tell_skipped
from matting_core.modnet.train_config import TrainConfig, load_config, write_note

if TYPE_CHECKING:  # these import torch, whose absence the command must be able to report
    import torch

    from matting_core.modnet.train_data import TrainData

RESULT = "sight.ckpt"
FIRST_LOOK = 120
"""So many pictures decide how the convolutions are narrowed before they learn."""
LOOKED_AT = 1_000_000
"""The epoch of those: none of the views that are learnt from or measured."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = config_parser("begin", "Give a new slim network its teacher's sight.").parse_args(argv)
    try:
        return exit_code(lambda: print(json.dumps(begin(load_config(arguments.config, arguments.set)))))
    except KeyboardInterrupt:
        print("Stopped. No network was written.", file=sys.stderr)
        return INTERRUPTED


def begin(config: TrainConfig) -> dict[str, Any]:
    """Make the network of the config and write it: `output`, its file, and `missed_before` and `missed`, see `Missed`.

    Raises UsageError for a config of another network, for several processes, for a folder that takes no files and as
    `load_data` does; ModelError for the teacher, or where the network comes out as no numbers; MediaError for a picture
    that can no longer be read; EngineError where OpenVINO fails.
    """
    require_train_extra("Making a network")
    import torch
    from tqdm import tqdm

    from matting_core.modnet.model import MODNet
    from matting_core.modnet.run_state import diverged
    from matting_core.modnet.sight import MEASURED, fit_sight, give_sight
    from matting_core.modnet.teacher import Teacher
    from matting_core.modnet.train_data import load_data
    from matting_core.modnet.train_setup import make_accelerator, teacher_precision, wanted_network
    from matting_core.modnet.weights import save_checkpoint

    network = config.network
    if network.branches != "slim" or network.teacher is None:
        raise UsageError("Only a slim network begins with a teacher's sight.", "Set network.teacher, with CONFIG slim.")
    if network.weights or network.backbone:
        raise UsageError("A network that begins has no weights yet.", "Leave out network.weights and network.backbone.")
    data = load_data(config)
    tell_skipped(data.skipped)
    accelerator = make_accelerator(config)
    if accelerator.num_processes > 1:
        raise UsageError("Several processes cannot begin one network.", "Start this command in one.")
    write_note(config)
    device = accelerator.device
    torch.manual_seed(config.seed)  # also of the head that a released teacher lacks
    teacher = Teacher(network.teacher, device, teacher_precision(config, device))
    pupil = MODNet(wanted_network(network)).to(device, memory_format=torch.channels_last)
    steps = config.epochs * data.steps
    looked_at = [(LOOKED_AT, index) for index in range(min(FIRST_LOOK, len(data.training)))]
    give_sight(teacher, pupil, [data.training[key].image[None].to(device) for key in looked_at])
    with tqdm(total=MEASURED + steps, unit="batch", dynamic_ncols=True) as bar:
        missed = fit_sight(teacher, pupil, _images(config, data, device, bar.update), steps, config.optimiser)
    if not math.isfinite(missed.after):
        raise diverged(steps)
    path = config.output / RESULT
    save_checkpoint(path, pupil)
    return {"output": str(path), "missed_before": round(missed.before, 5), "missed": round(missed.after, 5)}


def _images(
    config: TrainConfig, data: "TrainData", device: "torch.device", taken: Callable[[], object]
) -> "Iterator[torch.Tensor]":
    """Batches without end, epoch after epoch; calls `taken` for each.

    Raises MediaError for a picture that can no longer be read.
    """
    from matting_core.modnet.train_data import told_by_worker

    loader = data.loader(config, pinned=device.type == "cuda")
    try:
        for epoch in itertools.count():
            data.start_at(epoch * data.steps, config.batch)
            for batch in loader:
                taken()
                yield batch.image.to(device)
    except MediaError as error:
        raise told_by_worker(error) from error


if __name__ == "__main__":
    sys.exit(main())
