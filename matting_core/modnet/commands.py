"""What the commands of this package have in common: how they fail, and how a training config is given."""

import sys
from collections.abc import Callable, Sequence

from matting_core.command_line import FAILED, GOOD, WRONG_USE, CommandParser
from matting_core.errors import MattecamError, UsageError


def exit_code(command: Callable[[], None]) -> int:
    """Carry a command out: 0, or one sentence on standard error and 2 for wrong use, 1 for any other MattecamError."""
    try:
        command()
    except MattecamError as error:
        print(error, file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    return GOOD


def tell_skipped(problems: Sequence[str]) -> None:
    """Name the files that could not be read, a sentence for each, on standard error."""
    if problems:
        print(f"Skipped {len(problems)} files: {' '.join(problems)}", file=sys.stderr)


def config_parser(command: str, description: str) -> CommandParser:
    """A parser of CONFIG [--set KEY=VALUE …], as `load_config` takes them from `config` and `set`."""
    parser = CommandParser(prog=f"python -m matting_core.modnet.{command}", description=description)
    parser.add_argument("config", metavar="CONFIG", help="a TOML file, or a preset: paper, finetune, slim")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="set one key, for example data.train=DIR"
    )
    return parser
