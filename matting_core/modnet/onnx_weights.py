"""The weights inside an ONNX MODNet, whose norms may be folded into its convolutions, under the checkpoint's names.

Initialisers that carry a name of the network are taken by it. The others are taken in the order of the graph, which
is the order in which the network runs, and every shape must fit.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matting_core.errors import ModelError, UsageError
from matting_core.modnet.model import HEADS, IMAGE, MODNet, ModnetConfig
from matting_core.preprocess import MULTIPLE

Array = npt.NDArray[np.float32]
MATRICES = ("MatMul", "Gemm")
PASS_THROUGH = ("Slice", "Split", "Identity")
NORM = ("weight", "bias", "running_mean", "running_var")


class Layer(NamedTuple):
    """One convolution or matrix of the graph. norm: scale, shift, mean and variance, or empty if it was folded."""

    name: str
    weight: Array
    bias: Array | None
    norm: tuple[Array, ...]


class Place(NamedTuple):
    """One convolution or linear layer of the network, and the batch norm behind it (on all or the first channels)."""

    name: str
    module: nn.Conv2d | nn.Linear
    norm: str
    norm_channels: int


def read_onnx(path: Path, config: ModnetConfig | None = None) -> tuple[MODNet, dict[str, Tensor]]:
    """A network, and its state without the training heads from an ONNX file. Raises ModelError if that does not fit.

    config: by default a slim network, its context and the backbone's width as released, if the file has its names, as
    our export keeps them; else the released one.

    A norm that is folded into its convolution becomes the identity: mean 0, variance 1, scale √(1 + ε), and the
    convolution's bias as shift where the network's convolution has none.
    """
    graph = _read(path)
    model = MODNet(config or _recognise(graph, path.name))
    layers = {layer.name: layer for layer in _layers(graph)}
    places = list(_places(model))
    named = {place.name for place in places if place.name in layers}
    rest = iter([layer for name, layer in layers.items() if name not in named])
    state: dict[str, Tensor] = {}
    for place in places:
        layer = layers[place.name] if place.name in named else next(rest, None)
        if layer is None or not _put(state, place, layer):
            raise ModelError(
                f"{path.name} holds a network other than MODNet with {model.config} ('{place.name}' does not fit).",
                "Choose a released MODNet in the ONNX format, or its checkpoint.",
            )
    if next(rest, None) is not None:
        raise ModelError(f"{path.name} holds more layers than MODNet has.", "Choose a released MODNet.")
    _put_loose(state, graph, model)
    return model, state


def _recognise(graph: Any, name: str) -> ModnetConfig:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    if "hr_branch.fold.weight" not in shapes:
        return ModnetConfig()
    width = (shapes.get("hr_branch.tohr_enc2x.0.weight") or (0,))[0]
    try:
        return ModnetConfig(detail_width=width, branches="slim")
    except UsageError as error:
        raise ModelError(f"{name} holds a network other than MODNet.", "Choose a released MODNet.") from error


def _read(path: Path) -> Any:
    import onnx

    try:
        # Weights in files beside it are not followed: a model names no other file on this machine.
        return onnx.load(str(path), load_external_data=False).graph
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read ({error.strerror}).", "Check the file.") from error
    except Exception as error:  # protobuf's decoding errors share no public base class
        raise ModelError(f"{path.name} is not an ONNX network.", "Download the file again.") from error


def _layers(graph: Any) -> Iterator[Layer]:
    """Every convolution and matrix with constant weights, in the order of the graph."""
    from onnx import numpy_helper

    raw = {tensor.name: tensor for tensor in graph.initializer}
    consumers = _consumers(graph)

    def array(name: str) -> Array:
        return np.asarray(numpy_helper.to_array(raw[name]), np.float32)

    for node in graph.node:
        if node.op_type not in ("Conv", *MATRICES) or len(node.input) < 2 or node.input[1] not in raw:
            continue
        weight = array(node.input[1])
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not _attribute(node, "transB")):
            weight = weight.T
        bias = array(node.input[2]) if len(node.input) > 2 and node.op_type == "Conv" else None
        norm = _norm_behind(node, consumers)
        yield Layer(
            node.input[1].removesuffix(".weight"),
            weight,
            bias,
            tuple(array(name) for name in norm.input[1:5]) if norm is not None else (),
        )


def _consumers(graph: Any) -> dict[str, list[Any]]:
    """The nodes that read each value, in the order of the graph."""
    consumers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    return consumers


def _attribute(node: Any, name: str) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), 0)


def _norm_behind(node: Any, consumers: dict[str, list[Any]]) -> Any:
    """The batch normalisation that reads this node's output, also where only a part of the channels goes there."""
    for consumer in consumers.get(node.output[0], []):
        if consumer.op_type == "BatchNormalization":
            return consumer
        if consumer.op_type in PASS_THROUGH:
            for output in consumer.output:
                for behind in consumers.get(output, []):
                    if behind.op_type == "BatchNormalization":
                        return behind
    return None


def _places(model: MODNet) -> Iterator[Place]:
    """Every layer that the matte needs, in the order in which it runs, which a run on a blank picture tells."""
    ran: list[nn.Module] = []
    names = {module: name for name, module in model.named_modules() if not list(module.children())}
    hooks = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in names]
    training = model.training
    try:
        with torch.inference_mode():
            model.eval().matte(torch.zeros(1, IMAGE, 2 * MULTIPLE, 2 * MULTIPLE))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    known: set[nn.Module] = set()
    for layer, behind in itertools.pairwise([*ran, nn.Identity()]):
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in known:
            known.add(layer)
            norm = behind if isinstance(behind, nn.BatchNorm2d) else None
            yield Place(names[layer], layer, names[norm] if norm else "", norm.num_features if norm else 0)


def _put_loose(state: dict[str, Tensor], graph: Any, model: MODNet) -> None:
    """What belongs to no convolution: norms that follow a sum, by name, and e-ASPP's weights of its scales.

    Those are the constants that the output of each use of `across_channels` is multiplied with, in order.
    """
    from onnx import numpy_helper

    raw = {tensor.name: tensor for tensor in graph.initializer}
    consumers = _consumers(graph)
    for name, place in model.state_dict().items():
        if name in state or name.startswith(HEADS) or place.ndim == 0:
            continue
        found = []
        if name in raw:
            found = [raw[name]]
        elif name.endswith(".across_scales"):
            uses = consumers.get(f"{name.removesuffix('across_scales')}across_channels.weight", [])
            products = [node for use in uses for node in consumers.get(use.output[0], []) if node.op_type == "Mul"]
            found = [raw[factor] for node in products for factor in node.input if factor in raw]
        parts = [np.asarray(numpy_helper.to_array(each), np.float32).ravel() for each in found]
        if sum(part.size for part in parts) == place.numel():
            state[name] = _tensor(np.concatenate(parts).reshape(tuple(place.shape)))


def _put(state: dict[str, Tensor], place: Place, layer: Layer) -> bool:
    """Store one layer under the network's names; False if it does not fit there."""
    module = place.module
    if layer.weight.shape != tuple(module.weight.shape):
        return False
    bias = np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias
    if module.bias is None and not place.norm and bias.any():
        return False
    state[f"{place.name}.weight"] = _tensor(layer.weight)
    if module.bias is not None:
        state[f"{place.name}.bias"] = _tensor(bias)
    if place.norm:
        channels = place.norm_channels
        shift = bias if module.bias is None else np.zeros(channels, np.float32)
        # √(1 + ε) undoes the ε that the norm adds to its variance of 1.
        identity: tuple[npt.NDArray[Any], ...] = (
            np.full(channels, np.sqrt(1 + 1e-5)),
            shift,
            np.zeros(channels),
            np.ones(channels),
        )
        for name, value in zip(NORM, layer.norm or identity, strict=True):
            if value.shape != (channels,):
                return False
            state[f"{place.norm}.{name}"] = _tensor(value)
    return True


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32, order="C"))
