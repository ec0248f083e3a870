"""What a file must be to serve as a matting network: proved by loading it and running it, not by its name.

It is loaded in a process of its own, with bounded memory and time: the readers are native code, and a file from
outside that makes them crash, hang or fill the memory must not take the program down with it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.errors import EngineError, ModelError
from matting_core.matte_check import is_matte, takes_for_person
from matting_core.onnx_scan import scan_onnx
from matting_core.openvino_import import MEND_OPENVINO, import_openvino, openvino_core

# Two sizes, because a network may declare a free size and still have one baked in.
PROBE_SIZES = ((64, 64), (64, 96))
LONGEST_S = 120.0
LARGEST_MEMORY = 3 * 2**30
"""Bytes the loading process may fill, where the system can bound it; the released MODNet needs a tenth."""
ROOT = Path(__file__).resolve().parents[1]


def check_matting_model(path: Path, shown_as: str = "") -> None:
    """Load an .onnx with OpenVINO and run it at 64×64 and 64×96, in a process of its own.

    It must be one file, with one input N×3×H×W and one output N×1×H×W of finite values in [0, 1], mostly 0 for a plain
    grey picture. shown_as: what messages call the file, by default its name. Raises ModelError that says what does not
    fit, EngineError without OpenVINO.
    """
    name = shown_as or path.name
    scan_onnx(path, name)
    # -P: a file in the working folder must not pass for one of our modules.
    command = [sys.executable, "-P", "-m", "matting_core.model_check", str(path.absolute()), name]
    python_path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    mend = "Import an .onnx file of a released MODNet with a free height and width."
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": python_path, "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_S,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{name} cannot be loaded and run within {LONGEST_S:g} s.", mend) from error
    if done.returncode == 0:
        return
    try:
        kind, problem, mend = json.loads(done.stdout)
    except ValueError as error:
        raise ModelError(f"{name} crashes the program that loads it (code {done.returncode}).", mend) from error
    raise (EngineError if kind == "engine" else ModelError)(problem, mend)


def main(path: str, name: str) -> int:
    """The process that loads the file: 0 if it fits, else 1 with [kind, problem, mend] as JSON on standard output."""
    _bound_memory()
    try:
        _load_and_run(Path(path), name)
    except (ModelError, EngineError) as error:
        kind = "model" if isinstance(error, ModelError) else "engine"
        print(json.dumps([kind, error.problem, error.mend]))
        return 1
    return 0


def _bound_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such bound
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = LARGEST_MEMORY if hard == resource.RLIM_INFINITY else min(LARGEST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _load_and_run(path: Path, name: str) -> None:
    try:
        openvino = import_openvino()
    except ImportError as error:
        raise EngineError("OpenVINO, which checks models, is not installed.", MEND_OPENVINO) from error
    try:
        core = openvino_core()
        # The ONNX reader by name: left to guess, OpenVINO offers the file to every reader it has.
        reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
        model = reader.convert(reader.load(str(path)))
        _check_signature(model, name)
        for height, width in PROBE_SIZES:
            model.reshape([1, 3, height, width])
            compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            blob = np.random.default_rng(0).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
            _check_matte(compiled(blob)[0], (height, width), name)
            _check_empty(compiled(np.zeros_like(blob))[0], name)
    except ModelError:
        raise
    except Exception as error:  # OpenVINO's exceptions share no base class
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise ModelError(
            f"{name} cannot be loaded and run as an ONNX network ({lines[-1]}).",
            "Import an .onnx file of a released MODNet with a free height and width.",
        ) from error


def _check_signature(model: Any, name: str) -> None:
    inputs = [port.partial_shape for port in model.inputs]
    outputs = [port.partial_shape for port in model.outputs]
    fits = (
        len(inputs) == len(outputs) == 1
        and inputs[0].rank.is_static
        and len(inputs[0]) == 4
        and (inputs[0][1].is_dynamic or inputs[0][1].get_length() == 3)
        and inputs[0][2].is_dynamic
        and inputs[0][3].is_dynamic
    )
    if not fits:
        found = f"inputs {[str(shape) for shape in inputs]}, outputs {[str(shape) for shape in outputs]}"
        raise ModelError(
            f"{name} is not a portrait matting network ({found}).",
            "It must have one input N×3×H×W with free H and W, and one output N×1×H×W.",
        )


def _check_matte(matte: Any, size: tuple[int, int], name: str) -> None:
    if matte.shape != (1, 1, *size):
        raise ModelError(
            f"{name} returns {matte.shape} for a picture of {size[0]}×{size[1]}, not (1, 1, height, width).",
            "Import a network whose output is the matte at the picture's size.",
        )
    low, high = float(matte.min()), float(matte.max())
    if not is_matte(low, high):
        raise ModelError(
            f"{name} gives values from {low:.3g} to {high:.3g}; alpha lies in 0 to 1.",
            "Import a network that ends in a sigmoid.",
        )


def _check_empty(matte: Any, name: str) -> None:
    if takes_for_person(matte):
        raise ModelError(
            f"{name} takes an empty picture for a person, and would show the room.",
            "Import a network whose output is 1 where the person is, and 0 elsewhere.",
        )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
