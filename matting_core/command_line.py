"""What every command of Mattecam has in common: its exit codes, and wrong use told in one sentence."""

import argparse
from typing import NoReturn

GOOD, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
"""Of a command that Ctrl-C ended before its end: what a shell makes of that signal."""


class CommandParser(argparse.ArgumentParser):
    """argparse, but without the whole usage before what is wrong."""

    def error(self, message: str) -> NoReturn:
        """See argparse; leaves with WRONG_USE."""
        self.exit(WRONG_USE, f"{self.prog}: {message.removesuffix('.')}. Add --help to see what it takes.\n")
