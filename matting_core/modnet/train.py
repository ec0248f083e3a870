"""The command that trains MODNet under supervision: pictures with true mattes in, checkpoints out.

    python -m matting_core.modnet.train CONFIG [--set KEY=VALUE …] [--resume]

CONFIG is a TOML file or the name of a preset: `paper` (from scratch), `finetune` (from the released weights) or `slim`
(the fast network, taught by the released one; `begin` makes its network.weights). The output folder gets `best.ckpt`
(lowest validation MAD), `last.ckpt` (to resume from), the config, and TensorBoard's files. Several GPUs or machines:
start it with `torchrun`. docs/research.md has examples.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matting_core.command_line import FAILED, GOOD, INTERRUPTED, WRONG_USE
from matting_core.errors import MattecamError, UsageError
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import config_parser, tell_skipped
from matting_core.modnet.train_config import TrainConfig, load_config, write_note

if TYPE_CHECKING:  # this imports torch, whose absence the command must be able to report
    from matting_core.modnet.trainer import Outcome


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    first = os.environ.get("RANK", "0") == "0"  # as torchrun numbers processes: one of them does the talking
    try:
        config = load_config(arguments.config, arguments.set)
        outcome = run(config, arguments.resume, talks=first)
    except MattecamError as error:
        if first:
            print(error, file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("Stopped. To go on from the last checkpoint, add --resume.", file=sys.stderr)
        return INTERRUPTED
    if first:
        print(json.dumps({**outcome._asdict(), "output": str(config.output)}))
    return GOOD


def run(config: TrainConfig, resume: bool = False, talks: bool = True) -> "Outcome":
    """Train as the config says. resume: go on where the output folder's last.ckpt stopped, if there is one.

    talks: name skipped files on standard error. Raises MattecamError; UsageError where nothing was done yet.
    """
    require_train_extra("Training")
    from matting_core.modnet.run_state import holds_run
    from matting_core.modnet.train_data import load_data
    from matting_core.modnet.train_setup import make_accelerator
    from matting_core.modnet.trainer import Trainer

    if holds_run(config.output) and not resume:
        raise UsageError(
            f"{config.output} already holds a run.", "Add --resume to continue it, or choose another output."
        )
    data = load_data(config)
    if talks:
        tell_skipped(data.skipped)
    trainer = Trainer(config, data, make_accelerator(config), resume)
    if talks:
        write_note(config)
    return trainer.run()


def _parser() -> argparse.ArgumentParser:
    parser = config_parser("train", "Train MODNet on pictures with true mattes.")
    parser.add_argument("--resume", action="store_true", help="go on from the output folder's last.ckpt, if any")
    return parser


if __name__ == "__main__":
    sys.exit(main())
