"""The options of each command, with their help. app/cli.py says what carries a command out."""

import argparse
from pathlib import Path

from app import shipped_backgrounds
from matting_core.engine_names import ENGINE_NAMES
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.presets import AUTO_PRESET, DEFAULT_PRESET, LIVE_PRESETS, PRESETS

SAVED = "the window's choice unless given"
SPEC = (
    "color:#rrggbb, blur, blur:N (1 to 100), transparent, none, an image or video file, or one of "
    f"{', '.join(shipped_backgrounds.names()).replace('%', '%%')}"
)
MODEL = "one of `models list`; the preset's own unless given"


def add_run_options(run: argparse.ArgumentParser) -> None:
    """`run`: what is left out comes from the user's settings."""
    run.add_argument("--camera", help=f"auto, an index, a name, a device or a file; 'demo' needs no camera; {SAVED}")
    run.add_argument("--background", type=shipped_backgrounds.spec, metavar="SPEC", help=f"{SPEC}; {SAVED}")
    run.add_argument("--size", metavar="WxH", help=f"of the camera's picture and of what is sent; {SAVED}")
    run.add_argument(
        "--output",
        default="virtual",
        metavar="virtual[:DEVICE]|null|PATH",
        help="the virtual camera (unless given), nowhere, or a new .mp4 or .mkv",
    )
    run.add_argument("--model", metavar="NAME", help=f"one of `models list`; {SAVED}")
    run.add_argument("--fps-cap", type=int, metavar="N", help=f"matte at most N frames a second, 0: all; {SAVED}")
    limit = f"use at most this much of the processor or GPU, 10 to 100; {SAVED}"
    run.add_argument("--load-limit", type=int, metavar="PERCENT", help=limit)
    run.add_argument("--seconds", type=_seconds, metavar="N", help="stop after N seconds; at Ctrl-C unless given")
    _add_engine_options(run, None, None)


def add_process_options(process: argparse.ArgumentParser) -> None:
    """`process`."""
    process.add_argument("input", type=Path, metavar="INPUT", help="an image, a folder of images, or a video")
    output = "the file or folder to write; what is there is replaced"
    process.add_argument("--output", type=Path, metavar="OUT", help=output)
    spec = f"{SPEC}; blur unless given"
    process.add_argument("--background", type=shipped_backgrounds.spec, default="blur", metavar="SPEC", help=spec)
    process.add_argument("--alpha", type=Path, metavar="PATH", help="write the mattes, too")
    process.add_argument("--model", metavar="NAME", help=MODEL)
    _add_engine_options(process, DEFAULT_PRESET, "auto")


def add_bench_options(bench: argparse.ArgumentParser) -> None:
    """`bench`."""
    bench.add_argument("--source", default="demo", metavar="PATH", help="a video or image file; the demo by default")
    bench.add_argument("--size", default="1280x720", metavar="WxH", help="of the frames; 1280x720 unless given")
    bench.add_argument("--seconds", type=_seconds, default=10.0, metavar="N", help="for how long; 10 unless given")
    instead = bench.add_mutually_exclusive_group()
    instead.add_argument("--compare", action="store_true", help="time all presets beside plain float32, in turn")
    instead.add_argument("--calibrate", action="store_true", help="choose and remember each preset's arithmetic")
    instead.add_argument("--fused", action="store_true", help="the whole way as one graph on the GPU (cuda, tensorrt)")
    _add_engine_options(bench, DEFAULT_PRESET, "auto")


def add_eval_options(evaluation: argparse.ArgumentParser) -> None:
    """`eval`."""
    evaluation.add_argument("folder", type=Path, metavar="DIR", help="for example with image/ and matte/")
    layout = "how the folder is laid out; auto, which looks, unless given"
    evaluation.add_argument("--layout", choices=LAYOUTS, default=AUTO, help=layout)
    evaluation.add_argument("--model", metavar="NAME", help=MODEL)
    evaluation.add_argument("--report", type=Path, metavar="OUT.html", help="write a page with the worst cases")
    _add_engine_options(evaluation, DEFAULT_PRESET, "auto")


def add_adapt_options(sub: argparse.ArgumentParser) -> None:
    """`adapt`."""
    sub.add_argument("clip", type=Path, metavar="CLIP_OR_FOLDER", help="a video, or a folder of pictures in order")
    sub.add_argument("--epochs", type=int, default=10, metavar="N", help="10, as in the paper, unless given")
    sub.add_argument("--seconds-limit", type=_seconds, metavar="S", help="learn from less, to be done by then")
    sub.add_argument("--output", metavar="NAME", help="the adapted model's name")
    sub.add_argument("--compare", type=Path, metavar="FOLDER", help="write pictures from before and after there")


def add_models_actions(models: argparse.ArgumentParser) -> None:
    """`models`: its actions, each with what it takes."""
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


def _add_engine_options(sub: argparse.ArgumentParser, preset: str | None, engine: str | None) -> None:
    # Only a live picture has a rate for the preset auto to hold.
    names, text = (PRESETS, "network and its size") if preset else (LIVE_PRESETS, "auto holds the camera's rate")
    kind = _fixed_preset if preset else str
    sub.add_argument("--preset", type=kind, choices=tuple(names), default=preset, help=f"{text}; {_default(preset)}")
    text = f"what runs the network; {_default(engine)}"
    sub.add_argument("--engine", choices=ENGINE_NAMES, default=engine, help=text)


def _default(value: str | None) -> str:
    return f"{value} unless given" if value else SAVED


def _fixed_preset(text: str) -> str:
    if text == AUTO_PRESET:
        raise argparse.ArgumentTypeError(f"auto holds the rate of a live picture; choose {', '.join(PRESETS)}")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds above 0.")
    return value
