"""A teacher on a processor: OpenVINO computes a network that does not learn in a third of PyTorch's time."""

from typing import Any

import torch
from torch import Tensor

from matting_core.errors import EngineError, first_line
from matting_core.modnet.backbone import Taps
from matting_core.modnet.model import MODNet
from matting_core.modnet.onnx_graph import LESSONS, MATTE, onnx_graph
from matting_core.openvino_import import MEND_OPENVINO, import_openvino, openvino_core


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
        self._compiled_for: tuple[tuple[int, ...], tuple[str, ...]] | None = None
        self._graph: Any = None
        self._compiled: Any = None

    def __call__(self, image: Tensor) -> tuple[Taps, Tensor, Tensor]:
        """image: as `MODNet.forward` takes it, on the CPU. Its taps, the semantic branch's features N×c₃×H/8×W/8, and
        the matte N×1×H×W; all new.

        Raises EngineError where OpenVINO fails.
        """
        matte, semantic, *taps = self._answers(image, (MATTE, *LESSONS))
        return Taps(*taps), semantic, matte

    def hint(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The last tap and the semantic branch's features alone, as a call gives them, in a quarter of the time."""
        last, semantic = self._answers(image, ("last", "semantic"))
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
        asked = [self._graph.output(name).get_node().input_value(0) for name in names]
        part = import_openvino().Model(asked, self._graph.get_parameters())
        self._compiled = core.compile_model(part, "CPU", self._options)
        self._compiled_for = shape, names
