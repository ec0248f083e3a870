"""The fused graph on the CPU provider beside the OpenCV path: the same stages, within the levels stated here."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from matting_core.engine import MattingEngine, create_engine
from matting_core.errors import EngineError, ModelError
from matting_core.foreground import blurred_room
from matting_core.frames import Alpha, Array, Image
from matting_core.fused_graph import build_fused
from matting_core.fused_spec import FusedSpec
from matting_core.preprocess import network_size, restore_alpha, shrink, to_blob
from tests.support.canvas import LEVELS, composed, largest_difference
from tests.support.plain_networks import red_alpha, red_frame, write_red_network
from tests.support.tiny_onnx import write_network

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "modnet_photographic.onnx"
SIZES = [(360, 640), (720, 1280), (480, 848)]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def answers(fused: onnxruntime.InferenceSession, **inputs: Array) -> dict[str, Array]:
    return dict(zip((value.name for value in fused.get_outputs()), fused.run(None, inputs), strict=True))


def run(model: onnx.ModelProto, **inputs: Array) -> dict[str, Array]:
    return answers(session(model), **inputs)


@pytest.fixture(scope="module")
def engine() -> MattingEngine:
    return create_engine("cpu", MODEL)


def portrait(height: int, width: int) -> Image:
    """The demo portrait, filling a frame of that size."""
    image = cv2.imread(str(ROOT / "assets" / "demo_portrait.jpg"))
    assert image is not None
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def noise(*shape: int) -> Image:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_way_is_that_of_opencv(size: tuple[int, int], engine: MattingEngine) -> None:
    network = network_size(*size, 512)
    frame, background = portrait(*size), noise(*size, 3)
    alpha = engine.predict(to_blob(shrink(frame, network)))

    spec = FusedSpec(size, network, yuv=("i420", "nv12"))
    whole = run(build_fused(MODEL, spec), frame=frame, background=background)
    assert float(np.abs(whole["alpha"] - alpha).max()) < 1e-4
    np.testing.assert_allclose(whole["health"], [alpha.min(), alpha.max(), alpha.mean()], atol=1e-4)
    expected = composed(frame, restore_alpha(alpha, *size), background)
    assert largest_difference(whole["canvas"], expected) <= LEVELS
    assert 0.2 < float((whole["canvas"] == frame).all(axis=2).mean()) < 0.9, "a person before a background"

    # The canvas' own conversion is OpenCV's but for what lies at a half, and NV12 is I420 with its chroma in turns.
    converted = cv2.cvtColor(whole["canvas"], cv2.COLOR_BGR2YUV_I420)
    assert largest_difference(whole["i420"], converted) <= 1
    assert float((whole["i420"] != converted).mean()) < 1e-4
    height, width = size
    np.testing.assert_array_equal(whole["nv12"][:height], whole["i420"][:height])
    blue, red = whole["i420"][height:].reshape(2, height // 2, width // 2)
    np.testing.assert_array_equal(whole["nv12"][height:].reshape(height // 2, width // 2, 2), np.dstack([blue, red]))


def mattes(size: tuple[int, int]) -> dict[str, Alpha]:
    """Such that each branch of decontamination is tried."""
    rng = np.random.default_rng(3)
    ramp = np.tile(np.rint(np.linspace(0, 255, size[1])).astype(np.uint8), (size[0], 1))
    speck = np.zeros(size, np.uint8)
    speck[size[0] // 2 : size[0] // 2 + 6, size[1] // 3 : size[1] // 3 + 6] = 178
    noise = rng.integers(0, 256, size, np.uint8)
    return {
        "ramp": ramp,
        "noise": noise,
        "soft noise": np.rint(cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 3)).astype(np.uint8),
        "speck": speck,
        "nobody": np.zeros(size, np.uint8),
        "only person": np.full(size, 255, np.uint8),
        "half of each": np.full(size, 128, np.uint8),  # neither person nor room anywhere
    }


@pytest.mark.parametrize("size", [*SIZES, (242, 430), (288, 512), (241, 427)])
@pytest.mark.parametrize("decontaminate", [True, False])
def test_any_matte_is_composed_as_the_compositor_does(
    size: tuple[int, int], decontaminate: bool, tmp_path: Path
) -> None:
    network, background = (288, 512), noise(*size, 3)
    red = write_red_network(tmp_path / "red.onnx")
    fused = session(build_fused(red, FusedSpec(size, network, decontaminate=decontaminate)))
    for index, (name, matte) in enumerate(mattes(size).items()):
        frame = red_frame(matte, index)
        restored = restore_alpha(red_alpha(frame, network), *size)
        canvas = answers(fused, frame=frame, background=background)["canvas"]
        expected = composed(frame, restored, background, decontaminate)
        assert largest_difference(canvas, expected) <= LEVELS, name
        np.testing.assert_array_equal(canvas[restored == 0], background[restored == 0])
        np.testing.assert_array_equal(canvas[restored == 255], frame[restored == 255])


@pytest.mark.parametrize("sigma", [0.7, 3.0, 30.0, 150.0])
@pytest.mark.parametrize("size", [(720, 1280), (242, 430), (241, 427), (96, 160)])
def test_the_room_is_blurred_as_behind_the_compositor(size: tuple[int, int], sigma: float, tmp_path: Path) -> None:
    """Also where there is no room, or nothing else."""
    network = (96, 160)
    fused = session(build_fused(write_red_network(tmp_path / "red.onnx"), FusedSpec(size, network, blur=sigma)))
    assert [value.name for value in fused.get_inputs()] == ["frame"]
    for index, (name, matte) in enumerate(mattes(size).items()):
        frame = red_frame(matte, index)
        restored = restore_alpha(red_alpha(frame, network), *size)
        canvas = answers(fused, frame=frame)["canvas"]
        expected = composed(frame, restored, blurred_room(frame, restored, sigma))
        assert largest_difference(canvas, expected) <= LEVELS, name
        np.testing.assert_array_equal(canvas[restored == 255], frame[restored == 255])


def test_half_precision_changes_alpha_little_and_its_ends_not_at_all(tmp_path: Path, engine: MattingEngine) -> None:
    """The network in fp16 between float32 ends. On this provider its sums are not those of a GPU, its weights are."""
    size, network = (360, 640), (288, 512)
    frame = portrait(*size)
    model = build_fused(MODEL, FusedSpec(size, network, half=True))
    kinds = {tensor.data_type for tensor in model.graph.initializer if tensor.name.startswith("network/")}
    assert onnx.TensorProto.FLOAT16 in kinds
    alpha = run(model, frame=frame, background=frame)["alpha"]
    assert alpha.dtype == np.float32
    difference = np.abs(alpha - engine.predict(to_blob(shrink(frame, network))))
    assert 0 < float(difference.mean()) < 2e-3


def test_a_small_network_of_free_size_is_taken_too(tmp_path: Path) -> None:
    tiny = write_network(tmp_path / "tiny.onnx")
    frame, size = noise(96, 128, 3), (96, 128)
    alpha = run(build_fused(tiny, FusedSpec(size, (96, 128))), frame=frame, background=frame)["alpha"]
    np.testing.assert_allclose(alpha, 1 / (1 + np.exp(-to_blob(frame).mean(axis=1)))[0], rtol=1e-5)


def test_what_cannot_be_built_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    two = write_network(tmp_path / "two.onnx", ("Add", "ReduceMean"), second_input=True)
    spec = FusedSpec((96, 128), (96, 128))
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be read"):
        build_fused(broken, spec)
    with pytest.raises(ModelError, match="not a portrait matting network"):
        build_fused(two, spec)
    with pytest.raises(EngineError, match="128×64"):
        build_fused(MODEL, FusedSpec((64, 128), (64, 128)))
    with pytest.raises(EngineError, match="cannot become I420"):
        build_fused(MODEL, FusedSpec((97, 128), (96, 128), yuv=("i420",)))
