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


_UNKNOWN = "unrecognized arguments: "
_PLAINER = (
    ("^the following arguments are required: ", "missing: "),
    (": expected one argument$", ": its value is missing"),
    (": not allowed with argument ", ": not allowed with "),
)
"""What argparse says, and what we say."""


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """While this lasts, what asks the program to end does as Ctrl-C does, so that nothing half-done is left.

    Only the first does anything: an impatient second one must not end the clearing up. On the main thread only; a
    signal that is ignored, as under `nohup`, or somebody else's stays so.
    """
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    here = threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in signals if here}
    taken = {each: was for each, was in before.items() if was in (signal.SIG_DFL, signal.default_int_handler)}

    ended = False

    def end(number: int, frame: object) -> None:
        nonlocal ended
        if not ended:
            ended = True
            raise KeyboardInterrupt

    for each in taken:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, was in taken.items():
            signal.signal(each, was)


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
        said, hint = message.removeprefix("argument ").removesuffix("."), ""
        if chosen := re.search(r": invalid choice: '(.*)' \(choose from (.*)\)$", said):
            said = said.replace(": invalid choice: ", ": there is no ", 1)
            hint = _meant(chosen[1], set(re.findall(r"[\w.-]+", chosen[2])))
            if not hint and said.startswith("COMMAND: "):
                hint = " Options come after their command."
        elif said.startswith(_UNKNOWN):
            words = said.removeprefix(_UNKNOWN)
            said = f"this command does not take {words}"
            option = next((word for word in words.split() if word.startswith("-")), "")
            takers = [name for name, sub in _commands(self).items() if option in _options(sub)]
            hint = f" It belongs to: {', '.join(takers)}." if takers else _meant(option, _options(self))
        for theirs, ours in _PLAINER:
            said = re.sub(theirs, ours, said, count=1)
        self.exit(WRONG_USE, f"{self.prog}: {said}.{hint} Add --help to see what it takes.\n")


def _meant(word: str, known: set[str]) -> str:
    """' Did you mean fast?', or nothing where nothing known is near the word. An option's dashes are not compared."""
    bare = {name.lstrip("-"): name for name in sorted(known)}
    near = difflib.get_close_matches(word.lstrip("-"), bare, 1, 0.6)
    return f" Did you mean {bare[near[0]]}?" if near and bare[near[0]] != word else ""


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of its commands."""
    return set(parser._option_string_actions).union(*(_options(sub) for sub in _commands(parser).values()))


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    choices = (action.choices for action in parser._actions)
    return {name: sub for each in choices if isinstance(each, dict) for name, sub in each.items()}
