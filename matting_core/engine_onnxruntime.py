"""ONNX Runtime: CUDA, TensorRT, CoreML and DirectML where they are present, and any CPU."""

import contextlib
import io
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.engine_names import MEND_MODEL
from matting_core.errors import EngineError, InferenceFailed, first_line
from matting_core.frames import FloatAlpha
from matting_core.nvidia import require_device
from matting_core.own_command import PIP
from matting_core.preprocess import Blob

log = logging.getLogger(__name__)

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
NVIDIA = ("cuda", "tensorrt")
GPU_MEND = "Install the GPU build with: python3 scripts/start.py --cuda"
MENDS = {
    "cuda": GPU_MEND,
    "tensorrt": f"{GPU_MEND} Then install TensorRT with: {PIP} install tensorrt",
    "coreml": "CoreML is part of onnxruntime on macOS only; choose the engine auto.",
    "directml": f"Install it with: {PIP} uninstall onnxruntime, then {PIP} install onnxruntime-directml"
    if sys.platform == "win32"
    else "DirectML is part of Windows only; choose the engine auto.",
    "cpu": f"Install it with: {PIP} install onnxruntime",
}
SPIN_S = 0.05
"""Longer than its threads wait for more work, each at the whole cost of a core, before they sleep. Another engine that
is timed while they do is a third slower."""


class OnnxRuntimeEngine:
    """MattingEngine through one ONNX Runtime execution provider, which is read back after the session is built."""

    def __init__(self, name: str, model: Path) -> None:
        self.name = name
        wanted = PROVIDERS[name]
        ort = prepare_onnxruntime(name)
        options = ort.SessionOptions()
        options.log_severity_level = 4  # its raw error lines become our one sentence below
        # TensorRT hands what it cannot run to CUDA, never silently to the processor.
        chain = [wanted, PROVIDERS["cuda"]] if name == "tensorrt" else [wanted]
        try:
            self._session: Any = ort.InferenceSession(str(model), options, providers=chain)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise EngineError(
                f"ONNX Runtime cannot load {model.name} on {wanted}: {first_line(error)}", MEND_MODEL
            ) from error
        self.provider = require_provider(self._session, name)
        self._input: str = self._session.get_inputs()[0].name

    def predict(self, blob: Blob) -> FloatAlpha:
        """See MattingEngine.predict."""
        if self._session is None:
            raise InferenceFailed(f"The {self.name} engine is closed.")
        try:
            output = self._session.run(None, {self._input: blob})[0]
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise InferenceFailed(f"ONNX Runtime failed on a frame: {first_line(error)}") from error
        return np.ascontiguousarray(output[0, 0], dtype=np.float32)

    def prepare(self, size: tuple[int, int]) -> None:
        """See MattingEngine.prepare: the first call of `predict` does all there is to do."""

    def close(self) -> None:
        """See MattingEngine.close."""
        self._session = None


def prepare_onnxruntime(name: str) -> Any:
    """The module, with what the engine of that name needs loaded. Raises EngineError where it cannot run here."""
    if name in NVIDIA:
        require_device()  # before the import, which most people's processors have no use for
    ort = _import_onnxruntime()
    if PROVIDERS[name] not in ort.get_available_providers():
        raise EngineError(f"This build of ONNX Runtime has no {PROVIDERS[name]}.", MENDS[name])
    if name in NVIDIA:
        _preload_cuda(ort)
    return ort


def cuda_options(half: bool, cuda_graph: bool) -> dict[str, str]:
    """Of CUDA's provider, for a graph of one size. half: it computes in float16. cuda_graph: it is to be recorded."""
    return {
        "enable_cuda_graph": str(int(cuda_graph)),
        "arena_extend_strategy": "kSameAsRequested",  # sizes never change, so nothing beyond them is needed
        # Ten bits of fraction, where sums are of float32; of float16, cuDNN is kept from the tensor cores without it.
        "use_tf32": str(int(half)),
        "cudnn_conv_algo_search": "HEURISTIC",  # to time them all takes two seconds, and finds none faster
    }


def open_graph(ort: Any, name: str, graph: bytes, providers: list[tuple[str, dict[str, str]]]) -> Any:
    """A session for a graph that was made here, in which every node runs on the wanted provider, or EngineError."""
    wanted = PROVIDERS[name]
    options = ort.SessionOptions()
    options.log_severity_level = 4  # its raw error lines become our one sentence below
    if name in NVIDIA:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(graph, options, providers=providers)
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise EngineError(
            f"ONNX Runtime cannot run the whole fused graph on {wanted}: {first_line(error)}",
            "Choose the engine auto.",
        ) from error
    session.disable_fallback()
    require_provider(session, name)
    return session


def require_provider(session: Any, name: str) -> str:
    """The provider that a session really runs on. Raises EngineError if it is not that of the engine's name."""
    wanted, found = PROVIDERS[name], session.get_providers()[0]
    if found != wanted:
        raise EngineError(
            f"ONNX Runtime fell back to {found} because {wanted} did not load "
            "(a CUDA or cuDNN library is missing or of the wrong version).",
            MENDS[name],
        )
    return wanted


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError("ONNX Runtime is not installed.", MENDS["cpu"]) from error
    onnxruntime.set_default_logger_severity(4)
    onnxruntime.disable_telemetry_events()  # for versions that do not know the variable in matting_core/__init__.py
    return onnxruntime


def _preload_cuda(ort: Any) -> None:
    """Load CUDA and cuDNN from pip's packages; what it prints of failures goes to the log."""
    preload = getattr(ort, "preload_dlls", None)
    if preload is None:
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            preload()
        except OSError as error:
            log.info("CUDA libraries: %s", error)
    if said.getvalue().strip():
        log.info("CUDA libraries: %s", said.getvalue().strip())
