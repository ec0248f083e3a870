"""RecordedEngine: the network alone on an NVIDIA GPU, in float16, recorded once for a size and replayed every frame.

To tell the GPU of each of some 300 kernels takes the processor longer than the GPU needs for them.
"""

import logging
import threading
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

RECORD_AFTER = 8
"""Frames of one size in a row: a live picture, not the stills of a folder."""

CHECKED = 4
"""Frames that are computed both ways: ONNX Runtime runs a session once or twice before it records and replays it."""
FARTHEST = 0.01
"""Mean |α| by which a recording may differ there; float16 is some 2·10⁻⁵ off."""

Size = tuple[int, int]


class RecordedEngine(OnnxRuntimeEngine):
    """MattingEngine by 'cuda' or, to check it, 'cpu'.

    Frames are computed as the file is, in float32, until the recording is ready, which a thread of its own prepares.
    So it stays where the network cannot be recorded, or where the recording's mattes are not those of the file.
    """

    def __init__(self, name: str, model: Path) -> None:
        super().__init__(name, model)
        self._model = model
        self._size: Size = (0, 0)
        self._seen = 0
        self._preparing: threading.Thread | None = None
        self._recording: _Recording | None = None

    def predict(self, blob: Blob) -> FloatAlpha:
        """See MattingEngine.predict."""
        size = (blob.shape[2], blob.shape[3])
        self._seen = self._seen + 1 if size == self._size else 1
        self._size = size
        if self._seen == RECORD_AFTER:
            self._prepare(size)
        recording = self._recording
        if self._session is None or recording is None or recording.size != size:
            return super().predict(blob)
        try:
            alpha = recording.replay(blob)
        except InferenceFailed as error:
            return self._give_up(str(error), blob)
        if not np.isfinite(alpha.sum()):
            return self._give_up("it exceeds float16", blob)
        if recording.checked < CHECKED:
            expected = super().predict(blob)
            recording.checked += 1
            if float(np.abs(alpha - expected).mean()) > FARTHEST:
                return self._give_up("its mattes are others", blob)
        return alpha

    def _give_up(self, why: str, blob: Blob) -> FloatAlpha:
        log.warning("the recording of %s is given up: %s", self._model.name, why)
        self._recording = None
        return super().predict(blob)

    def wait(self) -> None:
        """Until the recording that is being prepared is ready."""
        if self._preparing is not None:
            self._preparing.join()

    def close(self) -> None:
        """See MattingEngine.close."""
        self.wait()
        super().close()
        self._preparing = self._recording = None

    def _prepare(self, size: Size) -> None:
        self.wait()
        self._recording = None
        self._preparing = threading.Thread(target=self._record, args=(size,), name="mattecam-record", daemon=True)
        self._preparing.start()

    def _record(self, size: Size) -> None:
        try:
            self._recording = _Recording(self.name, self._model, size)
        except (MattecamError, ImportError) as error:
            log.info("%s is not recorded: %s", self._model.name, error)


class _Recording:
    """The network at one size, (height, width), with its input and output at fixed addresses.

    It may be built on another thread than the one that replays it. The recording itself, which belongs to a thread and
    bears no work on others, is made by ONNX Runtime in the first calls of `replay`.
    """

    def __init__(self, name: str, model: Path, size: Size) -> None:
        """Raises MattecamError, and ImportError without the package onnx."""
        from matting_core.fused_network import load_network, network_names

        self.size = size
        self.checked = 0
        self._ort = prepare_onnxruntime(name)
        network = load_network(model, size, half=True)
        source, matte = network_names(network)
        options = cuda_options(half=True, cuda_graph=True) if name in NVIDIA else {}
        self._session: Any = open_graph(self._ort, name, network.SerializeToString(), [(PROVIDERS[name], options)])
        device = "cuda" if name in NVIDIA else "cpu"
        self._blob = DeviceBuffer(self._ort, device, (1, 3, *size), np.float32)
        self._alpha = DeviceBuffer(self._ort, device, (1, 1, *size), np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(source, self._blob.value)
        self._binding.bind_ortvalue_output(matte, self._alpha.value)
        unrecorded = self._ort.RunOptions()
        unrecorded.add_run_config_entry("gpu_graph_id", "-1")
        self._run(unrecorded)  # kernels are chosen here, which is what takes its time

    def replay(self, blob: Blob) -> FloatAlpha:
        """Alpha, float32 h×w, new. Raises InferenceFailed."""
        self._blob.load(blob)
        self._run(None)
        alpha: FloatAlpha = self._alpha.download()[0, 0].copy()
        return alpha

    def _run(self, options: Any) -> None:
        try:
            self._session.run_with_iobinding(self._binding, options)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise InferenceFailed(f"ONNX Runtime failed on a frame: {first_line(error)}") from error
