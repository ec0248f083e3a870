"""The commands. Each parses its options here and is carried out in a module of its own."""

import argparse
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from matting_core.engine_names import ENGINE_NAMES
from matting_core.errors import MattecamError, UsageError
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.own_command import START, own_command
from matting_core.presets import DEFAULT_PRESET, LIVE_PRESETS, PRESETS

GOOD, FAILED, WRONG_USE = 0, 1, 2
THREADS = "mattecam-"
"""How every thread of ours is named."""


class _Parser(argparse.ArgumentParser):
    """Tells wrong use in one sentence, as every other failure is told, and not after the whole usage."""

    def error(self, message: str) -> NoReturn:
        """See argparse; leaves with WRONG_USE."""
        self.exit(WRONG_USE, f"{self.prog}: {message.removesuffix('.')}. Add --help to see what it takes.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 good, 2 wrong use, 1 failure with one sentence on standard error."""
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
        mend = f"Start Mattecam with: {own_command('')}" if START.exists() else "Install Mattecam anew."
        print(f"mattecam: {sys.executable} has no package {error.name}. {mend}".rstrip(), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("mattecam: stopped before the end", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python would complain again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def leave() -> NoReturn:
    """What the program starts with: `main`, then out, also past a thread that never comes back from a driver.

    Such a thread cannot be ended, and a library that is taken down under it would crash the process.
    """
    code = main()
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


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

    if options.calibrate:
        from app.calibration import calibrate_command

        return calibrate_command(options.json)
    if options.fused:
        return bench_fused(options.source, options.size, options.seconds, options.preset, options.engine, options.json)
    if options.compare:
        return compare(options.source, options.size, options.seconds, options.engine, options.json)
    return bench(
        source=options.source,
        size=options.size,
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


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0.")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mattecam",
        description="Replaces the background behind you, live. Without a command the window opens.",
    )
    parser.set_defaults(command=_window)
    parser.add_argument("--debug", action="store_true", help="log everything and show tracebacks")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, command: Any, text: str) -> argparse.ArgumentParser:
        # SUPPRESS keeps `--debug run` from being undone by the subcommand's own default.
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--json", action="store_true", help="print one JSON object on the last line")
        return sub

    def add_engine_options(sub: argparse.ArgumentParser, preset: str | None, engine: str | None) -> None:
        # Only a live picture has a rate for the preset auto to hold.
        names, text = (PRESETS, "network and its size") if preset else (LIVE_PRESETS, "auto holds the camera's rate")
        sub.add_argument("--preset", choices=tuple(names), default=preset, help=text)
        sub.add_argument("--engine", choices=ENGINE_NAMES, default=engine, help="what runs the network")

    saved = "the window's choice unless given"
    spec = "color:#rrggbb, blur, blur:N, transparent, none, or an image or video file"
    run = add("run", _run, "Run live without a window.")
    run.add_argument("--camera", help=f"auto, an index, a name, a device or a file; 'demo' needs no camera; {saved}")
    run.add_argument("--background", metavar="SPEC", help=f"{spec}; {saved}")
    run.add_argument(
        "--output",
        default="virtual",
        metavar="virtual|null|PATH",
        help="the virtual camera (unless given), nowhere, or a new .mp4 or .mkv",
    )
    run.add_argument("--model", metavar="NAME", help=f"one of `models list`; {saved}")
    run.add_argument("--fps-cap", type=int, metavar="N", help="matte at most N frames a second; 0: all")
    run.add_argument("--load-limit", type=int, metavar="PERCENT", help="use at most this much of the processor or GPU")
    run.add_argument("--seconds", type=_seconds, metavar="N", help="stop after N seconds")
    add_engine_options(run, None, None)

    process = add("process", _process, "Replace the background in an image, a folder of images, or a video.")
    process.add_argument("input", type=Path, metavar="INPUT")
    process.add_argument("--output", type=Path, metavar="OUT", help="the file or folder to write")
    process.add_argument("--background", default="blur", metavar="SPEC", help=f"{spec}; blur unless given")
    process.add_argument("--alpha", type=Path, metavar="PATH", help="write the mattes, too")
    process.add_argument("--model", metavar="NAME", help="one of `models list`")
    add_engine_options(process, DEFAULT_PRESET, "auto")

    bench = add("bench", _bench, "Measure each stage's time on this machine.")
    bench.add_argument("--source", default="demo", metavar="PATH", help="a video or image file; the demo by default")
    bench.add_argument("--size", default="1280x720", metavar="WxH", help="of the frames; 1280x720 unless given")
    bench.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="N", help="how long to measure; 10 unless given"
    )
    bench.add_argument("--compare", action="store_true", help="time all presets beside plain float32, in turn")
    bench.add_argument("--calibrate", action="store_true", help="choose and remember each preset's arithmetic")
    bench.add_argument("--fused", action="store_true", help="the whole way as one graph on the GPU (cuda, tensorrt)")
    add_engine_options(bench, DEFAULT_PRESET, "auto")

    evaluation = add("eval", _eval, "Measure the mattes of a folder of pictures or clips against true ones.")
    evaluation.add_argument("folder", type=Path, metavar="DIR", help="for example with image/ and matte/")
    evaluation.add_argument("--layout", choices=LAYOUTS, default=AUTO, help="how the folder is laid out")
    evaluation.add_argument("--model", metavar="NAME", help="one of `models list`")
    evaluation.add_argument("--report", type=Path, metavar="OUT.html", help="write a page with the worst cases")
    add_engine_options(evaluation, DEFAULT_PRESET, "auto")

    _add_adapt_options(add("adapt", _adapt, "Adapt the model to your own room, from a clip of you in it."))

    _add_models_actions(add("models", _models, "List, check, download, import and remove models."))
    add("doctor", _doctor, "Say what this machine has, what is wrong, and the command that mends it.")
    return parser


def _add_adapt_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("clip", type=Path, metavar="CLIP_OR_FOLDER", help="a video, or a folder of pictures in order")
    sub.add_argument("--epochs", type=int, default=10, metavar="N", help="10, as in the paper, unless given")
    sub.add_argument("--seconds-limit", type=_seconds, metavar="S", help="learn from less, to be done by then")
    sub.add_argument("--output", metavar="NAME", help="the adapted model's name")
    sub.add_argument("--compare", type=Path, metavar="FOLDER", help="write pictures from before and after there")


def _add_models_actions(models: argparse.ArgumentParser) -> None:
    actions = models.add_subparsers(dest="action", required=True, metavar="list|get|import|remove|verify")
    for action, argument, text in (
        ("list", None, "what is there and what can be downloaded"),
        ("verify", None, "check every model file against its SHA-256"),
        ("get", "NAME", "download a model"),
        ("import", "FILE", "add a released MODNet file"),
        ("remove", "NAME", "delete a model that you added"),
    ):
        sub = actions.add_parser(action, help=text, description=text)
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if argument:
            sub.add_argument("argument", metavar=argument)
