"""RecordedEngine: the network alone on an NVIDIA GPU, in float16, recorded once for a size and replayed every frame.

To tell the GPU of each of some 300 kernels takes the processor longer than the GPU needs for them.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.device_buffers import DeviceBuffer
from matting_core.engine_onnxruntime import (
    NVIDIA,
    PROVIDERS,
    OnnxRuntimeEngine,
    cuda_options,
    open_graph,
    prepare_onnxruntime,
)
from matting_core.errors import EngineError, InferenceFailed, MattecamError, first_line
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob

log = logging.getLogger(__name__)

CHECKED = 4
"""Runs that are computed both ways: ONNX Runtime runs a session once or twice before it records and replays it."""
CHECK_FIRST, CHECK_LAST = 8, 512
"""Frames until it is first tried, and at most between tries."""
FARTHEST = 0.01
"""Mean |α| by which a recording may differ there; float16 is at most 10⁻³ off."""

ALONE_S = 20.0
ALONE = threading.Lock()
"""Held by who has CUDA lay out memory or give it back, and by who records: a recording fails where another thread does
either."""

Size = tuple[int, int]


class RecordedEngine(OnnxRuntimeEngine):
    """MattingEngine by 'cuda' or, to check it, 'cpu'.

    Frames are computed kernel by kernel, with the weights as they are, until `prepare` has made a recording, and where
    the network cannot be recorded or the recording's mattes are others.
    """

    def __init__(self, name: str, model: Path) -> None:
        with alone(EngineError(f"The GPU is still busy with another {name} engine.", "Choose another engine.")):
            super().__init__(name, model)
        self.model = model
        self._laid_out: set[Size] = set()
        self._recording: _Recording | None = None

    def prepare(self, size: Size) -> None:
        """See MattingEngine.prepare."""
        with ALONE:
            if self._session is None:
                return
            try:
                self._recording = _Recording(self.name, self.model, size)
            except Exception as error:  # of ONNX, of its runtime, of memory: frames go on without
                log.info("%s is not recorded: %s", self.model.name, first_line(error))
            if self._session is None:  # closed meanwhile
                self._recording = None

    def predict(self, blob: Blob) -> FloatAlpha:
        """See MattingEngine.predict."""
        alpha = self._replayed(blob)
        return self._plain(blob) if alpha is None else alpha

    def close(self) -> None:
        """See MattingEngine.close. A recording that is being prepared is dropped once it is ready."""
        super().close()
        self._recording = None

    def _plain(self, blob: Blob) -> FloatAlpha:
        if _size(blob) in self._laid_out:
            return super().predict(blob)
        with alone(InferenceFailed("The GPU is still busy with another engine.")):
            alpha = super().predict(blob)
        self._laid_out.add(_size(blob))
        return alpha

    def _replayed(self, blob: Blob) -> FloatAlpha | None:
        """Alpha by the recording; None where no usable one exists."""
        recording = self._recording
        if recording is None or recording.size != _size(blob):
            return None
        try:
            if recording.proven or self._prove(recording, blob):
                return recording.replay(blob)
        except _Unfit as error:
            log.warning("the recording of %s is given up: %s", self.model.name, error)
            self._recording = None
        return None

    def _prove(self, recording: "_Recording", blob: Blob) -> bool:
        """Whether its mattes are those of the file, of this picture and, in turns, of its mirror image.

        _Unfit if not. Raises InferenceFailed where the file's own fails.
        """
        due = recording.tries.due() and recording.size in self._laid_out
        if not due or not ALONE.acquire(blocking=False):
            return False
        try:
            recording.tries.tried()
            pair = [(seen, self._plain(seen)) for seen in (blob, np.ascontiguousarray(blob[..., ::-1]))]
            if distance(pair[0][1], pair[1][1]) < 3 * FARTHEST:
                return False
            for seen, expected in pair * (CHECKED // 2):
                off = distance(recording.replay(seen), expected)
                if off > FARTHEST:
                    raise _Unfit(f"Its mattes are {off:.3f} from those of the file.")
        finally:
            ALONE.release()
        recording.proven = True
        return True


@contextlib.contextmanager
def alone(otherwise: MattecamError) -> Iterator[None]:
    """With exclusive use of the GPU's memory; raises `otherwise` if another thread, perhaps hung, holds it too long."""
    if not ALONE.acquire(timeout=ALONE_S):
        raise otherwise
    try:
        yield
    finally:
        ALONE.release()


class Tries:
    """When to try whether something is fit for use: each pause is twice as long as the one before, for where nobody is
    to be seen it cannot be told.
    """

    def __init__(self) -> None:
        self._left = self._pause = CHECK_FIRST

    def due(self) -> bool:
        """Whether to try now. Asked once a frame."""
        self._left -= 1
        return self._left <= 0

    def tried(self) -> None:
        """Not again for a while."""
        self._left, self._pause = self._pause, min(2 * self._pause, CHECK_LAST)


def _size(blob: Blob) -> Size:
    return blob.shape[2], blob.shape[3]


def distance(one: FloatAlpha, other: FloatAlpha) -> float:
    """Mean |Δα|."""
    return float(np.abs(one - other).mean())


class _Recording:
    """The network at one size, (height, width), with its input and output at fixed addresses.

    It may be built on another thread than the one that replays it. The recording itself, which belongs to a thread and
    fails where others lay out memory meanwhile, is made by ONNX Runtime in the first calls of `replay`.
    """

    def __init__(self, name: str, model: Path, size: Size) -> None:
        """Raises whatever the packages onnx and onnxruntime do, and ImportError without the former."""
        from matting_core.fused_network import load_network, network_names

        self.size = size
        self.proven = False
        self.tries = Tries()
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
        self._session.run_with_iobinding(self._binding, unrecorded)  # to choose kernels is what takes its time

    def replay(self, blob: Blob) -> FloatAlpha:
        """Alpha, float32 h×w, new. Raises _Unfit."""
        try:
            self._blob.load(blob)
            self._session.run_with_iobinding(self._binding)
            alpha: FloatAlpha = self._alpha.download()[0, 0].copy()
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise _Unfit(f"ONNX Runtime failed on a frame: {first_line(error)}") from error
        if not np.isfinite(alpha.sum()):
            raise _Unfit("It computes values that float16 does not hold.")
        return alpha


class _Unfit(InferenceFailed):
    """A recording is not to be used any more; the file's own network still may be."""
