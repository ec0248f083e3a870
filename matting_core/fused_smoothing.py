"""`stabilise_motion.MotionAware` in ONNX operators, with its constants: the same steps on the same whole numbers.

Between frames a graph remembers nothing, so what is remembered comes in and goes out: `memory` and `mood`. Everything
is float32, which holds MotionAware's integers exactly; only their products are rounded, so that a matte may differ by a
few of its steps.
"""

import math

import numpy as np
from onnx import TensorProto

from matting_core.fused_ops import GraphWriter, box_mean
from matting_core.fused_spec import STATE, fresh_mood
from matting_core.stabilise_motion import FINE, KEEPS, ONE, MotionAware, keep_shares

PLANES = (1, 1, 1, 1, 3)
"""Of memory: the smoothed alpha, the network's, the luma that the first stands for, trust, and the frame before."""

# OpenCV's integers (cv2.COLOR_BGR2GRAY), in 2⁻¹⁵.
_GREY = (3735, 19235, 9798)
_GREY_UNIT = 1 << 15


def state_shapes(size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Of what is remembered of pictures of that size (height, width), float32, by the names of STATE.

    memory: PLANES; any numbers before the first frame. mood: then `fresh_mood`.
    """
    return dict(zip(STATE, ((1, sum(PLANES), *size), fresh_mood().shape), strict=True))


def smooth(g: GraphWriter, alpha: str, guide: str, size: tuple[int, int]) -> str:
    """What `MotionAware.push` answers, 1×1×h×w in [0, 1]; what it remembers comes in and goes out as STATE says.

    alpha: 1×1×h×w in [0, 1]. guide: 1×3×h×w BGR, whole values 0…255.
    """
    return _Motion(g, size).push(alpha, guide)


class _Motion:
    """Writes the steps of `MotionAware.push`, by the names that they have there."""

    def __init__(self, g: GraphWriter, size: tuple[int, int]) -> None:
        self._g = g
        self._size = size
        memory, mood = STATE
        self._alpha, self._raw, self._reference, self._trust, self._guide = g.split(memory, PLANES, axis=1)
        self._noise, self._known = g.split(mood, (1, 1), axis=0)

    def push(self, alpha: str, guide: str) -> str:
        g, rule = self._g, MotionAware
        change, luma = self._change(guide), self._luma(guide)
        noise = self._measured(change)
        drift = self._times(g.add("Abs", g.add("Sub", luma, self._reference)), 4 / rule.DRIFT / FINE)
        unrest = g.add("Max", change, self._blur(self._level(drift)))
        spread = g.add("Max", g.add("Add", noise, g.number(rule.LEVELS)), g.number(rule.LEAST))
        calm = self._times(spread, 4)
        anew = self._anew(unrest, calm)
        unstill = g.add("Mul", unrest, g.add("Div", g.number(255), calm))
        still = self._level(g.add("Sub", g.number(510), unstill))
        gained = g.add("Min", g.add("Add", self._trust, g.number(rule.GAIN)), g.number(255))
        trust = g.add("Round", self._times(g.add("Mul", gained, still), 1 / 255))
        raw = g.add("Floor", self._times(alpha, ONE))
        agreed = self._agreed(raw, trust)
        share = self._share(trust, g.add("Less", agreed, self._alpha))
        settled = self._blend(self._alpha, agreed, share)
        reference = self._blend(self._reference, luma, share)
        kept = (
            g.add("Where", anew, raw, settled),
            raw,
            g.add("Where", anew, luma, reference),
            g.add("Where", anew, g.number(0), trust),
            guide,
        )
        memory, mood = STATE.values()
        g.add("Concat", *kept, axis=1, name=memory)
        g.add("Concat", noise, g.constant(np.ones(1, np.float32)), axis=0, name=mood)
        return g.add("Where", anew, alpha, self._times(settled, 1 / ONE))

    def _change(self, guide: str) -> str:
        """The mean over the colours' changes, in quarters of a grey level."""
        g = self._g
        blue, green, red = g.split(g.add("Abs", g.add("Sub", guide, self._guide)), (1, 1, 1), axis=1)
        total = self._level(self._times(g.add("Add", blue, green), 4 / 3))
        return self._level(g.add("Add", total, self._times(red, 4 / 3)))

    def _luma(self, guide: str) -> str:
        """The picture's luma in steps of FINE."""
        g = self._g
        blue, green, red = (
            self._times(plane, weight) for plane, weight in zip(g.split(guide, (1, 1, 1), axis=1), _GREY, strict=True)
        )
        total = g.add("Add", g.add("Add", blue, green), red)
        rounded = g.add("Add", total, g.number(_GREY_UNIT / 2))
        return self._times(g.add("Floor", self._times(rounded, 1 / _GREY_UNIT)), FINE)

    def _measured(self, change: str) -> str:
        """The noise, after the change in the calmer part of the picture; what is beyond the cap is not told apart."""
        g, rule = self._g, MotionAware
        grid = (0, max(self._size), rule.GRID)
        sample = g.slice(self._blur(change), {2: grid, 3: grid})
        count = len(range(0, self._size[0], rule.GRID)) * len(range(0, self._size[1], rule.GRID))
        levels = np.arange(math.ceil(4 * rule.NOISE_CAP / rule.CALM_TO_NOISE), dtype=np.float32).reshape(-1, 1)
        within = g.add("LessOrEqual", g.reshape(sample, (1, count)), g.constant(levels))
        counts = g.reshape(self._sum(within, axis=1), (len(levels),))
        # The level that MotionAware's partition finds is one more than each level that too few pixels keep within.
        calm = self._sum(g.add("LessOrEqual", counts, g.number(round(rule.CALM_SHARE * (count - 1)))), axis=0)
        found = g.add("Min", self._times(calm, rule.CALM_TO_NOISE / 4), g.number(rule.NOISE_CAP))
        step = self._times(g.add("Sub", found, self._noise), rule.NOISE_PACE)
        return g.add("Add", self._noise, g.add("Mul", step, self._known))

    def _anew(self, unrest: str, calm: str) -> str:
        """Whether smoothing begins with this frame: it is the first, or most of it moves."""
        g, rule = self._g, MotionAware
        moving = g.add("Greater", g.reshape(unrest, (math.prod(self._size),)), self._times(calm, rule.MOVING))
        most = g.number(rule.CUT * math.prod(self._size))
        return g.add("Or", g.add("Greater", self._sum(moving, axis=0), most), g.add("Less", self._known, g.number(1)))

    def _agreed(self, raw: str, trust: str) -> str:
        """`MotionAware._agreed`."""
        g, doubt = self._g, MotionAware.DOUBT
        low, high = g.add("Min", raw, self._raw), g.add("Max", raw, self._raw)
        agreed = g.add("Max", g.add("Min", high, self._alpha), low)
        doubted = g.add("Round", g.add("Add", self._times(agreed, doubt), self._times(raw, 1 - doubt)))
        unsettled = g.add("LessOrEqual", trust, g.number(MotionAware.WAIT_LEVEL))
        return g.add("Where", unsettled, raw, g.add("Min", agreed, doubted))

    def _share(self, trust: str, falls: str) -> str:
        """`MotionAware._share`."""
        g = self._g
        half = g.add("Where", falls, g.number(KEEPS), g.number(0))
        index = g.cast(g.add("Add", g.add("Floor", self._times(trust, 0.5)), half), TensorProto.INT32)
        return g.add("Gather", g.constant(keep_shares().astype(np.float32)), index, axis=0)

    def _blend(self, old: str, new: str, share: str) -> str:
        """`MotionAware._blend`."""
        g = self._g
        kept = g.add("Mul", g.add("Sub", old, new), share)
        return g.add("Add", new, g.add("Round", self._times(kept, 1 / ONE)))

    def _times(self, value: str, factor: float) -> str:
        return self._g.add("Mul", value, self._g.number(factor))

    def _level(self, value: str) -> str:
        """Rounded to 0…255."""
        g = self._g
        return g.add("Clip", g.add("Round", value), g.number(0), g.number(255))

    def _blur(self, levels: str) -> str:
        """cv2.blur over 3×3."""
        return self._g.add("Round", box_mean(self._g, levels, 3, self._size))

    def _sum(self, truths: str, axis: int) -> str:
        """How many are true, along an axis of them, which stays, of length 1."""
        g = self._g
        return g.add("ReduceSum", g.cast(truths, TensorProto.FLOAT), g.constant(np.array([axis], np.int64)), keepdims=1)
