"""A small writer of ONNX graphs, and OpenCV's resampling in ONNX operators: the same integers, not nearly the same.

Exactness is no luxury: which pixels speak for the person's colour is decided by thresholds on alpha, so one grey level
of difference may turn a pixel's colour round. Pictures travel as float32 1×C×H×W with whole values 0…255 unless said
otherwise. Only operators that ONNX Runtime's CUDA provider has; integers are 32 bits wide, sums of them are written out
(its reduction of integers goes through floats).
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from matting_core.frames import Array, half_size

_ONE = 2048
"""OpenCV's weights of 8-bit bilinear interpolation have 11 bits of fraction."""


class GraphWriter:
    """Collects nodes and constants. Every method that adds a node gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._known: dict[tuple[bytes, str, tuple[int, ...]], str] = {}
        self._count = 0

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """One node with one output, called `name` or something new."""
        self._count += 1
        output = name or f"{operator.lower()}_{self._count}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=f"fused/{output}", **attributes))
        return output

    def split(self, value: str, sizes: Sequence[int], axis: int) -> list[str]:
        """Parts of a value along an axis."""
        self._count += 1
        outputs = [f"split_{self._count}_{part}" for part in range(len(sizes))]
        inputs = [value, self.constant(np.array(sizes, np.int64))]
        self.nodes.append(helper.make_node("Split", inputs, outputs, name=f"fused/{outputs[0]}", axis=axis))
        return outputs

    def constant(self, values: Array) -> str:
        """A constant of the array's type; equal ones are kept once."""
        key = (values.tobytes(), str(values.dtype), values.shape)
        if key not in self._known:
            self._known[key] = f"constant_{len(self._known)}"
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        """A float32 constant."""
        return self.constant(np.array(value, np.float32))

    def integer(self, value: int) -> str:
        """An int32 constant."""
        return self.constant(np.array(value, np.int32))

    def cast(self, value: str, to: int) -> str:
        """The value in a type of TensorProto."""
        return self.add("Cast", value, to=to)

    def reshape(self, value: str, shape: Sequence[int], name: str = "") -> str:
        """The value in another shape."""
        return self.add("Reshape", value, self.constant(np.array(shape, np.int64)), name=name)

    def slice(self, value: str, axes: dict[int, tuple[int, int, int]]) -> str:
        """Part of a value: (start, stop, step) by axis."""
        starts, stops, steps = (np.array(column, np.int64) for column in zip(*axes.values(), strict=True))
        order = (starts, stops, np.array(list(axes), np.int64), steps)
        return self.add("Slice", value, *(self.constant(column) for column in order))


def shrink(graph: GraphWriter, image: str, size: tuple[int, int], to: tuple[int, int]) -> str:
    """`preprocess.shrink`: whole halvings, then linear interpolation, each rounded. Sizes are (height, width)."""
    while size[0] >= 2 * to[0] and size[1] >= 2 * to[1]:
        image, size = halve(graph, image, size), half_size(size)
    return linear(graph, image, size, to)


def area(graph: GraphWriter, image: str, size: tuple[int, int], to: tuple[int, int]) -> str:
    """cv2.resize with INTER_AREA: each pixel the mean over its area, summed in OpenCV's order, across and then down."""
    if size == (2 * to[0], 2 * to[1]):
        return _mean_of_four(graph, image)
    if to[0] > size[0] or to[1] > size[1]:
        return _fixed_point(graph, image, size, to, _grown_area_weights)  # OpenCV's rule where a side grows
    return graph.add("Round", area_mean(graph, image, size, to))


def area_mean(graph: GraphWriter, values: str, size: tuple[int, int], to: tuple[int, int]) -> str:
    """The same of floats, where no side grows: not rounded."""
    for axis, shape in ((3, (1, 1, 1, -1)), (2, (1, 1, -1, 1))):
        # Gathered and added one by one: a matrix product may fuse its roundings, and halves then fall to either side.
        terms = [
            graph.add(
                "Mul",
                graph.add("Gather", values, graph.constant(index), axis=axis),
                graph.constant(share.reshape(shape)),
            )
            for index, share in _area_taps(size[axis - 2], to[axis - 2])
        ]
        values = terms[0]
        for term in terms[1:]:
            values = graph.add("Add", values, term)
    return values


def linear(graph: GraphWriter, image: str, size: tuple[int, int], to: tuple[int, int]) -> str:
    """cv2.resize with INTER_LINEAR for 8 bits: fixed-point weights, truncated products and all."""
    if size == to:
        return image
    if size == (2 * to[0], 2 * to[1]):
        return _mean_of_four(graph, image)
    return _fixed_point(graph, image, size, to, _linear_weights)


def halve(graph: GraphWriter, image: str, size: tuple[int, int]) -> str:
    """`preprocess.halve`: half the size, rounded up. Also of a picture in float16; the half is float32."""
    if size[0] % 2 or size[1] % 2:
        return linear(graph, image, size, half_size(size))
    return _mean_of_four(graph, image)


def bilinear(graph: GraphWriter, values: str, to: tuple[int, int]) -> str:
    """Bilinear values with aligned pixel centres, not rounded: cv2.resize of floats, and how `Runs` samples a plate."""
    sides = graph.constant(np.array(to, np.int64))
    return graph.add(
        "Resize", values, "", "", sides, axes=[2, 3], mode="linear", coordinate_transformation_mode="half_pixel"
    )


def box_mean(graph: GraphWriter, values: str, side: int, size: tuple[int, int]) -> str:
    """cv2.boxFilter, normalised. size: (height, width)."""
    padded = _mirrored(graph, values, side // 2, size)
    return graph.add("AveragePool", padded, kernel_shape=[side, side], strides=[1, 1])


def gaussian(graph: GraphWriter, values: str, sigma: float, channels: int, size: tuple[int, int]) -> str:
    """cv2.GaussianBlur of float32 1×channels×H×W."""
    side = round(8 * sigma + 1) | 1  # OpenCV's choice for floats
    values = _mirrored(graph, values, side // 2, size)
    kernel = cv2.getGaussianKernel(side, sigma, cv2.CV_32F)
    for shape in ((side, 1), (1, side)):
        weights = graph.constant(np.tile(kernel.reshape(1, 1, *shape), (channels, 1, 1, 1)))
        values = graph.add("Conv", values, weights, kernel_shape=list(shape), group=channels)
    return values


def _mirrored(graph: GraphWriter, values: str, reach: int, size: tuple[int, int]) -> str:
    """With so many more pixels on each side, the picture mirrored about those at its border, as OpenCV does it."""
    if min(size) > reach:
        pads = graph.constant(np.array([0, 0, reach, reach, 0, 0, reach, reach], np.int64))
        return graph.add("Pad", values, pads, mode="reflect")
    for axis, length in ((2, size[0]), (3, size[1])):
        index = [cv2.borderInterpolate(at, length, cv2.BORDER_REFLECT_101) for at in range(-reach, length + reach)]
        values = graph.add("Gather", values, graph.constant(np.array(index, np.int64)), axis=axis)
    return values


def _mean_of_four(graph: GraphWriter, image: str) -> str:
    mean = graph.cast(graph.add("AveragePool", image, kernel_shape=[2, 2], strides=[2, 2]), TensorProto.FLOAT)
    return graph.add("Floor", graph.add("Add", mean, graph.number(0.5)))


def _fixed_point(
    graph: GraphWriter,
    image: str,
    size: tuple[int, int],
    to: tuple[int, int],
    weights: Callable[[int, int], tuple[Array, Array]],
) -> str:
    """OpenCV's 8-bit bilinear resize, which loses four bits before the second product and the rest in two steps.

    Across, weights beyond the border go to the pixel on it; down, both rows are that on the border, and each product
    is truncated for itself.
    """
    whole = graph.cast(image, TensorProto.INT32)
    first, share = weights(size[1], to[1])
    inside = (first >= 0) & (first < size[1] - 1)
    share, first = np.where(inside, share, 0), np.clip(first, 0, size[1] - 1)
    columns = first, np.minimum(first + 1, size[1] - 1)
    across = graph.add("Add", *_weighted(graph, whole, 3, *columns, share, (1, 1, 1, -1)))
    across = graph.add("Div", across, graph.integer(16))
    first, share = weights(size[0], to[0])
    rows = np.clip(first, 0, size[0] - 1), np.clip(first + 1, 0, size[0] - 1)
    down = _weighted(graph, across, 2, *rows, share, (1, 1, -1, 1))
    total = graph.add("Add", *(graph.add("Div", part, graph.integer(1 << 16)) for part in down))
    level = graph.add("Div", graph.add("Add", total, graph.integer(2)), graph.integer(4))
    # The weights may sum to one more than _ONE.
    return graph.add("Min", graph.cast(level, TensorProto.FLOAT), graph.number(255))


def _weighted(
    graph: GraphWriter, values: str, axis: int, first: Array, second: Array, share: Array, shape: tuple[int, ...]
) -> list[str]:
    """The two products of a linear interpolation along an axis, in int32."""
    products = []
    for index, part in ((first, np.float32(1) - share), (second, share)):
        weight = np.rint(part.astype(np.float32) * np.float32(_ONE)).astype(np.int32).reshape(shape)
        picked = graph.add("Gather", values, graph.constant(index.astype(np.int64)), axis=axis)
        products.append(graph.add("Mul", picked, graph.constant(weight)))
    return products


def _linear_weights(length: int, to: int) -> tuple[Array, Array]:
    """First of the two source pixels and the second's share, float32, as OpenCV computes them: centres aligned."""
    at = ((np.arange(to) + 0.5) * (length / to) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    return first, (at - first).astype(np.float32)


def _grown_area_weights(length: int, to: int) -> tuple[Array, Array]:
    """The same for INTER_AREA where a side grows: whole source pixels, mixed only where two share a target."""
    index = np.arange(to)
    first = np.floor(index * (length / to)).astype(np.int64)
    share = ((index + 1) - (first + 1) * (to / length)).astype(np.float32)
    return first, np.where(share <= 0, 0, share - np.floor(share)).astype(np.float32)


def _area_taps(length: int, to: int) -> list[tuple[Array, Array]]:
    """For every source pixel that a target's area may touch, in order: its index, and its float32 share (or 0)."""
    scale = length / to
    start = np.arange(to) * scale
    first = np.floor(start + 1e-3).astype(np.int64)  # OpenCV leaves out slivers below a thousandth
    taps = []
    for step in range(int(np.ceil(scale)) + 1):
        pixel = first + step
        covered = np.minimum(start + scale, pixel + 1) - np.maximum(start, pixel)
        covered = np.where((covered > 1e-3) & (pixel < length), np.minimum(covered, 1), 0)
        if covered.any():
            taps.append((np.minimum(pixel, length - 1), (covered / scale).astype(np.float32)))
    return taps
