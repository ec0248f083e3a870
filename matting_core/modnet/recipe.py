"""The command that makes a network like the fast preset's: photos in, two files as those of models/ out.

    python -m matting_core.modnet.recipe OUTPUT --photos DIR … --rooms DIR --validation DIR --cutouts DIR

Every step is another command of this package, run in a process of its own. OUTPUT gets all that is made on the way; a
step that ended well is not done again, and a training run that was broken off goes on. --list only prints the steps;
--length 0.1 trains for a tenth of the epochs, for a look at what comes out. Where a processor is slow at bf16
(docs/speed.md), --precision fp32 is faster; it is not another recipe, and may change from one run to the next.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matting_core.command_line import GOOD, INTERRUPTED, CommandParser
from matting_core.model_store import SHIPPED
from matting_core.modnet import require_train_extra
from matting_core.modnet.begin import RESULT
from matting_core.modnet.commands import exit_code
from matting_core.modnet.train_config import LAST
from matting_core.preprocess import network_size
from matting_core.presets import FAST, FAST_SIDE, RELEASED

RELEASED_FILE = SHIPPED / f"{RELEASED}.onnx"
AUTO = "auto"


class Run(NamedTuple):
    """A training run, or what comes before the first. after: the run whose last weights it begins with, if any."""

    name: str
    after: str
    epochs: int
    settings: Mapping[str, str]


RUNS = (
    Run("1", "", 15, {"seed": "0"}),
    Run("2", "1", 9, {"seed": "1", "optimiser.learning_rate": "6e-4", "data.camera": "0"}),
    Run("3", "2", 12, {"seed": "2", "optimiser.learning_rate": "1e-3", "data.camera": "0"}),
    Run(
        "4",
        "3",
        18,
        {
            "seed": "3",
            "optimiser.learning_rate": "1e-3",
            "batch": "4",
            "steadiness": "2",
            "data.camera": "0.5",
        },
    ),
)
"""After what docs/research.md tells of the second fast network, with its last three runs as one. The last shows each of
four pictures twice, so its batches are as large. Each hands on its last averaged weights, when its rate has fallen to
0, and not its best ones, which may be those it began with: validation looks at single clean pictures, and a run learns
a webcam's faults and stillness besides."""
SIGHT = Run(
    "sight",
    "",
    6,
    {"seed": "4", "optimiser.learning_rate": "1e-3", "data.camera": "0.5", "data.size": "512x288"},
)
"""What `begin` makes, for the first run; of wide frames, as webcams give them."""
LEARNING = ("begin", "train")
"""The modules that take a config, and with it a precision."""


class Step(NamedTuple):
    """A command of this package: its module's name, and what it is told."""

    name: str
    module: str
    arguments: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code, or that of the step that failed."""
    arguments = _parser().parse_args(argv)
    folders = (arguments.photos, arguments.rooms, arguments.validation, arguments.cutouts)
    plan = steps(arguments.output, *folders, arguments.length)
    if arguments.list:
        for step in plan:
            print(shlex.join(["python", *_command(step, arguments.precision)]))
        return GOOD
    lacks = exit_code(lambda: require_train_extra("Making a network"))
    if lacks:
        return lacks
    try:
        codes = (_do(step, arguments.output, arguments.precision) for step in plan)
        return next((code for code in codes if code), GOOD)
    except KeyboardInterrupt:
        return INTERRUPTED  # the step, which heard it, too, has said how to go on


def steps(
    output: Path, photos: Sequence[Path], rooms: Path, validation: Path, cutouts: Path, length: float
) -> tuple[Step, ...]:
    """What is to be done, in order. photos: folders of portraits, the first of them with true mattes.

    length: this share of each run's epochs, at least one.
    """
    taught, soft, fast = output / "taught", output / RUNS[-1].name / LAST, output / "fast.ckpt"
    places = {"data.train": taught, "data.validation": validation, "data.backgrounds": rooms}
    places["network.teacher"] = RELEASED_FILE
    height, width = network_size(9, 16, FAST_SIDE)
    quantised = ("--pictures", "150", "--size", f"{width}x{height}")
    return (
        Step("taught", "distil", (str(taught), *map(str, photos))),
        Step("sight", "begin", _settings(SIGHT, output, places, length)),
        *(Step(f"run {run.name}", "train", _training(run, output, places, length)) for run in RUNS),
        Step("sharpened", "sharpen", (str(soft), str(cutouts), "--output", str(fast))),
        Step("exported", "export", (str(fast), "--output", str(output / f"{FAST}.onnx"))),
        Step(
            "quantised",
            "quantise",
            (str(fast), str(photos[0]), "--output", str(output / f"{FAST}_int8.zip"), *quantised),
        ),
    )


def _training(run: Run, output: Path, places: Mapping[str, Path], length: float) -> tuple[str, ...]:
    weights = output / run.after / LAST if run.after else output / SIGHT.name / RESULT
    return (*_settings(run, output, {**places, "network.weights": weights}, length), "--resume")


def _settings(run: Run, output: Path, places: Mapping[str, Path], length: float) -> tuple[str, ...]:
    epochs = {"epochs": max(1, round(length * run.epochs))}
    settings = {**epochs, **run.settings, "output": output / run.name, **places}
    return ("slim", *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")))


def _command(step: Step, precision: str = AUTO) -> list[str]:
    chosen = () if precision == AUTO or step.module not in LEARNING else ("--set", f"precision={precision}")
    return ["-m", f"matting_core.modnet.{step.module}", *step.arguments, *chosen]


def _do(step: Step, output: Path, precision: str) -> int:
    """Do a step unless this very one was done before, in whatever precision; its exit code."""
    done, command = output / f"{step.name}.done", shlex.join(_command(step))
    if done.exists() and done.read_text() == command:
        return GOOD
    print(f"{step.name}: {step.module}", file=sys.stderr)
    code = subprocess.run([sys.executable, *_command(step, precision)], check=False).returncode
    if code == GOOD:
        output.mkdir(parents=True, exist_ok=True)
        done.write_text(command)
    return code


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0 and up to 1")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m matting_core.modnet.recipe", description="Make the fast preset's network from scratch."
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a folder of its own")
    parser.add_argument(
        "--photos", type=Path, nargs="+", required=True, metavar="DIR", help="portraits, the first with true mattes"
    )
    parser.add_argument("--rooms", type=Path, required=True, metavar="DIR", help="photos without people")
    parser.add_argument("--validation", type=Path, required=True, metavar="DIR", help="other portraits with mattes")
    parser.add_argument(
        "--cutouts", type=Path, required=True, metavar="DIR", help="people with soft mattes, to sharpen by"
    )
    parser.add_argument(
        "--length", type=_share, default=1.0, metavar="SHARE", help="train for this share of the epochs (default 1)"
    )
    parser.add_argument(
        "--precision", choices=(AUTO, "fp32"), default=AUTO, help="of the arithmetic in training (default auto)"
    )
    parser.add_argument("--list", action="store_true", help="only print the commands of the steps")
    return parser


if __name__ == "__main__":
    sys.exit(main())
