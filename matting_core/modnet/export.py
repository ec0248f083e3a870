"""The command that writes a network in PyTorch as ONNX, accepted only if both engines give the same mattes with it.

    python -m matting_core.modnet.export WEIGHTS [--name NAME | --output FILE] [--precision fp16] [--size WxH] …

WEIGHTS is a checkpoint (.ckpt, .pt) or a released .onnx. The result joins the user's models, or goes to --output. The
shipped model is made again from the released weights, here fetched with `models get modnet_photographic_pt`, by

    python -m matting_core.modnet.export modnet_photographic_pt.pt --output models/modnet_photographic.onnx

Its norms are folded, so the file differs and models/manifest.toml must be given the SHA-256 and size that the command
prints; the mattes do not differ. The graph has opset 18 unless told otherwise, the names
`input` and `output`, and free N, H and W unless a size is given.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matting_core.command_line import CommandParser
from matting_core.errors import UsageError
from matting_core.frames import Image
from matting_core.model_import import model_name
from matting_core.model_store import ModelStore
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import exit_code
from matting_core.pictures import read_image
from matting_core.suffixes import IMAGE_SUFFIXES

if TYPE_CHECKING:  # these import torch, whose absence the command must be able to report
    from matting_core.modnet.exporter import ExportOptions, Parity

MOST_PHOTOS = 16


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: print(json.dumps(_run(arguments), ensure_ascii=False)))


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    weights: Path = arguments.weights
    require_train_extra(f"Exporting {weights.name}")
    from matting_core.modnet.exporter import ExportOptions, export_network
    from matting_core.modnet.weights import load_network

    options = ExportOptions(arguments.precision, _size(arguments.size), arguments.opset)
    if options.size and not arguments.output:
        raise UsageError("A model of a fixed size cannot be added to the store.", "Add: --output FILE.onnx")
    photos = _photos(arguments.photos) if arguments.photos else []
    model = load_network(weights).model
    if arguments.output:
        parity = export_network(model, arguments.output, options, photos)
        content = arguments.output.read_bytes()
        file = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        return {"path": str(arguments.output), **file, **_facts(parity, options)}
    name = arguments.name or model_name(weights.stem)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / f"{name}.onnx"
        parity = export_network(model, graph, options, photos)
        entry = ModelStore().add(graph, name, source=weights.name, measured=_facts(parity, options))
    return {"name": entry.name, "path": str(entry.path), **entry.measured}


def _facts(parity: "Parity", options: "ExportOptions") -> dict[str, Any]:
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
        raise UsageError(f"'{text}' is not a size.", "Write it as 512x288, width first.")
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
    parser = CommandParser(
        prog="python -m matting_core.modnet.export", description="Write a MODNet as ONNX, checked against PyTorch."
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="a checkpoint (.ckpt, .pt) or released .onnx")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--name", help="its name in the store; by default made from the file's name")
    place.add_argument("--output", type=Path, metavar="FILE", help="write here instead of into the store")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "fp16"])
    parser.add_argument("--size", default="", metavar="WxH", help="fix the size, for example 512x288 (with --output)")
    parser.add_argument("--opset", type=int, default=18, help="default 18")
    parser.add_argument(
        "--photos", type=Path, metavar="DIR", help=f"compare on these; the first {MOST_PHOTOS} are used"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
