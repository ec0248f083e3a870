"""A network in PyTorch as an ONNX file that ONNX Runtime and OpenVINO run, accepted only if it gives the same mattes.

    python -m matting_core.modnet.export WEIGHTS [--name NAME | --output FILE] [--precision fp16] [--size WxH] …

WEIGHTS is a checkpoint (.ckpt, .pt) or a released .onnx. The result joins the user's models, or goes to --output. The
shipped model is made again from the released weights, here fetched with `models get modnet_photographic_pt`, by

    python -m matting_core.modnet.export modnet_photographic_pt.pt --output models/modnet_photographic.onnx

(its norms are folded, so the file differs; the mattes do not). The graph has opset 18 unless told otherwise, the names
`input` and `output`, and free N, H and W unless a size is given.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from matting_core.engine import create_engine
from matting_core.errors import MattecamError, ModelError, UsageError
from matting_core.frames import Image
from matting_core.model_store import SHIPPED, ModelStore, model_name
from matting_core.modnet.model import MODNet
from matting_core.modnet.onnx_graph import onnx_graph
from matting_core.modnet.weights import load_network
from matting_core.pictures import IMAGE_SUFFIXES, read_image
from matting_core.preprocess import MULTIPLE, network_size, shrink, to_blob

DEMO_PORTRAIT = SHIPPED.parent / "assets" / "demo_portrait.jpg"
ENGINES = ("cpu", "openvino")
LONG_SIDES = (256, 384, 512)
MOST_PHOTOS = 16
OPSETS = range(18, 24)
TOLERANCE = {"fp32": (1e-3, 1e-4), "fp16": (0.25, 1e-3)}
"""The largest and the mean difference of alpha that a file may have from PyTorch in float32.

Half precision moves single pixels of soft edges by a tenth, and the mean by a ten-thousandth (measured).
"""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """precision: of weights and arithmetic; input and output stay float32. size: a fixed (height, width), or None.

    Raises UsageError for what cannot be exported.
    """

    precision: Literal["fp32", "fp16"] = "fp32"
    size: tuple[int, int] | None = None
    opset: int = 18

    def __post_init__(self) -> None:
        if self.precision not in TOLERANCE:
            raise UsageError(f"There is no precision '{self.precision}'.", f"Choose one of: {', '.join(TOLERANCE)}.")
        if self.opset not in OPSETS:
            raise UsageError(f"Opset {self.opset} cannot be written.", f"Choose {OPSETS[0]} to {OPSETS[-1]}.")
        if self.size is not None and (min(self.size) < MULTIPLE or any(side % MULTIPLE for side in self.size)):
            raise UsageError(f"{self.size[1]}x{self.size[0]} fits no network.", "Both sides are multiples of 32.")


class Parity(NamedTuple):
    """How far the file's alpha is from PyTorch's, over all engines, photos and sizes."""

    largest: float
    mean: float
    photos: int


def export_network(
    model: MODNet, path: Path, options: ExportOptions | None = None, photos: Sequence[Image] = ()
) -> Parity:
    """Write `model` (on any device, left as it is) to `path`, beside and renamed, after both engines have run it.

    photos: uint8 H×W×3 BGR to compare on; by default the shipped portrait. Raises ModelError if the mattes differ
    by more than TOLERANCE or the file cannot be written, EngineError if an engine is missing.
    """
    options = options or ExportOptions()
    reference = MODNet(model.config)
    reference.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    reference.eval()
    precision = torch.float16 if options.precision == "fp16" else torch.float32
    graph = onnx_graph(reference, precision, options.size, options.opset)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            part.write_bytes(graph)
            parity = _compare(reference, part, options, photos or [read_image(DEMO_PORTRAIT)])
            part.replace(path)
    except OSError as error:
        raise ModelError(
            f"The model {path} cannot be written ({error.strerror}).", "Free space or choose another folder."
        ) from error
    return parity


def _compare(reference: MODNet, path: Path, options: ExportOptions, photos: Sequence[Image]) -> Parity:
    largest, means = 0.0, []
    engines = [create_engine(name, path) for name in ENGINES]
    for photo in photos:
        height, width = photo.shape[:2]
        for size in [options.size] if options.size else [network_size(height, width, side) for side in LONG_SIDES]:
            blob = to_blob(shrink(photo, size))
            with torch.inference_mode():
                expected = reference.matte(torch.from_numpy(blob))[0, 0].numpy()
            for engine in engines:
                difference = np.abs(engine.predict(blob) - expected)
                largest = max(largest, float(difference.max()))
                means.append(float(difference.mean()))
    for engine in engines:
        engine.close()
    parity = Parity(largest, float(np.mean(means)), len(photos))
    most, mean = TOLERANCE[options.precision]
    if not (parity.largest <= most and parity.mean <= mean):  # NaN compares false, and is refused
        raise ModelError(
            f"The exported {path.name} gives other mattes than PyTorch (by {parity.largest:.2g} at most, "
            f"{parity.mean:.2g} on the mean), so it was not kept.",
            "Export it in fp32, or report this with the weights.",
        )
    return parity


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        answer = _run(arguments)
    except MattecamError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    print(json.dumps(answer, ensure_ascii=False))
    return 0


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    weights: Path = arguments.weights
    options = ExportOptions(arguments.precision, _size(arguments.size), arguments.opset)
    if options.size and not arguments.output:
        raise UsageError("A model of a fixed size cannot join the store.", "Add: --output FILE.onnx")
    photos = _photos(arguments.photos) if arguments.photos else []
    model = load_network(weights).model
    if arguments.output:
        parity = export_network(model, arguments.output, options, photos)
        return {"path": str(arguments.output), **_facts(parity, options)}
    name = arguments.name or model_name(weights.stem)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.onnx"
        parity = export_network(model, file, options, photos)
        entry = ModelStore().add(file, name, source=weights.name, measured=_facts(parity, options))
    return {"name": entry.name, "path": str(entry.path), **entry.measured}


def _facts(parity: Parity, options: ExportOptions) -> dict[str, Any]:
    return {
        "precision": options.precision,
        "opset": options.opset,
        "largest_difference": parity.largest,
        "mean_difference": parity.mean,
        "photos": parity.photos,
    }


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UsageError(f"'{text}' is no size.", "Write it as 512x288, width first.")
    return int(height), int(width)


def _photos(folder: Path) -> list[Image]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read ({os.strerror(error.errno or 0)}).") from error
    if not files:
        raise UsageError(f"There is no picture in {folder}.", "Choose a folder of photos with people.")
    return [read_image(path) for path in files[:MOST_PHOTOS]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m matting_core.modnet.export", description="Write a MODNet as ONNX, checked against PyTorch."
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="a checkpoint (.ckpt, .pt) or released .onnx")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--name", help="what the store calls it; by default made from the file's name")
    place.add_argument("--output", type=Path, metavar="FILE", help="write here instead of into the store")
    parser.add_argument("--precision", default="fp32", choices=list(TOLERANCE))
    parser.add_argument("--size", default="", metavar="WxH", help="fix the size, for example 512x288 (with --output)")
    parser.add_argument("--opset", type=int, default=18, help="default 18")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help=f"compare on these; the first {MOST_PHOTOS} are used"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
