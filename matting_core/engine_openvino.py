"""OpenVINO: the fastest way to run the network on a processor, and on Intel's graphics."""

from pathlib import Path
from typing import Any

import numpy as np

from matting_core.buffers import Recycler
from matting_core.engine_names import MEND_MODEL
from matting_core.errors import EngineError, InferenceFailed
from matting_core.frames import FloatAlpha
from matting_core.openvino_import import MEND_OPENVINO, import_openvino, openvino_core
from matting_core.preprocess import Blob
from matting_core.quantised import SUFFIX, read_quantised

DEVICES = {"openvino": "CPU", "openvino-gpu": "GPU"}
PRECISIONS = {"bf16": "BF16", "f16": "FP16"}
"""Half precisions, and OpenVINO's word for a processor's ability to compute in them."""


def processor_precisions() -> tuple[str, ...]:
    """Which of PRECISIONS this processor computes in by itself. Raises EngineError where OpenVINO is missing."""
    try:
        found = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, RuntimeError) as error:
        raise EngineError("OpenVINO is not installed.", MEND_OPENVINO) from error
    return tuple(name for name, word in PRECISIONS.items() if word in found)


class OpenVinoEngine:
    """MattingEngine through OpenVINO, compiled for one input size at a time (static shapes run faster).

    precision: 'f32', or one of PRECISIONS for what is not computed in int8. threads: 0: as many as OpenVINO likes;
    once it has run on a processor, as many as it took.
    """

    def __init__(self, name: str, model: Path, precision: str = "f32", threads: int = 0) -> None:
        self.name = name
        self._device = DEVICES[name]
        self._precision = precision
        self.threads = self._asked_threads = threads
        self._shape: tuple[int, ...] | None = None
        self._request: Any = None
        self._arrays = Recycler()
        try:
            openvino = import_openvino()
        except ImportError as error:
            raise EngineError("OpenVINO is not installed.", MEND_OPENVINO) from error
        try:
            self._core = openvino_core()
            quantised = model.suffix == SUFFIX
            self.provider = f"OpenVINO {self._found()} {arithmetic_name(quantised, precision)}"
            self._model = read_quantised(openvino, self._core, model) if quantised else self._core.read_model(model)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot load {model.name}: {_last_line(error)}", MEND_MODEL) from error

    def predict(self, blob: Blob) -> FloatAlpha:
        """See MattingEngine.predict."""
        try:
            if blob.shape != self._shape:
                self._compile(blob.shape)
            output = self._request.infer({0: blob}, share_inputs=True, share_outputs=True)[0]
        except RuntimeError as error:
            raise InferenceFailed(f"OpenVINO failed on a frame: {_last_line(error)}") from error
        matte = self._arrays.new(output.shape[2:], np.float32)
        np.copyto(matte, output[0, 0])  # the request writes there again
        return matte

    def prepare(self, size: tuple[int, int]) -> None:
        """See MattingEngine.prepare: the first call of `predict` does all there is to do."""

    def close(self) -> None:
        """See MattingEngine.close."""
        self._request = None
        self._shape = None

    def _found(self) -> str:
        """OpenVINO's name of the device on this machine. To ask which there are loads the driver of every one."""
        if self._device == "CPU":
            self._core.get_property(self._device, "FULL_DEVICE_NAME")  # a RuntimeError where that part is missing
            return self._device
        found = [device for device in self._core.available_devices if device.split(".")[0] == self._device]
        if not found:
            raise EngineError(
                f"OpenVINO finds no {self._device} on this machine.", "Choose the engine openvino or auto."
            )
        return str(found[0])

    def _compile(self, shape: tuple[int, ...]) -> None:
        self._shape = None
        self._model.reshape(list(shape))
        # Left alone, OpenVINO computes in bfloat16 where the processor has it, whether or not that was asked for.
        options: dict[str, str | int | bool] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self._precision,
        }
        if self._asked_threads:
            # Left alone, OpenVINO ties its threads to the first cores, also where another's work is on these.
            options |= {"INFERENCE_NUM_THREADS": self._asked_threads, "ENABLE_CPU_PINNING": False}
        compiled = self._core.compile_model(self._model, self._device, options)
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS")) if self._device == "CPU" else 0
        self._request = compiled.create_infer_request()
        self._shape = shape


def arithmetic_name(quantised: bool, precision: str) -> str:
    """'float32', 'bf16', 'int8', 'int8-bf16' …: how a network is computed. precision: as of OpenVinoEngine."""
    half = "" if precision == "f32" else precision
    return "-".join(part for part in ("int8" if quantised else "", half) if part) or "float32"


def parse_arithmetic(name: str) -> tuple[bool, str]:
    """The inverse of `arithmetic_name`: whether it is quantised, and the precision of the rest."""
    half = name.rpartition("-")[2]
    return name.startswith("int8"), half if half in PRECISIONS else "f32"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
