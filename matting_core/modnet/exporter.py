"""Export with proof: an ONNX file is kept only if ONNX Runtime and OpenVINO give PyTorch's mattes with it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from matting_core.engine import create_engine
from matting_core.errors import ModelError, UsageError
from matting_core.frames import Image
from matting_core.model_store import SHIPPED
from matting_core.modnet.model import MODNet
from matting_core.modnet.onnx_graph import onnx_graph
from matting_core.pictures import read_image
from matting_core.preprocess import MULTIPLE, network_size, shrink, to_blob

DEMO_PORTRAIT = SHIPPED.parent / "assets" / "demo_portrait.jpg"
ENGINES = ("cpu", "openvino")
LONG_SIDES = (256, 384, 512)
OPSETS = range(18, 24)
TOLERANCE = {"fp32": (1e-3, 1e-4), "fp16": (0.25, 4e-3)}
"""The largest and the mean difference of alpha that a file may have from PyTorch in float32.

In half precision single pixels of a soft edge move by a tenth (measured); the mean must stay under one of 255 levels.
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
            raise UsageError(
                f"{self.size[1]}x{self.size[0]} does not fit the network.", "Both sides must be multiples of 32."
            )


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
            f"The model {path} cannot be written ({error.strerror}).", "Free up disk space, or choose another folder."
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
            f"{parity.mean:.2g} on average), so it was not kept.",
            "Export it in fp32, or report this with the weights.",
        )
    return parity
