"""Smoothing in ONNX operators beside MotionAware itself, which it repeats."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from matting_core.frames import FloatAlpha, Image
from matting_core.fused_ops import GraphWriter
from matting_core.fused_smoothing import smooth, state_shapes
from matting_core.fused_spec import STATE, fresh_mood
from matting_core.stabilise_motion import ONE, MotionAware

SIZE = (96, 160)
STEPS = 2
"""By how many of MotionAware's steps, 128 in a level, an alpha may differ."""


@pytest.fixture(scope="module")
def graph() -> onnxruntime.InferenceSession:
    """alpha and guide, 1×C×h×w, with what is remembered → alpha, and what is then."""
    g = GraphWriter()
    state = state_shapes(SIZE)
    smoothed = smooth(g, "alpha", "guide", SIZE)
    shapes = {"alpha": (1, 1, *SIZE), "guide": (1, 3, *SIZE), **state}
    answers = {smoothed: shapes["alpha"], **{STATE[name]: shape for name, shape in state.items()}}
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
        for values in (shapes, answers)
    )
    model = helper.make_model(
        helper.make_graph(g.nodes, "smoothing", inputs, outputs, g.initializers),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def filmed(noise: float, count: int) -> list[tuple[FloatAlpha, Image]]:
    """A ball that rolls through a room which grows lighter, a person who sits, a cut, and a matte that flickers."""
    rng = np.random.default_rng(round(noise))
    room = cv2.normalize(cv2.GaussianBlur(rng.random((*SIZE, 3)), (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    frames = []
    for index in range(count):
        if index == count * 2 // 3:
            room = room[::-1]
        seen = np.clip(room + rng.normal(0, noise, room.shape) + index * 0.3, 0, 255).astype(np.uint8)
        alpha = np.zeros(SIZE, np.float32)
        alpha[60:90, 20:140] = 1
        for picture, colour in ((seen, (0, 0, 255)), (alpha, (1,))):
            cv2.circle(picture, (20 + 3 * (index % 30), 40), 15, colour, -1)
        soft = cv2.GaussianBlur(alpha, (0, 0), 2) + rng.normal(0, 0.1, SIZE)
        frames.append((np.clip(soft, 0, 1).astype(np.float32), seen))
    return frames


@pytest.mark.parametrize("noise", [0, 1, 4])
def test_it_answers_as_motion_does(graph: onnxruntime.InferenceSession, noise: float) -> None:
    stabiliser, mood = MotionAware(), fresh_mood()
    memory = np.full(state_shapes(SIZE)["memory"], 77, np.float32)  # of another sequence
    smoothed_frames = 0
    for alpha, guide in filmed(noise, 30):
        pushed = stabiliser.push(alpha, guide.copy(), None)
        assert pushed is not None
        planes = np.ascontiguousarray(guide.transpose(2, 0, 1)[None], np.float32)
        given = {"alpha": alpha[None, None], "guide": planes, "memory": memory, "mood": mood}
        smoothed, memory, mood = graph.run(None, given)
        np.testing.assert_allclose(smoothed[0, 0], pushed[0], atol=STEPS / ONE)
        smoothed_frames += not np.array_equal(pushed[0], alpha)
    assert 20 < smoothed_frames < 30, "the first and that of the cut are not"
