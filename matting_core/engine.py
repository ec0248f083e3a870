"""MattingEngine: runs the network. The registry of engines, and `auto`, which picks the fastest that works here."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from matting_core.engine_names import fallback_order
from matting_core.engine_onnxruntime import OnnxRuntimeEngine
from matting_core.engine_openvino import OpenVinoEngine, parse_arithmetic
from matting_core.engine_recorded import RecordedEngine
from matting_core.errors import EngineError, InferenceFailed
from matting_core.frames import FloatAlpha
from matting_core.matte_check import is_matte, takes_for_person
from matting_core.own_command import PIP
from matting_core.preprocess import Blob

log = logging.getLogger(__name__)


class MattingEngine(Protocol):
    """A loaded network. Used by one thread at a time, which may be another one than it was built on."""

    name: str
    """The engine's name in ENGINES."""
    provider: str
    """What really runs it, read back from the session: 'CUDAExecutionProvider', 'OpenVINO CPU' …"""

    def predict(self, blob: Blob) -> FloatAlpha:
        """Alpha for a blob (1×3×h×w, RGB in [−1, 1], sides multiples of 32): float32 h×w in [0, 1].

        The answer is the caller's for as long as it is held; its storage may be used again after that.
        The first call at a new size prepares the network for it and is slow. Raises InferenceFailed.
        """
        ...

    def prepare(self, size: tuple[int, int]) -> None:
        """Get ready what makes blobs of that size, (h, w), faster; slow, where there is anything. Raises nothing.

        It may be called on another thread while this one predicts or closes; what it is for takes over by itself.
        """
        ...

    def close(self) -> None:
        """Free the network. Safe to call twice."""
        ...


class Network(NamedTuple):
    """The files of one network. int8: its quantised form (`quantised.py`), run instead by the engines that can.

    arithmetic, threads: how `openvino` is to compute (see `arithmetic.Way`); empty and 0: int8 where there is that
    form, else float32, on as many threads as it likes.
    """

    float32: Path
    int8: Path | None = None
    arithmetic: str = ""
    threads: int = 0


ENGINES: dict[str, Callable[[Path], MattingEngine]] = {
    "cuda": lambda model: RecordedEngine("cuda", model),
    "tensorrt": lambda model: OnnxRuntimeEngine("tensorrt", model),
    "coreml": lambda model: OnnxRuntimeEngine("coreml", model),
    "directml": lambda model: OnnxRuntimeEngine("directml", model),
    "openvino": lambda model: OpenVinoEngine("openvino", model),
    "openvino-gpu": lambda model: OpenVinoEngine("openvino-gpu", model),
    "cpu": lambda model: OnnxRuntimeEngine("cpu", model),
}


RUN_INT8 = ("openvino",)


def create_engine(name: str, model: Path | Network) -> MattingEngine:
    """The engine of that name for an ONNX file or a Network; 'auto' takes the first of AUTO_ORDER that starts.

    Raises EngineError, which says why and what to install, UsageError for an unknown name.
    """
    candidates = fallback_order(name)
    network = model if isinstance(model, Network) else Network(model)
    if name != "auto":
        return _create(name, network)
    reasons = []
    for candidate in candidates:
        try:
            return _create(candidate, network)
        except EngineError as error:
            log.info("engine %s is not for this machine: %s", candidate, error)
            reasons.append(f"{candidate}: {error.problem}")
    raise EngineError(
        f"No inference engine works here ({' '.join(reasons)})",
        f"Install one with: {PIP} install openvino",
    )


def _create(name: str, network: Network) -> MattingEngine:
    if name == "openvino" and network.arithmetic:
        quantised, precision = parse_arithmetic(network.arithmetic)
        model = network.int8 if quantised and network.int8 else network.float32
        return OpenVinoEngine(name, model, precision, network.threads)
    return ENGINES[name](network.int8 if network.int8 and name in RUN_INT8 else network.float32)


def checked_predict(engine: MattingEngine, blob: Blob) -> FloatAlpha:
    """`engine.predict`, with whatever is not a matte (wrong shape, NaN, not in [0, 1]) turned into InferenceFailed."""
    alpha = engine.predict(blob)
    if alpha.shape != blob.shape[2:]:
        raise InferenceFailed(f"The {engine.name} engine returned a matte of {alpha.shape} for {blob.shape[2:]}.")
    low, high = float(alpha.min()), float(alpha.max())
    if not is_matte(low, high):
        raise InferenceFailed(f"The {engine.name} engine returned values that are not a matte ({low} to {high}).")
    return alpha


def try_empty(engine: MattingEngine, size: tuple[int, int]) -> None:
    """Run the network on a plain grey picture of size (h, w). Raises InferenceFailed, also if it sees a person there.

    An output stuck at 1, or the room's matte instead of the person's, is a matte in all else, and would show the room.
    """
    if takes_for_person(checked_predict(engine, np.zeros((1, 3, *size), np.float32))):
        raise InferenceFailed(
            f"With the {engine.name} engine the network takes an empty picture for a person.",
            "Choose another model or another engine.",
        )
