"""The options of each command, with their help. app/cli.py says what carries a command out."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from app import shipped_backgrounds
from matting_core.command_line import given_path, whole_number
from matting_core.engine_names import ENGINE_NAMES
from matting_core.errors import UsageError
from matting_core.inputs import is_there
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.presets import AUTO_PRESET, DEFAULT_PRESET, LIVE_PRESETS, PRESETS

SAVED = "default: the window's setting"
_WORDS = ("blur", "transparent", "none")
SPEC = (
    "color:#rrggbb, blur, blur:N (1 to 100), transparent, none, an image or video file, or one of "
    f"{', '.join(shipped_backgrounds.names()).replace('%', '%%')}"
)
BENCH_DEFAULTS: dict[str, Any] = {
    "source": "demo",
    "size": "1280x720",
    "seconds": 10.0,
    "preset": DEFAULT_PRESET,
    "engine": "auto",
}
BENCH_IGNORES = {"compare": ("preset",), "calibrate": tuple(BENCH_DEFAULTS)}
MODEL = "one of `models list`; default: the preset's own"


def add_run_options(run: argparse.ArgumentParser) -> None:
    """`run`: what is left out comes from the user's settings."""
    run.add_argument("--camera", help=f"auto, an index, a name, a device or a file; 'demo' needs no camera; {SAVED}")
    run.add_argument("--background", type=_background, metavar="SPEC", help=f"{SPEC}; {SAVED}")
    run.add_argument(
        "--size", metavar="WxH", help=f"size of the camera's picture and of the output, both even; {SAVED}"
    )
    run.add_argument(
        "--output",
        default="virtual",
        metavar="virtual[:DEVICE]|null|PATH",
        help="the virtual camera (default), nowhere, or a new .mp4 or .mkv file",
    )
    run.add_argument("--model", metavar="NAME", help=f"one of `models list`; {SAVED}")
    run.add_argument(
        "--fps-cap",
        type=whole_number,
        metavar="N",
        help=f"process at most N frames per second, 0 for no limit; {SAVED}",
    )
    limit = f"use at most this share of the processor or GPU, 10 to 100, after some seconds; never below 2 fps; {SAVED}"
    run.add_argument("--load-limit", type=whole_number, metavar="PERCENT", help=limit)
    run.add_argument(
        "--seconds",
        type=_seconds,
        metavar="N",
        help="stop N seconds after the start, start-up included; default: run until Ctrl-C",
    )
    _add_engine_options(run, None, None)


def add_process_options(process: argparse.ArgumentParser) -> None:
    """`process`."""
    process.add_argument(
        "input",
        type=given_path,
        metavar="INPUT",
        help="an image, a folder of images (without its subfolders), or a video",
    )
    output = "the file or folder to write; existing files are replaced"
    process.add_argument("--output", type=given_path, metavar="OUT", help=output)
    spec = f"{SPEC}; default: blur"
    process.add_argument("--background", type=_background, default="blur", metavar="SPEC", help=spec)
    process.add_argument("--alpha", type=given_path, metavar="PATH", help="also write the mattes")
    process.add_argument("--model", metavar="NAME", help=MODEL)
    _add_engine_options(process, DEFAULT_PRESET, "auto")


def add_bench_options(bench: argparse.ArgumentParser) -> None:
    """`bench`."""
    bench.add_argument("--source", metavar="PATH", help="a video or image file; default: the demo")
    bench.add_argument(
        "--size", metavar="WxH", help="even size of the frames, to which pictures are cropped; default: 1280x720"
    )
    bench.add_argument("--seconds", type=_seconds, metavar="N", help="measure for N seconds; default: 10")
    instead = bench.add_mutually_exclusive_group()
    instead.add_argument("--compare", action="store_true", help="time all presets and plain float32 in turn")
    instead.add_argument(
        "--calibrate", action="store_true", help="find and remember the fastest arithmetic for each preset"
    )
    instead.add_argument("--fused", action="store_true", help="time the fused graph on the GPU (cuda, tensorrt)")
    _add_engine_options(bench, DEFAULT_PRESET, "auto")
    bench.set_defaults(**BENCH_DEFAULTS)


def refuse_ignored(options: argparse.Namespace) -> None:
    """UsageError for options of `bench` that the kind of measuring that was chosen has no use for."""
    kind = next((kind for kind in BENCH_IGNORES if getattr(options, kind)), None)
    for name in BENCH_IGNORES.get(kind or "", ()):
        if getattr(options, name) != BENCH_DEFAULTS[name]:
            raise UsageError(f"bench --{kind} does not take --{name}.", "Leave it out.")


def add_eval_options(evaluation: argparse.ArgumentParser) -> None:
    """`eval`."""
    evaluation.add_argument(
        "folder", type=given_path, metavar="DIR", help="a folder of pictures or clips with true mattes"
    )
    layout = "layout of the folder; default: auto, which detects it"
    evaluation.add_argument("--layout", choices=LAYOUTS, default=AUTO, help=layout)
    evaluation.add_argument("--model", metavar="NAME", help=MODEL)
    evaluation.add_argument(
        "--report", type=given_path, metavar="OUT.html", help="also write an HTML page with the worst cases"
    )
    _add_engine_options(evaluation, DEFAULT_PRESET, "auto")


def add_adapt_options(sub: argparse.ArgumentParser) -> None:
    """`adapt`."""
    sub.add_argument(
        "clip", type=given_path, metavar="CLIP_OR_FOLDER", help="a video, or a folder of pictures in order"
    )
    sub.add_argument(
        "--epochs", type=whole_number, default=10, metavar="N", help="passes over all pictures; default: 10"
    )
    sub.add_argument(
        "--seconds-limit",
        type=_seconds,
        metavar="S",
        help="finish within S seconds, learning from fewer pictures if necessary",
    )
    sub.add_argument("--output", metavar="NAME", help="name of the adapted model; default: the model's, with _room")
    sub.add_argument(
        "--compare", type=given_path, metavar="FOLDER", help="write pictures from before and after to this folder"
    )


def add_models_actions(models: argparse.ArgumentParser) -> None:
    """`models`: its actions, each with what it takes."""
    actions = models.add_subparsers(dest="action", required=True, metavar="list|get|import|remove|verify")
    for action, argument, text in (
        ("list", None, "list installed and downloadable models"),
        ("verify", None, "check every model file against its SHA-256"),
        ("get", "NAME", "download a model of `models list`"),
        ("import", "FILE", "add a released MODNet file (.onnx or .ckpt)"),
        ("remove", "NAME", "delete a model that you added"),
    ):
        sub = actions.add_parser(action, help=text, description=text)
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if argument:
            sub.add_argument("argument", metavar=argument)


def _add_engine_options(sub: argparse.ArgumentParser, preset: str | None, engine: str | None) -> None:
    # Only a live picture has a rate for the preset auto to hold.
    names, text = (
        (PRESETS, "the network and its size") if preset else (LIVE_PRESETS, "auto keeps the camera's frame rate")
    )
    kind = _fixed_preset if preset else str
    sub.add_argument("--preset", type=kind, choices=tuple(names), default=preset, help=f"{text}; {_default(preset)}")
    text = f"what runs the network; {_default(engine)}"
    sub.add_argument("--engine", choices=ENGINE_NAMES, default=engine, help=text)


def _background(text: str) -> str:
    """A background SPEC; a single word must be one that stands for something."""
    spec, word = shipped_backgrounds.spec(text), text.strip().lower()
    if word in _WORDS:
        return word
    if spec == text and re.fullmatch(r"[\w-]+", word) and not is_there(Path(text)):
        known = ", ".join((*_WORDS, *shipped_backgrounds.names()))
        raise argparse.ArgumentTypeError(f"invalid choice: '{text}' (choose from {known})")
    return spec


def even_size(text: str) -> str:
    """What --size asks for, as a canvas has it; where a side was odd, standard error says so. Raises UsageError."""
    from app.settings import even, parse_size

    asked = parse_size(text)
    width, height = even(*asked)
    if (width, height) != asked:
        print(f"mattecam: --size {text} becomes {width}x{height}: both sides of a video are even.", file=sys.stderr)
    return f"{width}x{height}"


def _default(value: str | None) -> str:
    return f"default: {value}" if value else SAVED


def _fixed_preset(text: str) -> str:
    if text == AUTO_PRESET:
        raise argparse.ArgumentTypeError(f"auto is for live pictures only; choose {', '.join(PRESETS)}")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds greater than 0.")
    return value
