"""RecordedEngine: the network alone on an NVIDIA GPU, in float16, recorded once for a size and replayed every frame.

To tell the GPU of each of some 300 kernels takes the processor longer than the GPU needs for them.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.device_buffers import DeviceBuffer
from matting_core.engine_onnxruntime import (
    NVIDIA,
    PROVIDERS,
    OnnxRuntimeEngine,
    cuda_options,
    first_line,
    open_graph,
    prepare_onnxruntime,
)
from matting_core.errors import InferenceFailed, MattecamError
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob

log = logging.getLogger(__name__)

MOST_RECORDINGS = 4
"""Of sizes, of which each takes room on the GPU: a live picture needs one, a still one two."""
_WARM_UPS = 3  # kernels are chosen, the CUDA graph is recorded, and it is replayed


class RecordedEngine(OnnxRuntimeEngine):
    """MattingEngine by 'cuda' or, to check it, 'cpu'.

    What cannot be recorded, or does not fit into float16, is computed in float32 and kernel by kernel, as the file is.
    """

    def __init__(self, name: str, model: Path) -> None:
        super().__init__(name, model)
        self._model = model
        self._recordings: dict[tuple[int, int], _Recording | None] = {}

    def predict(self, blob: Blob) -> FloatAlpha:
        """See MattingEngine.predict."""
        size = (blob.shape[2], blob.shape[3])
        if self._session is not None and size not in self._recordings:
            while len(self._recordings) >= MOST_RECORDINGS:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[size] = self._record(size)
        recording = self._recordings.get(size)
        if recording is None:
            return super().predict(blob)
        alpha = recording.replay(blob)
        if np.isfinite(alpha.sum()):
            return alpha
        log.warning("%s exceeds float16 and goes on in float32", self._model.name)
        self._recordings[size] = None
        return super().predict(blob)

    def close(self) -> None:
        """See MattingEngine.close."""
        super().close()
        self._recordings.clear()

    def _record(self, size: tuple[int, int]) -> "_Recording | None":
        try:
            return _Recording(self.name, self._model, size)
        except (MattecamError, ImportError) as error:
            log.info("%s is not recorded: %s", self._model.name, error)
            return None


class _Recording:
    """The network at one size, (height, width), with its input and output at fixed addresses."""

    def __init__(self, name: str, model: Path, size: tuple[int, int]) -> None:
        """Raises MattecamError, and ImportError without the package onnx."""
        from matting_core.fused_network import load_network, network_names

        ort = prepare_onnxruntime(name)
        network = load_network(model, size, half=True)
        source, matte = network_names(network)
        options = cuda_options(half=True, cuda_graph=True) if name in NVIDIA else {}
        self._session: Any = open_graph(ort, name, network.SerializeToString(), [(PROVIDERS[name], options)])
        device = "cuda" if name in NVIDIA else "cpu"
        self._blob = DeviceBuffer(ort, device, (1, 3, *size), np.float32)
        self._alpha = DeviceBuffer(ort, device, (1, 1, *size), np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(source, self._blob.value)
        self._binding.bind_ortvalue_output(matte, self._alpha.value)
        for _ in range(_WARM_UPS):
            self.replay(np.zeros((1, 3, *size), np.float32))

    def replay(self, blob: Blob) -> FloatAlpha:
        """Alpha, float32 h×w, new. Raises InferenceFailed."""
        try:
            self._blob.load(blob)
            self._session.run_with_iobinding(self._binding)
            alpha: FloatAlpha = self._alpha.download()[0, 0].copy()
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise InferenceFailed(f"ONNX Runtime failed on a frame: {first_line(error)}") from error
        return alpha
