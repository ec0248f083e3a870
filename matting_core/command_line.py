"""What every command of Mattecam has in common: its exit codes, and wrong use told in one sentence."""

import argparse
import signal
import threading
from typing import NoReturn

GOOD, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
"""Of a command that Ctrl-C ended before its end: what a shell makes of that signal."""


def end_on_sigterm() -> None:
    """Let what asks a program to end do as Ctrl-C does, so that nothing half-done is left; on the main thread only."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.default_int_handler)


class CommandParser(argparse.ArgumentParser):
    """argparse, but without the whole usage before what is wrong."""

    def error(self, message: str) -> NoReturn:
        """See argparse; leaves with WRONG_USE."""
        self.exit(WRONG_USE, f"{self.prog}: {message.removesuffix('.')}. Add --help to see what it takes.\n")
