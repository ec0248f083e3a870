"""The programs measured side by side: each brings a frame to its network by its own rule, and alpha back to the frame.

All share Mattecam's fast resampling and conversion, so that what differs is the network, its input and its engine.
"""

import importlib.util
import time
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from app.settings import Scene
from matting_core.engine import create_engine
from matting_core.frames import Alpha, Array, Frame, Image
from matting_core.model_store import ModelStore
from matting_core.predictor import Predictor
from matting_core.preprocess import MULTIPLE, Blob, network_size, restore_alpha, shrink, to_blob
from matting_core.presets import PRESETS, RELEASED, find_preset

THREADS = 2
PLAIN_LONG_SIDE = 512
DEMO_SHORT_SIDE = 512
RVM_STATES = ("r1", "r2", "r3", "r4")
OURS = "Mattecam"


class Contender(Protocol):
    """A matting program. Made in one process, then opened and used in another, on one thread."""

    name: str
    licence: str
    """Of the weights and what runs them, as its authors state it."""
    twin: str
    """The name of the contender whose mattes are the same, so that only its speed is measured; or empty."""

    def input_size(self, height: int, width: int) -> str:
        """What its network sees of a frame of that size, in words for the table."""
        ...

    def open(self) -> str:
        """Load the network; what runs it, for the table. Raises MattecamError."""
        ...

    def matte(self, frame: Image) -> Alpha:
        """Alpha, uint8 H×W, of the next frame of a clip, uint8 H×W×3 BGR; a new array. Raises MattecamError."""
        ...

    def reset(self) -> None:
        """Forget earlier frames, before a clip or a single picture."""
        ...

    def stop_smoothing(self) -> bool:
        """Leave out what smooths alpha after the network, from now on; False where there is nothing to leave out."""
        ...


class Memoryless:
    """What a contender without a past answers."""

    twin = ""

    def reset(self) -> None:
        """Nothing to forget."""

    def stop_smoothing(self) -> bool:
        """There is nothing to leave out."""
        return False


class MattecamPreset:
    """One of our presets, as `run` uses it: the engine that `auto` picks, and the smoothing that is on by default."""

    licence = "MIT, weights Apache-2.0"
    twin = ""

    def __init__(self, preset: str) -> None:
        self.name = f"{OURS} {preset}"
        self._preset = preset
        self._count = 0

    def input_size(self, height: int, width: int) -> str:
        """See Contender.input_size."""
        return _sides(network_size(height, width, find_preset(self._preset).long_side))

    def open(self) -> str:
        """See Contender.open."""
        preset = find_preset(self._preset)
        engine = create_engine("auto", ModelStore().network(preset.model, preset.int8))
        self._predictor = Predictor(engine, preset, Scene().smoothing)
        return engine.provider

    def matte(self, frame: Image) -> Alpha:
        """See Contender.matte."""
        self._count += 1
        matted = self._predictor.predict(Frame(frame, time.monotonic(), self._count))
        assert matted is not None, "the default smoothing holds no frame back"
        return matted.alpha

    def reset(self) -> None:
        """See Contender.reset."""
        self._predictor.reset()

    def stop_smoothing(self) -> bool:
        """See Contender.stop_smoothing."""
        self._predictor.set_smoothing("off")
        return True


class PlainModnet(Memoryless):
    """The released MODNet at 512×288 in ONNX Runtime, fp32, as any script would run it: the baseline of all ratios."""

    name = "MODNet, plain"
    licence = "Apache-2.0"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """The network's (height, width) for a frame."""
        return network_size(height, width, PLAIN_LONG_SIDE)

    def input_size(self, height: int, width: int) -> str:
        """See Contender.input_size."""
        return _sides(self.network_size(height, width))

    def open(self) -> str:
        """See Contender.open."""
        self._session = _onnx_session(ModelStore().locate(RELEASED))
        self._input = self._session.get_inputs()[0].name
        return "ONNX Runtime CPU fp32"

    def matte(self, frame: Image) -> Alpha:
        """See Contender.matte."""
        height, width = frame.shape[:2]
        alpha = self._run(to_blob(shrink(frame, self.network_size(height, width))))
        return restore_alpha(alpha, height, width)

    def _run(self, blob: Blob) -> Any:
        return self._session.run(None, {self._input: blob})[0][0, 0]


class DemoModnet(PlainModnet):
    """The same network at the size that its released demo asks for."""

    name = "MODNet's demo rule, ONNX Runtime"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """See PlainModnet.network_size."""
        return demo_size(height, width)


class DemoModnetTorch(DemoModnet):
    """The demo's rule in PyTorch, which the released demos run; the parity of its mattes is tested elsewhere."""

    name = "MODNet's demo rule, PyTorch"
    twin = DemoModnet.name

    def open(self) -> str:
        """See Contender.open."""
        import torch

        from matting_core.modnet.weights import load_network

        torch.set_num_threads(THREADS)
        self._torch: Any = torch
        self._network = load_network(ModelStore().locate(RELEASED)).model
        return "PyTorch CPU fp32"

    def _run(self, blob: Blob) -> Any:
        with self._torch.inference_mode():
            return self._network.matte(self._torch.from_numpy(blob))[0, 0].numpy()


class MediaPipeSelfie(Memoryless):
    """MediaPipe selfie segmentation: the frame stretched to the network's fixed size, RGB in [0, 1], channels last."""

    name = "MediaPipe selfie segmentation"
    licence = "Apache-2.0"

    def __init__(self, model: Path) -> None:
        self._model = model
        self._size = (256, 256)

    def input_size(self, height: int, width: int) -> str:
        """See Contender.input_size."""
        return _sides(self._size)

    def open(self) -> str:
        """See Contender.open."""
        self._session = _onnx_session(self._model)
        given = self._session.get_inputs()[0]
        self._input = given.name
        self._size = (given.shape[1], given.shape[2])
        return "ONNX Runtime CPU fp32"

    def matte(self, frame: Image) -> Alpha:
        """See Contender.matte."""
        small = cv2.cvtColor(shrink(frame, self._size), cv2.COLOR_BGR2RGB)
        blob = np.multiply(small, np.float32(1 / 255), dtype=np.float32)[None]
        alpha = self._session.run(None, {self._input: blob})[0].reshape(self._size)
        return restore_alpha(alpha, *frame.shape[:2])


class RobustVideoMatting:
    """RobustVideoMatting (MobileNetV3): recurrent; takes the whole frame, and works inside on one shrunk by a ratio."""

    licence = "GPL-3.0"
    twin = ""

    def __init__(self, model: Path, inner_long_side: int) -> None:
        self.name = f"RobustVideoMatting at {inner_long_side / 1280:g}"
        self._model = model
        self._long_side = inner_long_side
        self._states: list[Array] = []
        self.reset()

    def input_size(self, height: int, width: int) -> str:
        """See Contender.input_size."""
        ratio = rvm_ratio(height, width, self._long_side)
        return f"{_sides((height, width))}, inside {_sides((round(height * ratio), round(width * ratio)))}"

    def open(self) -> str:
        """See Contender.open."""
        self._session = _onnx_session(self._model)
        return "ONNX Runtime CPU fp32"

    def matte(self, frame: Image) -> Alpha:
        """See Contender.matte."""
        height, width = frame.shape[:2]
        blob = cv2.dnn.blobFromImage(frame, scalefactor=1 / 255, swapRB=True)
        ratio = np.array([rvm_ratio(height, width, self._long_side)], np.float32)
        states = {f"{name}i": state for name, state in zip(RVM_STATES, self._states, strict=True)}
        wanted = ["pha", *(f"{name}o" for name in RVM_STATES)]
        alpha, *self._states = self._session.run(wanted, {"src": blob, "downsample_ratio": ratio, **states})
        return restore_alpha(alpha[0, 0], height, width)

    def reset(self) -> None:
        """See Contender.reset."""
        self._states = [np.zeros((1, 1, 1, 1), np.float32)] * len(RVM_STATES)

    def stop_smoothing(self) -> bool:
        """Its memory is a part of the network."""
        return False


def demo_size(height: int, width: int) -> tuple[int, int]:
    """The network's (height, width) by MODNet's ONNX demo: shorter side 512, both rounded down to multiples of 32.

    A frame with its sides on either side of 512 keeps its size, but for the rounding.
    """
    if max(height, width) < DEMO_SHORT_SIDE or min(height, width) > DEMO_SHORT_SIDE:
        scale = DEMO_SHORT_SIDE / min(height, width)
        height, width = int(height * scale), int(width * scale)
    return max(MULTIPLE, height // MULTIPLE * MULTIPLE), max(MULTIPLE, width // MULTIPLE * MULTIPLE)


def rvm_ratio(height: int, width: int, inner_long_side: int) -> float:
    """The ratio that makes a frame's longer side `inner_long_side` inside RobustVideoMatting; never enlarges."""
    return min(1.0, inner_long_side / max(height, width))


def all_contenders(mediapipe: Path | None, rvm: Path | None) -> tuple[list[Contender], dict[str, str]]:
    """Everyone who can run here, the baseline first, and why the others cannot, by their names."""
    found: list[Contender] = [PlainModnet(), *map(MattecamPreset, PRESETS), DemoModnet()]
    absent: dict[str, str] = {}
    if importlib.util.find_spec("torch"):
        found.append(DemoModnetTorch())
    else:
        absent[DemoModnetTorch.name] = "PyTorch is not installed"
    if mediapipe is not None:
        found.append(MediaPipeSelfie(mediapipe))
    else:
        absent[MediaPipeSelfie.name] = "no --mediapipe FILE was given"
    if rvm is not None:
        # At 1280×720 its authors advise 0.375 for portraits; 0.25 is theirs for 1920×1080, and faster.
        found += [RobustVideoMatting(rvm, 480), RobustVideoMatting(rvm, 320)]
    else:
        absent["RobustVideoMatting"] = "its weights could not be fetched"
    return found, absent


def _onnx_session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _sides(size: tuple[int, int]) -> str:
    return f"{size[1]}×{size[0]}"
