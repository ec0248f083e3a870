"""What the commands of this package have in common: how they fail."""

import sys
from collections.abc import Callable

from matting_core.command_line import FAILED, GOOD, WRONG_USE
from matting_core.errors import MattecamError, UsageError


def exit_code(command: Callable[[], None]) -> int:
    """Carry a command out: 0, or one sentence on standard error and 2 for wrong use, 1 for any other MattecamError."""
    try:
        command()
    except MattecamError as error:
        print(error, file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) else FAILED
    return GOOD
