"""What a file must be to serve as a matting network: proved by loading it and running it, not by its name."""

from pathlib import Path
from typing import Any

import numpy as np

from matting_core.errors import EngineError, ModelError

# Two sizes, because a network with its size baked in cannot follow the presets.
PROBE_SIZES = ((64, 64), (64, 96))
TOLERANCE = 1e-3


def check_matting_model(path: Path) -> None:
    """Load an .onnx with OpenVINO and run it at 64×64 and 64×96.

    It must have one input N×3×H×W and one output N×1×H×W of finite values in [0, 1]. Raises ModelError that says
    what does not fit, EngineError if OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise EngineError("OpenVINO, which checks models, is not installed.", "pip install openvino") from error
    try:
        core = openvino.Core()
        model = core.read_model(path)
        _check_signature(model, path)
        for height, width in PROBE_SIZES:
            model.reshape([1, 3, height, width])
            compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            blob = np.random.default_rng(0).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
            _check_matte(compiled(blob)[0], (height, width), path)
    except RuntimeError as error:  # OpenVINO's exceptions are RuntimeErrors
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise ModelError(
            f"{path.name} cannot be loaded and run as an ONNX network ({lines[-1]}).",
            "Import an .onnx file of a released MODNet with a free height and width.",
        ) from error


def _check_signature(model: Any, path: Path) -> None:
    inputs = [port.partial_shape for port in model.inputs]
    outputs = [port.partial_shape for port in model.outputs]
    fits = (
        len(inputs) == len(outputs) == 1
        and inputs[0].rank.is_static
        and len(inputs[0]) == 4
        and (inputs[0][1].is_dynamic or inputs[0][1].get_length() == 3)
    )
    if not fits:
        found = f"inputs {[str(shape) for shape in inputs]}, outputs {[str(shape) for shape in outputs]}"
        raise ModelError(
            f"{path.name} is no portrait matting network ({found}).",
            "It must have one input N×3×H×W and one output N×1×H×W.",
        )


def _check_matte(matte: Any, size: tuple[int, int], path: Path) -> None:
    if matte.shape != (1, 1, *size):
        raise ModelError(
            f"{path.name} answers a picture of {size[0]}×{size[1]} with {matte.shape}, not with (1, 1, height, width).",
            "Import a network whose output is the matte at the picture's size.",
        )
    low, high = float(matte.min()), float(matte.max())
    if not (np.isfinite(low) and np.isfinite(high) and low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise ModelError(
            f"{path.name} gives values from {low:.3g} to {high:.3g}; alpha lies in 0 to 1.",
            "Import a network that ends in a sigmoid.",
        )
