"""Any matting model of the store as a part of a larger graph: its size fixed, its names set apart, in fp16 if asked."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, shape_inference, version_converter

from matting_core.errors import ModelError, first_line

OPSET = 18
"""What the fused graphs are written in; a model of an older set is converted."""
PREFIX = "network/"

_FROM_SHAPES = ("Shape", "Size", "Constant")
_LAYOUT_INPUTS = {"Resize": (1, 2, 3), "Reshape": (1,), "Expand": (1,), "Pad": (1, 3), "Tile": (1,)}
"""Inputs that say where, not what: ONNX wants these in their own types."""
_LARGEST_HALF = float(np.finfo(np.float16).max)


def load_network(path: Path, size: tuple[int, int], half: bool) -> onnx.ModelProto:
    """The model at `path` with its input fixed to 1×3×h×w, every name beginning with PREFIX, in OPSET or newer.

    size: (height, width). half: weights and arithmetic in float16; input and output stay float32. Raises ModelError
    for what is not such a network.
    """
    try:
        model = onnx.load(path)
        if _opset(model) < OPSET:
            model = version_converter.convert_version(model, OPSET)
    except Exception as error:  # those of onnx and protobuf share no base class
        raise ModelError(
            f"{path.name} cannot be read as an ONNX network ({first_line(error)}).", "Download the file again."
        ) from error
    source = _input(model.graph)
    if source is None or len(source.type.tensor_type.shape.dim) != 4 or len(model.graph.output) != 1:
        raise ModelError(
            f"{path.name} is not a portrait matting network.", "It must have one input N×3×H×W and one output N×1×H×W."
        )
    for dimension, side in zip(source.type.tensor_type.shape.dim, (1, 3, *size), strict=True):
        dimension.dim_value = side
    for dimension in model.graph.output[0].type.tensor_type.shape.dim:
        dimension.Clear()
    del model.graph.value_info[:]  # of other sizes
    _plain_norms(model.graph)
    if half:
        _to_half(model)
    return compose.add_prefix(model, PREFIX)


def network_names(model: onnx.ModelProto) -> tuple[str, str]:
    """The names of its input and output."""
    source = _input(model.graph)
    assert source is not None, "load_network has made sure"
    return source.name, model.graph.output[0].name


def _input(graph: onnx.GraphProto) -> onnx.ValueInfoProto | None:
    """The one input that is not a weight, or None."""
    weights = {tensor.name for tensor in graph.initializer}
    free = [value for value in graph.input if value.name not in weights]
    return free[0] if len(free) == 1 else None


def _opset(model: onnx.ModelProto) -> int:
    return max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)


def _plain_norms(graph: onnx.GraphProto) -> None:
    """Batch normalisation, of trained statistics, as what it is: a factor and a sum.

    CUDA's kernel for it takes four times as long, and in float16 turns its four weights into float32 each time.
    """
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "BatchNormalization" or not all(name in weights for name in node.input[1:]):
            nodes.append(node)
            continue
        gamma, beta, mean, variance = (weights[name].astype(np.float64) for name in node.input[1:])
        epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(variance + epsilon)
        name = node.output[0]
        for part, values in (("factor", factor), ("shift", beta - mean * factor)):
            column = values.astype(np.float32).reshape(-1, 1, 1)
            graph.initializer.append(numpy_helper.from_array(column, f"{name}/{part}"))
        nodes.append(helper.make_node("Mul", [node.input[0], f"{name}/factor"], [f"{name}/scaled"]))
        nodes.append(helper.make_node("Add", [f"{name}/scaled", f"{name}/shift"], [name]))
    _replace(graph, nodes)


def _to_half(model: onnx.ModelProto) -> None:
    """Compute in float16 between a cast behind the input and one before the output.

    What is computed of shapes alone stays as it is: a float16 cannot count beyond 2048.
    """
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}
    types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    graph = model.graph
    still = _independent(graph)
    source, result = _input(graph), graph.output[0].name
    assert source is not None, "load_network has made sure"
    nodes = [helper.make_node("Cast", [source.name], [f"{source.name}/half"], to=TensorProto.FLOAT16)]
    halved: dict[str, str] = {source.name: f"{source.name}/half", result: f"{result}/half"}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if not all(name in still for name in node.output):
            for index in _data_inputs(node):
                name = node.input[index]
                if name in still and types.get(name) == TensorProto.FLOAT and name not in halved:
                    halved[name] = f"{name}/half"
                    if name in weights:
                        graph.initializer.append(_half_tensor(weights[name], halved[name]))
                    else:
                        nodes.append(helper.make_node("Cast", [name], [halved[name]], to=TensorProto.FLOAT16))
                node.input[index] = halved.get(name, name)
            for index, name in enumerate(node.output):
                node.output[index] = halved.get(name, name)
            if node.op_type == "Cast":
                for attribute in node.attribute:
                    attribute.i = TensorProto.FLOAT16 if attribute.i == TensorProto.FLOAT else attribute.i
        nodes.append(node)
    nodes.append(helper.make_node("Cast", [halved[result]], [result], to=TensorProto.FLOAT))
    _replace(graph, nodes)


def _replace(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """The graph with these nodes, without the weights that nothing uses any more."""
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in graph.node for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _independent(graph: onnx.GraphProto) -> set[str]:
    """The values that depend on sizes and constants only, not on the picture."""
    still = {tensor.name for tensor in graph.initializer} | {""}
    for node in graph.node:
        if node.op_type in _FROM_SHAPES or all(name in still for name in node.input):
            still.update(node.output)
    return still


def _data_inputs(node: onnx.NodeProto) -> list[int]:
    layout = _LAYOUT_INPUTS.get(node.op_type, ())
    return [index for index, name in enumerate(node.input) if name and index not in layout]


def _half_tensor(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    """A weight in float16; what lies beyond its range becomes its largest number, not infinity."""
    values = np.clip(numpy_helper.to_array(tensor), -_LARGEST_HALF, _LARGEST_HALF)
    return numpy_helper.from_array(values.astype(np.float16), name)
