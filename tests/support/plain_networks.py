"""Networks whose alpha is plain to see in the picture: its red, or where it is green."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from matting_core.frames import Alpha, Array, FloatAlpha, Image
from matting_core.preprocess import shrink, to_blob


def write_red_network(path: Path) -> Path:
    """Input N×3×H×W, RGB in [−1, 1]; output its red N×1×H×W in [0, 1]."""
    nodes = [
        helper.make_node("Gather", ["input", "red"], ["plane"], axis=1),
        helper.make_node("Add", ["plane", "one"], ["above"]),
        helper.make_node("Mul", ["above", "half"], ["output"]),
    ]
    return _write(path, nodes, red=np.array([0], np.int64), one=np.float32(1), half=np.float32(0.5))


def write_green_network(path: Path) -> Path:
    """Input alike; output by how much green is above red and blue, in [0, 1]: `room.GreenEngine` as a file."""
    nodes = [
        helper.make_node("Gather", ["input", "green"], ["plane"], axis=1),
        helper.make_node("Gather", ["input", "others"], ["planes"], axis=1),
        helper.make_node("ReduceMax", ["planes", "channels"], ["most"], keepdims=1),
        helper.make_node("Sub", ["plane", "most"], ["above"]),
        helper.make_node("Clip", ["above", "zero", "one"], ["output"]),
    ]
    indices = {"green": [1], "others": [0, 2], "channels": [1]}
    constants = {name: np.array(values, np.int64) for name, values in indices.items()}
    return _write(path, nodes, **constants, zero=np.float32(0), one=np.float32(1))


def _write(path: Path, nodes: list[onnx.NodeProto], **constants: Array | np.float32) -> Path:
    source, matte = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (("input", 3), ("output", 1))
    )
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "plain", [source], [matte], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def red_frame(matte: Alpha, seed: int) -> Image:
    """A frame with that matte (uint8 H×W) as its red, and noise for the rest."""
    frame: Image = np.random.default_rng(seed).integers(0, 256, (*matte.shape, 3), np.uint8)
    frame[..., 2] = matte
    return frame


def red_alpha(frame: Image, network: tuple[int, int]) -> FloatAlpha:
    """What the network answers for a frame that is first shrunk to (height, width)."""
    alpha: FloatAlpha = (to_blob(shrink(frame, network))[0, 0] + np.float32(1)) * np.float32(0.5)
    return alpha
