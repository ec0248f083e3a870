"""The command that makes the int8 file of a model, accepted only if its mattes stay near the float model's.

    python -m matting_core.modnet.quantise WEIGHTS PHOTOS --output FILE.zip [--size 512x288] [--pictures 200]

WEIGHTS is a checkpoint or a released .onnx, PHOTOS a folder of pictures with true mattes in a layout of `eval`; every
fourth of them is kept to compare on. The channels are equalised (`equalise.py`). Then NNCF's post-training
quantisation: weights per channel, activations per tensor, ranges from webcam-like crops of the photos, so wide that
none is cut off, biases corrected layer by layer. For OpenVINO on processors (`matting_core.quantised`).
"""

import argparse
import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.atomic import write_atomically
from matting_core.command_line import CommandParser
from matting_core.errors import ModelError, UsageError
from matting_core.frames import Alpha, Image
from matting_core.layouts import AUTO, LAYOUTS
from matting_core.modnet import require_train_extra
from matting_core.modnet.commands import exit_code
from matting_core.openvino_import import import_openvino, openvino_core
from matting_core.preprocess import MULTIPLE, Blob, shrink, to_blob
from matting_core.quantised import pack

LARGEST_MEAN = 0.006
"""The most that the mean of |Δα| against the float model may be, over the compared pictures: under 2 of 255 levels."""
HELD_OUT = 4
HEADROOM = 8
SEED = 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command in the module's docstring; its exit code."""
    arguments = _parser().parse_args(argv)
    return exit_code(lambda: print(json.dumps(_run(arguments))))


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    require_train_extra(f"Quantising {arguments.weights.name}")
    import torch

    from matting_core.modnet.equalise import equalise
    from matting_core.modnet.int8_form import int8_form
    from matting_core.modnet.onnx_graph import onnx_graph
    from matting_core.modnet.weights import load_network

    size = _size(arguments.size)
    model = load_network(arguments.weights).model
    samples, held_out = _blobs(arguments.photos, arguments.layout, size, arguments.pictures)
    openvino = import_openvino()
    core = openvino_core()
    plain, equalised = (
        _folded(openvino, core.read_model(onnx_graph(model, torch.float32, None, 18, form=form)))
        for form in (int8_form, lambda folded: int8_form(equalise(folded, samples)))
    )
    with tempfile.TemporaryDirectory() as name:
        quantised = quantise(equalised, samples)
        openvino.save_model(quantised, Path(name) / "model.xml")
        data = pack(*((Path(name) / f"model.{suffix}").read_bytes() for suffix in ("xml", "bin")))
        mean = difference(core, plain, quantised, held_out)
    if not mean <= LARGEST_MEAN:
        raise ModelError(
            f"The int8 model's mattes differ by {mean:.4f} on average, more than {LARGEST_MEAN}, so it was not kept.",
            "Give more pictures, or ones more like the camera's.",
        )
    try:
        write_atomically(arguments.output, data)
    except OSError as error:
        raise ModelError(
            f"{arguments.output} cannot be written ({error.strerror}).",
            "Free up disk space, or fix the folder's permissions.",
        ) from error
    return {
        "path": str(arguments.output),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "mean_difference": mean,
        "compared_on": len(held_out),
        "calibrated_on": len(samples),
    }


def quantise(model: Any, samples: Sequence[Blob]) -> Any:
    """An openvino.Model with int8 convolutions; `model` stays. samples: blobs of one size, to see the ranges of."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import nncf
    from nncf.quantization import range_estimator as ranges

    nncf.set_log_level(logging.ERROR)
    least = ranges.StatisticsCollectorParameters(ranges.StatisticsType.MIN, ranges.AggregatorType.MIN)
    most = ranges.StatisticsCollectorParameters(ranges.StatisticsType.MAX, ranges.AggregatorType.MAX)
    whole = ranges.RangeEstimatorParameters(least, most)
    return nncf.quantize(
        model.clone(),
        nncf.Dataset(list(samples)),
        subset_size=len(samples),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,
        advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=whole),
    )


def _folded(openvino: Any, model: Any) -> Any:
    """Compute the constants of `model`, in place, and give it.

    NNCF leaves convolutions in float whose weights seem to depend on the input.
    """
    manager = openvino.passes.Manager()
    manager.register_pass(openvino.passes.ConstantFolding())
    manager.run_passes(model)
    return model


def difference(core: Any, plain: Any, quantised: Any, blobs: Sequence[Blob]) -> float:
    """The mean of |Δα| between two openvino.Models over blobs of one size."""
    requests = []
    for model in (plain.clone(), quantised.clone()):
        model.reshape(list(blobs[0].shape))
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        requests.append(compiled.create_infer_request())
    return float(np.mean([np.abs(_alpha(requests[0], blob) - _alpha(requests[1], blob)).mean() for blob in blobs]))


def _alpha(request: Any, blob: Blob) -> Any:
    return request.infer({0: blob})[0].copy()


def _blobs(folder: Path, layout: str, size: tuple[int, int], pictures: int) -> tuple[list[Blob], list[Blob]]:
    """Calibration samples, which have a webcam's faults, and clean ones of other pictures to compare on."""
    from matting_core.modnet.augment import WebcamLook
    from matting_core.modnet.data import MattingDataset, readable_pairs, spread
    from matting_core.pairs import find_pairs, read_pair

    found = readable_pairs(find_pairs(folder, layout).pairs).pairs
    chosen = [found[index] for index in spread(len(found), pictures + pictures // (HELD_OUT - 1))]
    held_out = chosen[::HELD_OUT]
    learnt = [pair for number, pair in enumerate(chosen) if number % HELD_OUT]
    if not learnt or not held_out:
        raise UsageError(
            f"{folder} has {len(found)} pictures, too few.", "Give at least two; two hundred is a good number."
        )
    samples = MattingDataset(learnt, size, SEED, camera=WebcamLook())
    seen = [samples[(0, index)].image.numpy()[None] for index in range(len(samples))]
    return seen, [to_blob(shrink(webcam_crop(*read_pair(pair), size), size)) for pair in held_out]


def webcam_crop(image: Image, matte: Alpha, size: tuple[int, int]) -> Image:
    """The part of a photo that a webcam would show: as wide as it is, of the proportions of size (height, width).

    It begins a little above the person's head; a view of a headless body says nothing, since the float model itself
    is of two minds about it. image: uint8 H×W×3; a view of it. matte: uint8 H×W.
    """
    height, width = matte.shape
    crop_h = min(height, round(width * size[0] / size[1]))
    crop_w = min(width, round(crop_h * size[1] / size[0]))
    rows = np.flatnonzero((matte > 127).any(axis=1))
    head = int(rows[0]) if rows.size else 0
    top = min(max(0, head - crop_h // HEADROOM), height - crop_h)
    left = (width - crop_w) // 2
    return image[top : top + crop_h, left : left + crop_w]


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or int(width) % MULTIPLE or int(height) % MULTIPLE:
        raise UsageError(f"'{text}' is not a size.", f"Write it as 512x288; both sides are multiples of {MULTIPLE}.")
    return int(height), int(width)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m matting_core.modnet.quantise", description="Make the int8 file of a MODNet for OpenVINO."
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="a checkpoint (.ckpt, .pt) or released .onnx")
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="a folder of pictures with true mattes")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the .zip to write")
    parser.add_argument("--size", default="512x288", metavar="WxH", help="of the crops; default 512x288")
    parser.add_argument("--pictures", type=int, default=200, help="so many show the ranges; default 200")
    parser.add_argument("--layout", default=AUTO, choices=LAYOUTS, help="of the folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
