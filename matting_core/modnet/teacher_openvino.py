"""A teacher on a processor: OpenVINO computes a network that does not learn in a third of PyTorch's time."""

from typing import Any

import torch
from torch import Tensor

from matting_core.errors import EngineError, first_line
from matting_core.modnet.backbone import Taps
from matting_core.modnet.model import MODNet
from matting_core.modnet.onnx_graph import onnx_graph
from matting_core.openvino_import import MEND_OPENVINO, openvino_core


class CompiledTeacher:
    """What a pupil learns from a network, by OpenVINO, for one shape of image at a time.

    It has as many threads as PyTorch. precision: of the arithmetic, as of OpenVinoEngine. The answers are float32.
    """

    def __init__(self, model: MODNet, precision: str) -> None:
        self._network = model
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # the processes that prepare samples are on the same cores
        }
        self._shape: tuple[int, ...] | None = None
        self._graph: Any = None
        self._compiled: Any = None

    def __call__(self, image: Tensor) -> tuple[Taps, Tensor, Tensor]:
        """image: as `MODNet.forward` takes it, on the CPU. Its taps, the semantic branch's features N×c₃×H/8×W/8, and
        the matte N×1×H×W; all new.

        Raises EngineError where OpenVINO fails.
        """
        shape = tuple(image.shape)
        try:
            if shape != self._shape:
                self._compile(shape)
            answers = self._compiled(image.numpy()).to_tuple()
        except (ImportError, RuntimeError) as error:
            raise EngineError(
                f"OpenVINO cannot compute the teacher ({first_line(error)}).",
                MEND_OPENVINO,
            ) from error
        matte, semantic, *taps = map(torch.from_numpy, answers)
        return Taps(*taps), semantic, matte

    def _compile(self, shape: tuple[int, ...]) -> None:
        core = openvino_core()
        if self._graph is None:
            self._graph = core.read_model(onnx_graph(self._network, torch.float32, None, 18, lessons=True))
        self._graph.reshape(list(shape))
        self._compiled = core.compile_model(self._graph, "CPU", self._options)
        self._shape = shape
