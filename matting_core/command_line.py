"""What every command of Mattecam has in common: its exit codes, and wrong use told in one sentence."""

import argparse
import contextlib
import difflib
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

GOOD, FAILED, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
"""Of a command that Ctrl-C ended before its end: what a shell makes of that signal."""


_PLAINER = {
    "argument ": "",
    "invalid choice: ": "there is no ",
    "unrecognized arguments: ": "it does not take ",
    "expected one argument": "its value is missing",
    "the following arguments are required: ": "missing: ",
}
"""argparse's words, and ours."""


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


def whole_number(text: str) -> int:
    """A whole number on the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None


class CommandParser(argparse.ArgumentParser):
    """argparse, but what is wrong in plainer words, with what was perhaps meant, and without the whole usage."""

    def error(self, message: str) -> NoReturn:
        """See argparse; leaves with WRONG_USE."""
        said = message.removesuffix(".")
        for theirs, ours in _PLAINER.items():
            said = said.replace(theirs, ours)
        meant = _nearest(re.findall(r"--[\w-]+|'[^']+'", message), _known_words(self))
        hint = f" Did you mean {meant}?" if meant else ""
        self.exit(WRONG_USE, f"{self.prog}: {said}.{hint} Add --help to see what it takes.\n")


def _nearest(words: list[str], known: set[str]) -> str | None:
    """What one of these words was probably meant to be, where it is not known as it stands."""
    written = [word.strip("'") for word in words]
    near = [difflib.get_close_matches(word, known, 1, 0.7) for word in written if word not in known]
    return near[0][0] if near and near[0] else None


def _known_words(parser: argparse.ArgumentParser) -> set[str]:
    """Every option and choice of a parser and of its commands."""
    words: set[str] = set()
    for action in parser._actions:
        words.update(action.option_strings, map(str, action.choices or ()))
        if isinstance(action.choices, dict):
            words.update(*(_known_words(sub) for sub in action.choices.values()))
    return words
