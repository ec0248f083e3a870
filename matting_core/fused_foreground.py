"""`foreground` in ONNX operators, with its constants: the rim's colours, and the blurred room.

Pictures are float32 N×C×h×w, whole values 0…255 unless said otherwise.
"""

import numpy as np
from onnx import TensorProto

from matting_core import foreground as rule
from matting_core.frames import half_size
from matting_core.fused_ops import GraphWriter, area_mean, bilinear, box_mean, gaussian, halve

Kinds = tuple[tuple[int, int], ...]


def plates(g: GraphWriter, half: str, half_matte: str, size: tuple[int, int]) -> list[str]:
    """`foreground.estimate_plates`: the person's colours and weight, and the room's, at a quarter of `size`.

    half, half_matte: the frame (1×3) and its alpha (1×1) at `size`, the half of theirs. Both plates are made at once,
    as the two of a batch: kernels for pictures this small cost by the number.
    """
    picture, alpha = (halve(g, values, size) for values in (half, half_matte))
    quarter = half_size(size)
    eighth = half_size(quarter)
    selected = _select(g, picture, alpha, (rule.PERSON, rule.ROOM), quarter)
    near = halve(g, selected, quarter)
    far = _far(g, halve(g, near, eighth), _everyone(g, selected), half_size(eighth))
    averages = g.add("Add", near, bilinear(g, far, eighth))
    person, room = g.split(averages, [1, 1], axis=0)
    return [*g.split(person, [3, 1], axis=1), *g.split(room, [3, 1], axis=1)]


def blurred_room(g: GraphWriter, half: str, half_matte: str, size: tuple[int, int], sigma: float) -> str:
    """`foreground.blurred_room` before it is enlarged, 1×3, much smaller than `size`.

    half, half_matte, size: as of `plates`. sigma: in pixels of the whole frame.
    """
    room = _select(g, half, half_matte, (rule.EMPTY_ROOM,), size)
    everyone = _everyone(g, room)
    halvings, sigma = rule.reduced_blur(sigma, size)
    for _ in range(halvings):
        room, size = halve(g, room, size), half_size(size)
    sparse = max(1, size[0] // 4), max(1, size[1] // 4)
    far = _far(g, area_mean(g, room, size, sparse), everyone, sparse)
    near = g.add("Add", gaussian(g, room, sigma, 4, size), bilinear(g, far, size))
    colours, weight = g.split(near, [3, 1], axis=1)
    return g.add("Round", g.add("Mul", g.add("Div", colours, weight), g.number(255)))


def _select(g: GraphWriter, picture: str, alpha: str, kinds: Kinds, size: tuple[int, int]) -> str:
    """`foreground._select`, of each kind as one of a batch: N×4, of a picture of that size."""
    lowest, highest = (g.add(what, alpha, keepdims=1) for what in ("ReduceMin", "ReduceMax"))
    least, most = np.array(kinds, np.float32).T.reshape(2, -1, 1, 1, 1)
    lower, upper = g.add("Min", highest, g.constant(least)), g.add("Max", lowest, g.constant(most))
    inside = g.add("And", g.add("GreaterOrEqual", alpha, lower), g.add("LessOrEqual", alpha, upper))
    full = g.constant(np.full((1, 1, *size), 255, np.float32))
    return g.add("Mul", g.add("Concat", picture, full, axis=1), g.cast(inside, TensorProto.FLOAT))


def _everyone(g: GraphWriter, selected: str) -> str:
    """The mean over each picture."""
    return g.add("ReduceMean", selected, g.constant(np.array([2, 3], np.int64)), keepdims=1)


def _far(g: GraphWriter, sparse: str, everyone: str, size: tuple[int, int]) -> str:
    """`foreground._far`, of pictures of that size."""
    spread = g.add("Mul", everyone, g.number(rule.GLOBAL_WEIGHT))
    far = g.add("Add", box_mean(g, sparse, rule.FAR[0], size), spread)
    share = g.add("Div", g.number(255 * rule.FAR_WEIGHT), g.slice(far, {1: (3, 4, 1)}))
    return g.add("Mul", far, share)
