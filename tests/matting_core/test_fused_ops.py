"""OpenCV's resampling in ONNX operators: equal to the last bit, on noise, at the sizes of cameras and at odd ones."""

from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from matting_core import fused_ops, preprocess
from matting_core.frames import Array
from matting_core.fused_ops import GraphWriter
from matting_core.runs import centres

Size = tuple[int, int]


def run(build: Callable[[GraphWriter, str], str], image: Array) -> Array:
    """What the operators that `build` writes make of a picture (H×W×C or H×W), in its layout again, float32."""
    planes = np.atleast_3d(image).transpose(2, 0, 1)[None].astype(np.float32)
    graph = GraphWriter()
    result = graph.add("Identity", build(graph, "picture"), name="result")
    source = helper.make_tensor_value_info("picture", TensorProto.FLOAT, planes.shape)
    target = helper.make_tensor_value_info(result, TensorProto.FLOAT, [None] * 4)
    made = helper.make_graph(graph.nodes, "test", [source], [target], graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: Array = session.run(None, {"picture": np.ascontiguousarray(planes)})[0][0].transpose(1, 2, 0)
    return answer.reshape(answer.shape[:2] if image.ndim == 2 else answer.shape)


def noise(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((720, 1280), (288, 512)),  # a halving, then 5:4
        ((480, 848), (288, 512)),  # two ratios, neither whole
        ((721, 1281), (288, 512)),  # an odd pair is halved upwards
        ((480, 640), (576, 768)),  # a camera smaller than the network
        ((288, 352), (416, 512)),
        ((360, 640), (352, 640)),  # one side only
        ((288, 512), (288, 512)),
    ],
)
def test_shrinking_is_that_of_preprocess(size: Size, to: Size) -> None:
    image = noise(*size, 3)
    answer = run(lambda graph, picture: fused_ops.shrink(graph, picture, size, to), image)
    np.testing.assert_array_equal(answer, preprocess.shrink(image, to))


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((288, 512), (720, 1280)),
        ((288, 512), (480, 848)),
        ((224, 384), (241, 427)),
        ((45, 80), (23, 40)),  # one side halves, the other nearly
        ((90, 160), (45, 80)),
    ],
)
def test_linear_interpolation_is_opencvs(size: Size, to: Size) -> None:
    image = noise(*size)
    answer = run(lambda graph, picture: fused_ops.linear(graph, picture, size, to), image)
    np.testing.assert_array_equal(answer, cv2.resize(image, to[::-1], interpolation=cv2.INTER_LINEAR))


def test_area_interpolation_rounds_halves_as_opencv_does() -> None:
    """At 6:5 exact halves are common, and the order of sums decides where they go."""
    image = noise(576, 768)
    answer = run(lambda graph, picture: fused_ops.area(graph, picture, (576, 768), (480, 640)), image)
    np.testing.assert_array_equal(answer, cv2.resize(image, (640, 480), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("size", "to"), [((45, 80), (90, 160)), ((90, 160), (720, 1280)), ((31, 54), (242, 430)), ((31, 54), (241, 427))]
)
def test_plates_are_enlarged_and_sampled_as_the_compositor_does(size: Size, to: Size) -> None:
    plate = noise(*size, 4).astype(np.float32)
    answer = run(lambda graph, values: fused_ops.bilinear(graph, values, to), plate)
    places = np.meshgrid(centres(to[1], size[1]), centres(to[0], size[0]))
    sampled = cv2.remap(plate, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    for expected in (cv2.resize(plate, to[::-1]), sampled):
        assert float(np.abs(answer - expected).max()) < 1e-2


@pytest.mark.parametrize("size", [(23, 40), (3, 5), (1, 20)])
def test_boxes_mirror_the_picture_beyond_its_border(size: Size) -> None:
    image = noise(*size, 4)
    mean = run(lambda graph, picture: fused_ops.box_mean(graph, picture, 9, size), image)
    np.testing.assert_allclose(mean, cv2.boxFilter(image, cv2.CV_32F, (9, 9)), rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.4, 1.7, 2.9])
@pytest.mark.parametrize("size", [(45, 80), (6, 11)])
def test_a_gaussian_is_opencvs_of_floats(sigma: float, size: Size) -> None:
    image = noise(*size, 4).astype(np.float32)
    blurred = run(lambda graph, picture: fused_ops.gaussian(graph, picture, sigma, 4, size), image)
    np.testing.assert_allclose(blurred, cv2.GaussianBlur(image, (0, 0), sigma), rtol=1e-5)


@pytest.mark.parametrize("size", [(45, 80), (44, 80), (23, 41), (3, 6)])
def test_an_average_of_floats_over_areas_is_not_rounded(size: Size) -> None:
    image, to = noise(*size, 4).astype(np.float32), (max(1, size[0] // 4), max(1, size[1] // 4))
    mean = run(lambda graph, picture: fused_ops.area_mean(graph, picture, size, to), image)
    np.testing.assert_allclose(mean, cv2.resize(image, to[::-1], interpolation=cv2.INTER_AREA), rtol=1e-5)


def test_equal_constants_are_kept_once() -> None:
    graph = GraphWriter()
    assert graph.number(255) == graph.number(255.0) != graph.integer(255)
    assert len(graph.initializers) == 2
