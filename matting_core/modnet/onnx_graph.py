"""The ONNX graph of a network: norms folded, weights under the checkpoint's names, no trace of the machine."""

import itertools
import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from matting_core.modnet.backbone import Taps
from matting_core.modnet.blocks import IBNorm
from matting_core.modnet.model import MODNet

TRACED_SIZE = (64, 96)
MATTE = "output"
HINT = ("last", "semantic")
LESSONS = ("semantic", *Taps._fields)
"""What a pupil may learn from besides the matte: the semantic branch's features, and the backbone's taps. Of these,
HINT is what its own semantic branch learns from."""


def onnx_graph(
    model: MODNet,
    precision: torch.dtype,
    size: tuple[int, int] | None,
    opset: int,
    form: Callable[[MODNet], MODNet] | None = None,
    lessons: bool = False,
) -> bytes:
    """The matte of `model` (on the CPU, left as it is) as a serialised ONNX model: `input` to `output`, both float32.

    precision: of weights and arithmetic. size: a fixed (height, width), or None for free N, H and W. A free graph is
    traced at one size, which is ten times faster than with symbols, and then freed of it, since no operator of the
    network holds a size; whoever uses it must run it at several. form: rewrites the copy whose norms are folded, and
    gives it, as `int8_form` does; None leaves it. lessons: with all that LESSONS names, float32, as further outputs.
    """
    own = MODNet(model.config)
    own.load_state_dict(model.state_dict())
    folded = fold_norms(own.eval())
    network = folded if form is None else form(folded)
    module = _Lessons(network, precision) if lessons else _Matte(network, precision)
    module.eval().requires_grad_(False)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter warns of its own parts
        logger.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module,
                (torch.zeros(1, 3, *(size or TRACED_SIZE)),),
                dynamo=True,
                opset_version=opset,
                input_names=["input"],
                output_names=[MATTE, *(LESSONS if lessons else ())],
                verbose=False,
            )
        finally:
            logger.setLevel(level)
    assert program is not None, "with dynamo=True the exporter gives a program"
    proto = program.model_proto
    _tidy(proto.graph, free=size is None)
    data: bytes = proto.SerializeToString()
    return data


def fold_norms(model: MODNet) -> MODNet:
    """Move every batch normalisation into the convolution before it, in place; the mattes stay. Gives `model`.

    For inference only: what is folded has no name in a checkpoint any more.
    """
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        layers = list(sequence)
        for index, (convolution, norm) in enumerate(itertools.pairwise(layers), start=1):
            if not isinstance(convolution, nn.Conv2d):
                continue
            if isinstance(norm, nn.BatchNorm2d):
                _fold(convolution, norm)
                sequence[index] = nn.Identity()
            elif isinstance(norm, IBNorm) and isinstance(norm.bnorm, nn.BatchNorm2d):
                _fold(convolution, norm.bnorm)
                norm.add_module("bnorm", nn.Identity())
    return model


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Into the first channels of the convolution, as many as the norm has."""
    count = norm.num_features
    weight = convolution.weight.detach().clone()
    bias = torch.zeros(len(weight)) if convolution.bias is None else convolution.bias.detach().clone()
    assert norm.running_mean is not None and norm.running_var is not None, "MODNet's norms keep statistics"
    weight[:count], bias[:count] = fuse_conv_bn_weights(
        weight[:count], bias[:count], norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)


class _Matte(nn.Module):
    """The network as engines call it: float32 in, float32 out, the matte alone."""

    def __init__(self, network: MODNet, precision: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(precision)
        self.precision = precision

    def forward(self, image: Tensor) -> Tensor:
        return self.network.matte(image.to(self.precision)).to(torch.float32)


class _Lessons(_Matte):
    """The same, and what the matte was read from, as LESSONS names it."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        seen: Taps = self.network.backbone(image.to(self.precision))
        matte, semantic = self.network.matte_and_semantics(image.to(self.precision), seen)
        return tuple(result.to(torch.float32) for result in (matte, semantic, *seen))


def _tidy(graph: Any, free: bool) -> None:
    """The checkpoint's names for the weights, no traces of the machine that wrote it, and free sizes if asked for."""
    prefix = "network."
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix(prefix)
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for index, name in enumerate(node.input):
            node.input[index] = name.removeprefix(prefix)
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
        if free:
            for axis, symbol in ((0, "n"), (2, "height"), (3, "width")):
                value.type.tensor_type.shape.dim[axis].dim_param = symbol
