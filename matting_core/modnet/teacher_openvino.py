"""A teacher on a processor: OpenVINO computes a network that does not learn in a third of PyTorch's time."""

from typing import Any

import torch
from torch import Tensor

from matting_core.errors import EngineError, first_line
from matting_core.modnet.backbone import Taps
from matting_core.modnet.model import MODNet
from matting_core.modnet.onnx_graph import HINT, LESSONS, MATTE, onnx_graph
from matting_core.openvino_import import MEND_OPENVINO, import_openvino, openvino_core


class CompiledTeacher:
    """A network's lessons and hints, as of `TorchTeacher`, by OpenVINO.

    It has as many threads as PyTorch. precision: of the arithmetic, as of OpenVinoEngine. Images are on the CPU, and
    the answers new. Raises EngineError where OpenVINO fails. Compiled for one shape at a time, and for lessons or
    hints: whoever changes between them waits.
    """

    def __init__(self, model: MODNet, precision: str) -> None:
        self._network = model
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # the processes that prepare samples are on the same cores
        }
        self._compiled_for: tuple[tuple[int, ...], tuple[str, ...]] | None = None
        self._graph: Any = None
        self._compiled: Any = None

    def __call__(self, image: Tensor) -> tuple[Taps, Tensor, Tensor]:
        """See TorchTeacher."""
        matte, semantic, *taps = self._answers(image, (MATTE, *LESSONS))
        return Taps(*taps), semantic, matte

    def hint(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See TorchTeacher; in a quarter of a lesson's time."""
        last, semantic = self._answers(image, HINT)
        return last, semantic

    def _answers(self, image: Tensor, names: tuple[str, ...]) -> list[Tensor]:
        """The graph's outputs of these names; of the graph only what they need is computed."""
        wanted = tuple(image.shape), names
        try:
            if wanted != self._compiled_for:
                self._compile(*wanted)
            answers = self._compiled(image.numpy()).to_tuple()
        except (ImportError, RuntimeError) as error:
            raise EngineError(
                f"OpenVINO cannot compute the teacher ({first_line(error)}).",
                MEND_OPENVINO,
            ) from error
        return [torch.from_numpy(answer) for answer in answers]

    def _compile(self, shape: tuple[int, ...], names: tuple[str, ...]) -> None:
        core = openvino_core()
        if self._graph is None:
            self._graph = core.read_model(onnx_graph(self._network, torch.float32, None, 18, lessons=True))
        self._graph.reshape(list(shape))
        # What the outputs' Result nodes are given: the part gets its own.
        asked = [self._graph.output(name).get_node().input_value(0) for name in names]
        part = import_openvino().Model(asked, self._graph.get_parameters())
        self._compiled = core.compile_model(part, "CPU", self._options)
        self._compiled_for = shape, names
