"""The whole way of a frame as one ONNX graph of fixed sizes, made from any model of the store, for a GPU to run.

frame → preprocess → network → smoothing → alpha at full size → decontaminate → blend → canvas (and I420 or NV12). Each
stage is the one of `preprocess`, `stabilise_motion`, `foreground` and `composite`, with the same constants and
rounding; the tests hold them side by side. Edge controls other than decontamination, and other smoothing, stay with the
stages.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from matting_core.errors import EngineError
from matting_core.frames import half_size
from matting_core.fused_foreground import blurred_room, plates
from matting_core.fused_network import OPSET, load_network, network_names
from matting_core.fused_ops import GraphWriter, area, bilinear, halve, linear, shrink
from matting_core.fused_smoothing import smooth, state_shapes
from matting_core.fused_spec import SMALLEST, STATE, FusedSpec
from matting_core.preprocess import SURE

# BT.601 in limited range, of B, G and R: OpenCV's integers (cv2.COLOR_BGR2YUV_I420), in 2⁻²⁰.
_LUMA = ((102760, 528482, 269484),)
_CHROMA = ((460324, -305135, -155188), (-74448, -385875, 460324))
_YUV_UNIT = 1 << 20


def build_fused(model: Path, spec: FusedSpec) -> onnx.ModelProto:
    """The graph.

    Inputs: frame, and unless the room is blurred background: uint8 H×W×3 BGR. With smoothing also memory and mood
    (`fused_smoothing`).

    Outputs: alpha: float32 h×w in [0, 1] at the network's size, as it is composed. health: float32, the least, greatest
    and mean alpha of the network, and with smoothing those of the smoothed, so that what is no matte can be told
    without reading it; of these the mean alone tells of every NaN. canvas: uint8 H×W×3 BGR. If asked, matte: uint8 H×W,
    alpha as it is blended; i420, nv12: uint8 H·3/2×W, BT.601 in limited range. With smoothing also those of STATE.

    Raises EngineError for sizes it cannot serve, ModelError for a file that is no matting network.
    """
    _check(spec)
    writer = _Fused(spec)
    writer.matte(load_network(model, spec.network, spec.half))
    writer.compose()
    graph = helper.make_graph(writer.graph.nodes, "fused", writer.inputs, writer.outputs, writer.graph.initializers)
    fused = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", max(OPSET, writer.opset))], producer_name="mattecam"
    )
    fused.ir_version = writer.ir_version
    return fused


def _check(spec: FusedSpec) -> None:
    height, width = spec.size
    if min(spec.size) < SMALLEST:
        raise EngineError(
            f"The fused graph cannot take pictures of {width}×{height}.", f"Choose at least {SMALLEST}×{SMALLEST}."
        )
    if spec.yuv and (height % 2 or width % 2):
        raise EngineError(
            f"A picture of {width}×{height} cannot become {spec.yuv[0].upper()}.", "Choose an even width and height."
        )


def _value(name: str, shape: tuple[int, ...], kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


class _Fused:
    """Writes the stages one behind the other. Pictures inside are 1×C×H×W, whole values 0…255.

    At the frame's size they are float16 if `half`: 8-bit levels and their quarters are exact in it, half the bytes have
    to be moved, and what rounding does to the blend stays below half a level. Elsewhere they are float32.
    """

    def __init__(self, spec: FusedSpec) -> None:
        self.spec = spec
        self.graph = GraphWriter()
        pictures = ("frame",) if spec.blur else ("frame", "background")
        self.inputs = [_value(name, (*spec.size, 3), TensorProto.UINT8) for name in pictures]
        self.outputs: list[onnx.ValueInfoProto] = []
        self.opset = OPSET
        self.ir_version = 8  # of operator set 18
        self._wide = TensorProto.FLOAT16 if spec.half else TensorProto.FLOAT
        self._kind = np.dtype(np.float16 if spec.half else np.float32)
        self._frame = self._planes("frame", spec.size)
        self._halved = self._halved_matte = ""

    def matte(self, network: onnx.ModelProto) -> None:
        """frame → alpha at the network's size, smoothed if asked, and the health of both."""
        g, size = self.graph, self.spec.network
        small = self._shrunk()
        rgb = g.add("Gather", small, g.constant(np.array([2, 1, 0], np.int64)), axis=1)
        centred = g.add("Sub", rgb, g.number(127.5))
        source, matte = network_names(network)
        g.add("Mul", centred, g.number(1 / 127.5), name=source)
        g.nodes.extend(network.graph.node)
        g.initializers.extend(network.graph.initializer)
        self.opset = max(self.opset, *(entry.version for entry in network.opset_import if not entry.domain))
        self.ir_version = max(self.ir_version, network.ir_version)
        figures = self._figures(matte, "ReduceMin", "ReduceMax", "ReduceMean")
        alpha = matte
        if self.spec.smooth:
            alpha = self._smoothed(g.reshape(matte, (1, 1, *size)), small)
            figures += self._figures(alpha, "ReduceMin", "ReduceMax", "ReduceMean")
        self._give("health", g.add("Concat", *figures, axis=0, name="health"), (len(figures),), TensorProto.FLOAT)
        self._give("alpha", g.reshape(alpha, size, name="alpha"), size, TensorProto.FLOAT)

    def _figures(self, alpha: str, *kinds: str) -> list[str]:
        return [self.graph.reshape(self.graph.add(kind, alpha, keepdims=1), (1,)) for kind in kinds]

    def _smoothed(self, alpha: str, guide: str) -> str:
        """Alpha as `MotionAware` answers it; what it remembers is given out."""
        for name, shape in state_shapes(self.spec.network).items():
            self.inputs.append(_value(name, shape, TensorProto.FLOAT))
            self._give(STATE[name], STATE[name], shape, TensorProto.FLOAT)
        return smooth(self.graph, alpha, guide, self.spec.network)

    def compose(self) -> None:
        """frame, alpha at the network's size and what stands behind → canvas, and its YUV forms."""
        g, size = self.graph, self.spec.size
        restored = self._restore("alpha")
        if self.spec.matte:
            self._give(
                "matte", g.reshape(g.cast(restored, TensorProto.UINT8), size, name="matte"), size, TensorProto.UINT8
            )
        matte = g.cast(restored, self._wide)
        unit = g.add("Div", matte, self._number(255))
        colour = self._foreground(matte, unit) if self.spec.decontaminate else self._frame
        behind = self._room(matte) if self.spec.blur else self._planes("background", size)
        blend = g.add("Mul", g.add("Sub", colour, behind), unit)
        canvas = g.add("Round", g.add("Add", blend, behind))
        self._give_picture("canvas", canvas, size)
        if self.spec.yuv:
            self._give_yuv(canvas)

    def _number(self, value: float) -> str:
        """A constant to reckon with at the frame's size."""
        return self.graph.constant(np.array(value, self._kind))

    def _planes(self, name: str, size: tuple[int, int]) -> str:
        """An uint8 H×W×3 input as 1×3×H×W."""
        planes = self.graph.add("Transpose", name, perm=[2, 0, 1])
        return self.graph.cast(self.graph.reshape(planes, (1, 3, *size)), self._wide)

    def _half(self) -> str:
        """`preprocess.halve` of the frame, float32; made once."""
        if not self._halved:
            self._halved = halve(self.graph, self._frame, self.spec.size)
        return self._halved

    def _shrunk(self) -> str:
        """`preprocess.shrink` of the frame, float32."""
        size, to = self.spec.size, self.spec.network
        if size[0] < 2 * to[0] or size[1] < 2 * to[1]:
            return shrink(self.graph, self.graph.cast(self._frame, TensorProto.FLOAT), size, to)
        return shrink(self.graph, self._half(), half_size(size), to)

    def _restore(self, alpha: str) -> str:
        """`preprocess.restore_alpha`: rounded to 0…255, made sure where it nearly is, then enlarged; float32."""
        g, size, network = self.graph, self.spec.size, self.spec.network
        scaled = g.add("Round", g.add("Mul", g.reshape(alpha, (1, 1, *network)), g.number(255)))
        # SURE_LEVELS in arithmetic, as a level that is no number cannot be looked up in a table.
        spread = g.add("Mul", g.add("Sub", g.add("Abs", scaled), g.number(SURE)), g.number(255 / (255 - 2 * SURE)))
        rounded = g.add("Clip", g.add("Round", spread), g.number(0), g.number(255))
        if network == size:
            return rounded
        shrinking = size[0] * size[1] < network[0] * network[1]
        return (area if shrinking else linear)(g, rounded, network, size)

    def _foreground(self, matte: str, unit: str) -> str:
        """`foreground.foreground_at` for every pixel."""
        g = self.graph
        parts = plates(g, self._half(), self._half_matte(matte), half_size(self.spec.size))
        near, near_weight, far, far_weight = (self._enlarged(part) for part in parts)
        person = g.add("Mul", near, g.add("Div", self._number(255), near_weight))
        room = g.add("Mul", far, g.add("Div", self._number(255), far_weight))
        # I − B̂ − α(F̂ − B̂), the order of sums as in foreground_at.
        mixed = g.add("Mul", g.add("Sub", person, room), unit)
        residual = g.add("Sub", g.add("Sub", self._frame, room), mixed)
        colour = g.add("Add", person, g.add("Mul", residual, unit))
        return g.add("Clip", colour, self._number(0), self._number(255))

    def _enlarged(self, plate: str) -> str:
        """A small picture where the compositor samples it, at the frame's size; its fractions are kept."""
        return bilinear(self.graph, self.graph.cast(plate, self._wide), self.spec.size)

    def _half_matte(self, matte: str) -> str:
        """`preprocess.halve` of the alpha, float32; made once."""
        if not self._halved_matte:
            self._halved_matte = halve(self.graph, matte, self.spec.size)
        return self._halved_matte

    def _room(self, matte: str) -> str:
        """The blurred room; enlarged in floats, and then rounded."""
        g, half = self.graph, half_size(self.spec.size)
        small = blurred_room(g, self._half(), self._half_matte(matte), half, self.spec.blur)
        return g.add("Round", self._enlarged(small))

    def _give_yuv(self, canvas: str) -> None:
        """The canvas as OpenCV converts it: chroma is that of the upper left pixel of each four."""
        g, (height, width) = self.graph, self.spec.size
        luma = g.reshape(self._mixed(canvas, _LUMA, 16, 1), (height, width))
        planes = self._mixed(canvas, _CHROMA, 128, 2)
        for name in dict.fromkeys(self.spec.yuv):
            chroma = g.add("Transpose", planes, perm=[0, 2, 3, 1]) if name == "nv12" else planes
            packed = g.add("Concat", luma, g.reshape(chroma, (height // 2, width)), axis=0, name=name)
            self._give(name, packed, (height * 3 // 2, width), TensorProto.UINT8)

    def _mixed(self, canvas: str, weights: tuple[tuple[int, ...], ...], offset: int, step: int) -> str:
        """Planes of YUV as uint8: weighted sums over B, G and R of every step-th pixel, rounded."""
        g = self.graph
        kernel = np.array(weights, np.float64).reshape(-1, 3, 1, 1) / _YUV_UNIT
        middle = np.full(len(weights), offset + 0.5)  # what is cut off is then rounded
        parts = (g.constant(values.astype(self._kind)) for values in (kernel, middle))
        return g.cast(g.add("Conv", canvas, *parts, kernel_shape=[1, 1], strides=[step, step]), TensorProto.UINT8)

    def _give_picture(self, name: str, planes: str, size: tuple[int, int]) -> None:
        g = self.graph
        levels = g.reshape(g.cast(planes, TensorProto.UINT8), (3, *size))
        self._give(name, g.add("Transpose", levels, perm=[1, 2, 0], name=name), (*size, 3), TensorProto.UINT8)

    def _give(self, name: str, value: str, shape: tuple[int, ...], kind: int) -> None:
        assert value == name, "an output is named where it is made"
        self.outputs.append(_value(name, shape, kind))
