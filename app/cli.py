"""The commands. The options of each are in app/cli_options.py, and each is carried out in a module of its own."""

import argparse
import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from app.cli_options import (
    add_adapt_options,
    add_bench_options,
    add_eval_options,
    add_models_actions,
    add_process_options,
    add_run_options,
    even_size,
    refuse_ignored,
)
from matting_core.command_line import FAILED, INTERRUPTED, WRONG_USE, CommandParser
from matting_core.errors import MattecamError, UsageError
from matting_core.own_command import START, own_command

THREADS = "mattecam-"
"""How every thread of ours is named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 good, 2 wrong use, 1 failure with one sentence on standard error, 130 ended by Ctrl-C."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(options.command(options))
    except MattecamError as error:
        if options.debug:
            logging.exception("failed")
        print(f"mattecam: {error}", file=sys.stderr)
        return WRONG_USE if isinstance(error, UsageError) or isinstance(error.__cause__, UsageError) else FAILED
    except ModuleNotFoundError as error:
        if options.debug or (error.name or "app").split(".")[0] in ("app", "matting_core"):
            raise
        mend = f"Start Mattecam with: {own_command('')}" if START.exists() else "Reinstall Mattecam."
        print(f"mattecam: {sys.executable} has no package {error.name}. {mend}".rstrip(), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("mattecam: Stopped before the end.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python would complain again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        if error.filename is None:
            raise
        if options.debug:
            logging.exception("failed")
        print(f"mattecam: {error.filename} cannot be used ({error.strerror}). Check the path.", file=sys.stderr)
        return FAILED


def leave() -> NoReturn:
    """What the program starts with: `main`, then out, also past a thread that never comes back from a driver.

    Such a thread cannot be ended, and a library that is taken down under it would crash the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name, or an arrow, that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    code = main()
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


class _Version(argparse.Action):
    """Looked up only when asked for: a Python without our packages has to get as far as saying so."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        import importlib.metadata  # which takes longer than all the rest here

        try:
            print(f"mattecam {importlib.metadata.version('mattecam')}")
        except importlib.metadata.PackageNotFoundError:
            print("mattecam, not installed yet")
        parser.exit()


def _window(options: argparse.Namespace) -> int:
    from app import settings
    from app.ui.application import run_window

    loaded, notices = settings.load()
    return run_window(loaded, notices)


def _run(options: argparse.Namespace) -> int:
    from app.run_command import run

    return run(
        camera=options.camera,
        background=options.background,
        output=options.output,
        preset=options.preset,
        engine=options.engine,
        seconds=options.seconds,
        model=options.model,
        fps_cap=options.fps_cap,
        load_limit=options.load_limit,
        size=None if options.size is None else even_size(options.size),
        as_json=options.json,
    )


def _process(options: argparse.Namespace) -> int:
    from app.process_command import process

    return process(
        source=options.input,
        output=options.output,
        alpha=options.alpha,
        background=options.background,
        preset=options.preset,
        engine=options.engine,
        model=options.model,
        as_json=options.json,
    )


def _bench(options: argparse.Namespace) -> int:
    from app.bench_command import bench, compare
    from app.fused_bench import bench_fused

    refuse_ignored(options)
    if options.calibrate:
        from app.calibration import calibrate_command

        return calibrate_command(options.json)
    size = even_size(options.size)
    if options.fused:
        return bench_fused(options.source, size, options.seconds, options.preset, options.engine, options.json)
    if options.compare:
        return compare(options.source, size, options.seconds, options.engine, options.json)
    return bench(
        source=options.source,
        size=size,
        seconds=options.seconds,
        preset=options.preset,
        engine=options.engine,
        as_json=options.json,
    )


def _eval(options: argparse.Namespace) -> int:
    from app.eval_command import evaluate

    return evaluate(
        folder=options.folder,
        layout=options.layout,
        model=options.model,
        preset=options.preset,
        engine=options.engine,
        report=options.report,
        as_json=options.json,
    )


def _adapt(options: argparse.Namespace) -> int:
    from app.adapt_command import adapt

    return adapt(
        source=options.clip,
        epochs=options.epochs,
        seconds_limit=options.seconds_limit,
        output=options.output,
        compare=options.compare,
        as_json=options.json,
    )


def _models(options: argparse.Namespace) -> int:
    from app.models_command import run

    return run(options.action, getattr(options, "argument", None), options.json)


def _doctor(options: argparse.Namespace) -> int:
    from app.doctor import run

    return run(options.json)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="mattecam",
        description="Replaces the background behind you, live. Without a command, opens the window.",
    )
    parser.set_defaults(command=_window)
    parser.add_argument("--debug", action="store_true", help="log everything and show tracebacks")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: Any, text: str) -> argparse.ArgumentParser:
        # SUPPRESS keeps `--debug run` from being undone by the subcommand's own default.
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--json", action="store_true", help="print one JSON object on the last line")
        return sub

    add_run_options(add("run", _run, "Run live without a window."))
    text = "Replace the background in an image, a folder of images, or a video. Give --output, --alpha or both."
    add_process_options(add("process", _process, text))
    add_bench_options(add("bench", _bench, "Measure each stage's time on this machine."))
    text = "Compare the mattes of a folder of pictures or clips with the true mattes."
    add_eval_options(add("eval", _eval, text))
    add_adapt_options(add("adapt", _adapt, "Adapt the model to your own room, from a clip of you in it."))
    add_models_actions(add("models", _models, "List, check, download, import and remove models."))
    add("doctor", _doctor, "Report what this machine has, what is wrong, and the command that fixes it.")
    return parser
