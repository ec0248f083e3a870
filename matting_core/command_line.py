"""What every command of Mattecam has in common: its exit codes, and wrong use told in one sentence."""

import argparse
import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

GOOD, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
"""Of a command that Ctrl-C ended before its end: what a shell makes of that signal."""


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """While this lasts, what asks the program to end does as Ctrl-C does, so that nothing half-done is left.

    On the main thread only; a signal that is ignored, as under `nohup`, or somebody else's stays so.
    """
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    here = threading.current_thread() is threading.main_thread()
    taken = [each for each in signals if here and signal.getsignal(each) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def given_path(text: str) -> Path:
    """A path on the command line. An empty one, as of an unset variable, would mean the folder one is in."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


class CommandParser(argparse.ArgumentParser):
    """argparse, but without the whole usage before what is wrong."""

    def error(self, message: str) -> NoReturn:
        """See argparse; leaves with WRONG_USE."""
        self.exit(WRONG_USE, f"{self.prog}: {message.removesuffix('.')}. Add --help to see what it takes.\n")
