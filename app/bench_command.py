"""`bench`: what each stage of a frame costs on this machine."""

import contextlib
import itertools
import json
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app.camera import open_source
from app.output_stage import PREVIEW_SPACE
from app.settings import Scene, Settings, parse_size
from matting_core.background import open_background
from matting_core.background_spec import parse_spec
from matting_core.benchmark import (
    FrameWay,
    as_jpeg,
    compare_predictors,
    machine,
    measure,
    measure_allocations,
    versions,
)
from matting_core.composite import Edges
from matting_core.engine import create_engine
from matting_core.errors import MediaError, UsageError
from matting_core.fit import fit_frame
from matting_core.frames import Image
from matting_core.inputs import is_file, why_no_file
from matting_core.media_kind import media_kind
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image
from matting_core.predictor import Predictor
from matting_core.preprocess import input_size
from matting_core.presets import PRESETS, RELEASED, Preset, find_preset

BACKGROUND = "color:#3a2e26"
DEMO_FRAMES = 30
PLAIN, PLAIN_SIDE = "plain", 512
"""The baseline of every ratio: the released network as it is, in ONNX Runtime on the processor, at 512."""


def say_what_is_measured(preset: str, size: str) -> None:
    """On standard error, since nothing else is said for a while: half a minute with a slow engine."""
    print(f"Measuring the preset {preset} at {size}.", file=sys.stderr)


def bench(source: str, size: str, seconds: float, preset: str, engine: str, as_json: bool) -> int:
    """Measure and print; source: 'demo', an image or a video, sent as a webcam's JPEG. Returns the exit code.

    size: 'WIDTHxHEIGHT' of the canvas, both even.
    """
    width, height = parse_size(size)
    pictures = read_pictures(source, size)
    chosen = find_preset(preset)
    network = ModelStore().network(chosen.model, chosen.int8)
    say_what_is_measured(preset, size)
    runner = create_engine(engine, network)
    looks = Scene()
    edges = Edges(looks.edge_shift, looks.edge_feather, looks.light_wrap, looks.decontaminate)
    predictor = Predictor(runner, chosen, looks.smoothing)
    background = open_background(parse_spec(BACKGROUND), width, height)
    try:
        way = FrameWay(predictor, background, (width, height), looks.mirror, edges, PREVIEW_SPACE)
        jpegs = itertools.cycle([as_jpeg(fit_frame(image, width, height, mirror=False)) for image in pictures])
        measured = measure(way, jpegs, seconds)
        allocated = measure_allocations(way, jpegs)
    finally:
        runner.close()
    result: dict[str, Any] = {
        "fps": round(measured.frames / measured.seconds, 2),
        "frames": measured.frames,
        "seconds": round(measured.seconds, 3),
        "provider": runner.provider,
        "engine": runner.name,
        "model": chosen.model,
        "preset": preset,
        "input_size": input_size(height, width, predictor.preset.long_side),
        "frame_size": f"{width}x{height}",
        "stages": {
            name: {**times, "allocated_kib": round(allocated[name] / 1024, 1)}
            for name, times in measured.percentiles().items()
        },
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(result) if as_json else _table(result["stages"], _headline(result)))
    return 0


def compare(source: str, size: str, seconds: float, engine: str, as_json: bool) -> int:
    """Time the presets beside the plain way (ONNX Runtime, float32, PLAIN_SIDE), frame by frame in turn.

    `Predictor.predict` is timed: resizing, network and alpha at the frame's size, without smoothing. Returns 0.
    """
    width, height = parse_size(size)
    pictures = [fit_frame(image, width, height, mirror=False) for image in read_pictures(source, size)]
    store = ModelStore()
    plain = Predictor(create_engine("cpu", store.network(RELEASED, int8=False)), Preset(PLAIN, PLAIN_SIDE, int8=False))
    contenders = {PLAIN: plain}
    for preset in PRESETS.values():
        contenders[preset.name] = Predictor(create_engine(engine, store.network(preset.model, preset.int8)), preset)
    try:
        with contextlib.closing(_counted(itertools.cycle(pictures))) as frames:
            rows = compare_predictors(contenders, frames, seconds)
    finally:
        for predictor in contenders.values():
            predictor.engine.close()
    result = {"frame_size": f"{width}x{height}", "rows": rows, "machine": machine()}
    result["versions"] = versions()
    print(json.dumps(result) if as_json else _comparison(rows))
    return 0


def _counted(pictures: Iterator[Image]) -> Generator[Image, None, None]:
    """The same pictures, with a count on a terminal: otherwise a comparison prints nothing for a long time."""
    with tqdm(unit="frame", leave=False, disable=None) as progress:
        for picture in pictures:
            progress.update()
            yield picture


def _comparison(rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'preset':9} {'input':>9} {'p50 ms':>8} {'p10–p90':>13} {'faster':>7} {'mean |Δα|':>10}  with"]
    lines += [
        f"{name:9} {row['input_size']:>9} {row['p50_ms']:8.2f} {row['p10_ms']:6.1f}–{row['p90_ms']:<6.1f} "
        f"{row['times_as_fast']:6.2f}× {row['mean_difference']:10.4f}  {row['provider']}"
        for name, row in rows.items()
    ]
    lines.append("faster: than plain; mean |Δα|: mean difference of its alpha, 0 to 1, from plain's.")
    return "\n".join(lines)


def read_pictures(source: str, size: str) -> list[Image]:
    """What to measure with, decoded beforehand: pictures of the demo at `size`, an image, or the start of a video."""
    if source == "demo":
        demo = open_source(Settings(camera="demo", camera_size=size, camera_fps=240))
        pictures = [demo.read().image for _ in range(DEMO_FRAMES)]
        demo.close()
        return pictures
    path = Path(source)
    if not is_file(path):
        raise UsageError(f"The source {source} {why_no_file(path)}.", "Give an image or video file, or demo.")
    return [read_image(path)] if media_kind(path) == "image" else _first_pictures(path)


def _first_pictures(path: Path) -> list[Image]:
    from app.video_file import VideoReader

    reader = VideoReader(path)
    pictures: list[Image] = []
    for _, picture in reader.read():
        if picture is not None:
            pictures.append(picture[0])
            if len(pictures) == 2 * DEMO_FRAMES:
                break
    reader.close()
    if not pictures:
        raise MediaError(f"The video {path} has no readable picture.", "Give another file.")
    return pictures


def _headline(result: dict[str, Any]) -> str:
    return (
        f"{result['fps']} fps at {result['frame_size']} with {result['provider']} "
        f"({result['preset']}, {result['input_size']}), on one thread except for the network.\n"
        "new KiB: memory newly allocated for each frame."
    )


def _table(stages: dict[str, dict[str, float]], headline: str) -> str:
    rows = [f"{'stage':12} {'p50 ms':>9} {'p95 ms':>9} {'new KiB':>9}"]
    rows += [
        f"{name:12} {row['p50_ms']:9.2f} {row['p95_ms']:9.2f} {row['allocated_kib']:9.1f}"
        for name, row in stages.items()
    ]
    return "\n".join([*rows, headline])
