"""The fused graph's engine on the processor: slots, smoothing, what it refuses; and on a GPU where there is one."""

import queue
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from matting_core import engine_onnxruntime
from matting_core.engine_fused import FusedEngine, Slot, _providers
from matting_core.errors import EngineError, InferenceFailed, UsageError
from matting_core.frames import FloatAlpha, Image
from matting_core.fused_graph import build_fused
from matting_core.fused_spec import FusedSpec
from matting_core.preprocess import restore_alpha, shrink, to_blob
from matting_core.stabilise_motion import MotionAware
from tests.support.canvas import LEVELS, composed, largest_difference
from tests.support.plain_networks import red_alpha, red_frame, write_red_network
from tests.support.tiny_onnx import write_network

MODEL = Path(__file__).parents[2] / "models" / "modnet_photographic.onnx"
SIZE, NETWORK = (96, 128), (96, 128)
SPEC = FusedSpec(SIZE, NETWORK, yuv=("nv12", "i420"))

# What CUDA's provider has kernels for, of the types that the graph gives them (ONNX Runtime's OperatorKernels.md).
CUDA_OPERATORS = """
Abs Add And AveragePool BatchNormalization Cast Clip Concat Constant Conv Div Expand Floor Gather
GlobalAveragePool Greater GreaterOrEqual InstanceNormalization Less LessOrEqual MatMul Max Min Mul Or Pad
ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize Round Sigmoid Slice Split Squeeze Sub Transpose Unsqueeze
Where
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A network whose alpha is the sigmoid of the mean colour."""
    return write_network(tmp_path / "tiny.onnx")


def noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def tiny_alpha(frame: Image) -> FloatAlpha:
    alpha: FloatAlpha = (1 / (1 + np.exp(-to_blob(frame).mean(axis=1))))[0].astype(np.float32)
    return alpha


def canvas(engine: FusedEngine, slot: Slot) -> Image:
    engine.compose(slot)
    return engine.collect(slot).canvas


def alpha_of(engine: FusedEngine, frame: Image) -> FloatAlpha:
    """What the frame is composed with, at the network's size."""
    slot = load(engine, frame)
    engine.compose(slot)
    alpha: FloatAlpha = slot.buffers["alpha"].download().copy()
    engine.release(slot)
    return alpha


def shaky(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """A still person with a soft edge, as `write_red_network` sees one, in a still room, in the noise of a camera."""
    matte = np.zeros(size, np.float32)
    matte[size[0] // 3 :, size[1] // 4 : size[1] // 2] = 255
    still = red_frame(np.rint(cv2.GaussianBlur(matte, (0, 0), 4)).astype(np.uint8), 5)
    grain = np.random.default_rng(seed).normal(0, 1.0, still.shape)
    return np.clip(np.rint(still + grain), 0, 255).astype(np.uint8)


def load(engine: FusedEngine, frame: Image) -> Slot:
    slot = engine.load(frame)
    assert slot is not None
    return slot


def test_frames_in_different_slots_do_not_meet(tiny: Path) -> None:
    engine = FusedEngine("cpu", tiny, SPEC)
    assert engine.provider == "CPUExecutionProvider"
    background = noise(9)
    engine.set_background(background)
    first, second = load(engine, noise(1)), load(engine, noise(2))
    assert engine.load(noise(3)) is None, "both slots are in use"
    for slot in (second, first):
        engine.compose(slot)
    finished = [engine.collect(slot) for slot in (second, first)]
    for composite, seed in zip(finished, (2, 1), strict=True):
        expected = composed(noise(seed), restore_alpha(tiny_alpha(noise(seed)), *SIZE), background)
        assert largest_difference(composite.canvas, expected) <= LEVELS
        converted = cv2.cvtColor(composite.canvas, cv2.COLOR_BGR2YUV_I420)
        assert largest_difference(composite.yuv["i420"], converted) <= 1
        assert list(composite.yuv) == ["nv12", "i420"]
    engine.release(second)
    assert load(engine, noise(3)) is second
    with pytest.raises(InferenceFailed, match="has not been composed"):
        engine.collect(second)
    engine.close()
    engine.close()


def test_it_smooths_frame_after_frame_as_motion_does(tmp_path: Path) -> None:
    """Whatever slot they are in. A second slot's warm-up is no earlier frame, and after a reset there is none."""
    engine = FusedEngine("cpu", write_red_network(tmp_path / "red.onnx"), replace(SPEC, smooth=True))
    background = noise(9)
    engine.set_background(background)
    for _ in range(2):
        stabiliser = MotionAware()
        waiting = load(engine, shaky(0))
        for seed in range(12):
            slot, waiting = waiting, load(engine, shaky(seed + 1))
            smoothed = stabiliser.push(red_alpha(shaky(seed), NETWORK), shaky(seed), None)
            assert smoothed is not None
            made = canvas(engine, slot)
            alpha = slot.buffers["alpha"].download()
            np.testing.assert_allclose(alpha, smoothed[0], atol=1e-4)
            expected = composed(shaky(seed), restore_alpha(alpha, *SIZE), background)
            assert largest_difference(made, expected) <= LEVELS
            engine.release(slot)
        engine.release(waiting)
        assert float(np.abs(alpha - red_alpha(shaky(11), NETWORK)).max()) > 2e-3, "which smoothing has changed"
        engine.reset()
    engine.close()


def test_what_is_no_matte_is_not_remembered(tmp_path: Path) -> None:
    """Its alpha is the root of how dark the picture is: of one that is light it is none."""
    network = write_network(tmp_path / "dark.onnx", ("ReduceMean", "Neg", "Sqrt"))
    engine = FusedEngine("cpu", network, replace(SPEC, smooth=True))
    light = np.full((*SIZE, 3), 200, np.uint8)
    dark = [np.full((*SIZE, 3), level, np.uint8) for level in (40, 41, 40, 41)]
    expected = [alpha_of(engine, frame) for frame in dark]
    engine.reset()
    found = []
    for frame in dark:
        found.append(alpha_of(engine, frame))
        slot = load(engine, light)
        with pytest.raises(InferenceFailed, match="not a matte"):
            engine.compose(slot)
        with pytest.raises(InferenceFailed, match="not been composed"):
            engine.collect(slot)
        engine.release(slot)
    np.testing.assert_array_equal(found, expected)
    engine.close()


def test_recording_leaves_no_earlier_frame_and_every_slot_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FusedEngine("cpu", write_red_network(tmp_path / "red.onnx"), replace(SPEC, smooth=True))
    first = alpha_of(engine, shaky(0))
    engine.record()
    alpha_of(engine, shaky(1))
    engine.record()
    np.testing.assert_array_equal(alpha_of(engine, shaky(0)), first)
    with monkeypatch.context() as patched, pytest.raises(InferenceFailed, match="no memory"):
        patched.setattr("matting_core.engine_fused._check_health", raise_no_memory)
        engine.record()
    assert [engine.load(shaky(0)) is None for _ in range(3)] == [False, False, True], "both slots are free again"
    engine.close()


def raise_no_memory(*_: object) -> None:
    raise MemoryError("no memory")


def test_an_onnx_runtime_that_cannot_copy_between_tensors_smooths_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = onnxruntime.OrtValue.update_inplace

    def older(value: onnxruntime.OrtValue, data: object) -> None:
        if not isinstance(data, np.ndarray):
            raise TypeError("incompatible function arguments")
        update(value, data)

    monkeypatch.setattr(onnxruntime.OrtValue, "update_inplace", older)
    engine = FusedEngine("cpu", write_red_network(tmp_path / "red.onnx"), replace(SPEC, smooth=True))
    stabiliser = MotionAware()
    for seed in range(6):
        smoothed = stabiliser.push(red_alpha(shaky(seed), NETWORK), shaky(seed), None)
        assert smoothed is not None
        np.testing.assert_allclose(alpha_of(engine, shaky(seed)), smoothed[0], atol=1e-4)
    engine.close()


def test_a_new_background_reaches_every_slot(tmp_path: Path) -> None:
    engine = FusedEngine("cpu", write_red_network(tmp_path / "red.onnx"), SPEC)
    nobody = red_frame(np.zeros(SIZE, np.uint8), 1)
    for seed in (5, 6):
        engine.set_background(noise(seed))
        slots = [load(engine, nobody), load(engine, nobody)]
        for slot in slots:
            np.testing.assert_array_equal(canvas(engine, slot), noise(seed))
            engine.release(slot)
    engine.close()


def test_a_frame_is_composed_once(tiny: Path) -> None:
    engine = FusedEngine("cpu", tiny, SPEC, slots=1)
    slot = load(engine, noise(1))
    engine.compose(slot)
    with pytest.raises(InferenceFailed, match="composed once"):
        engine.compose(slot)
    engine.release(slot)
    with pytest.raises(ValueError, match="that nobody has"):
        engine.release(slot)
    with pytest.raises(InferenceFailed, match="composed once"):
        engine.compose(slot)
    engine.close()


def test_one_thread_loads_while_another_composes(tiny: Path) -> None:
    engine = FusedEngine("cpu", tiny, SPEC, slots=3)
    background = noise(9)
    engine.set_background(background)
    loaded: queue.Queue[tuple[int, Slot]] = queue.Queue()
    room = threading.Semaphore(3)

    def loading() -> None:
        for seed in range(8):
            assert room.acquire(timeout=30)
            loaded.put((seed, load(engine, noise(seed))))

    thread = threading.Thread(target=loading, name="mattecam-test-load")
    thread.start()
    for _ in range(8):
        seed, slot = loaded.get(timeout=30)
        expected = composed(noise(seed), restore_alpha(tiny_alpha(noise(seed)), *SIZE), background)
        assert largest_difference(canvas(engine, slot), expected) <= LEVELS
        engine.release(slot)
        room.release()
    thread.join(30)
    engine.close()


@pytest.mark.parametrize("operators", [("ReduceMean", "Log"), ("ReduceMean",)])
def test_what_is_no_matte_gives_no_canvas(operators: tuple[str, ...], tmp_path: Path) -> None:
    """The warm-up's black frame is refused already: its alpha is the logarithm of −1, or −1 itself."""
    network = write_network(tmp_path / "bad.onnx", operators)
    with pytest.raises(InferenceFailed, match="not a matte"):
        FusedEngine("cpu", network, SPEC)


def test_a_frame_of_another_size_is_refused_and_its_slot_is_free_again(tiny: Path) -> None:
    engine = FusedEngine("cpu", tiny, SPEC, slots=1)
    with pytest.raises(ValueError, match="for a buffer of"):
        engine.load(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="a background of shape"):
        engine.set_background(np.zeros((64, 64, 3), np.uint8))
    slot = load(engine, noise(1))
    engine.close()
    with pytest.raises(InferenceFailed, match="is closed"):
        engine.compose(slot)


def test_a_provider_that_leaves_nodes_to_the_processor_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider for Azure stands in for CUDA's: every build has it, and it takes no node."""
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has no provider that takes no node")
    monkeypatch.setitem(engine_onnxruntime.PROVIDERS, "cuda", "AzureExecutionProvider")
    monkeypatch.setattr(engine_onnxruntime, "require_device", lambda: None)
    monkeypatch.setattr(
        "matting_core.engine_fused._providers", lambda *_: ["AzureExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(EngineError, match="cannot run the whole fused graph on Azure") as caught:
        FusedEngine("cuda", tiny, SPEC)
    assert caught.value.mend


def test_without_onnx_it_says_what_to_install(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matting_core.fused_graph", None)
    with pytest.raises(EngineError, match="package onnx"):
        FusedEngine("cpu", tiny, SPEC)
    with pytest.raises(UsageError, match="openvino"):
        FusedEngine("openvino", tiny, SPEC)


@pytest.mark.parametrize("live", [{}, {"matte": True}, {"matte": True, "blur": 30.0}])
def test_nothing_is_left_that_a_gpu_could_not_run(live: dict[str, Any], tmp_path: Path) -> None:
    """Recording a CUDA graph allows no node on the processor: shapes are folded, and each operator has a kernel."""
    spec = FusedSpec((720, 1280), (288, 512), yuv=("i420", "nv12"), half=True, smooth=True, **live)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Providers choose their nodes after these optimisations and before the others.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    graph = build_fused(MODEL, spec).SerializeToString()
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    folded = onnx.load(tmp_path / "folded.onnx").graph
    assert {node.op_type for node in folded.node} <= set(CUDA_OPERATORS.split())
    sides = [side for value in folded.output for side in value.type.tensor_type.shape.dim]
    assert all(side.dim_value for side in sides), "every size is fixed"


def test_tensorrt_keeps_its_engines_by_content_and_never_meets_the_processor(tmp_path: Path) -> None:
    (first, options), (second, _) = _providers("tensorrt", True, True, tmp_path / "abc")
    assert [first, second] == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    assert options["trt_engine_cache_path"] == str(tmp_path / "abc")
    assert options["trt_fp16_enable"] == "1"
    assert options["trt_cuda_graph_enable"] == "1"


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("size", [(360, 640), (1080, 1920)])
def test_cuda_gives_the_compositors_canvas(cuda_graph: bool, half: bool, size: tuple[int, int], tmp_path: Path) -> None:
    """Frame after frame, since a recording is replayed with what the buffers hold then."""
    spec = FusedSpec(size, (288, 512), yuv=("nv12", "i420"), half=half)
    engine = FusedEngine("cuda", write_red_network(tmp_path / "red.onnx"), spec, cuda_graph=cuda_graph)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        background = rng.integers(0, 256, (*size, 3), np.uint8)
        matte = cv2.GaussianBlur(rng.random(size).astype(np.float32), (0, 0), 3.0 + seed)
        frame = red_frame(np.clip((matte - 0.5) * 6000 + 128, 0, 255).astype(np.uint8), seed)
        engine.set_background(background)
        slot = load(engine, frame)
        engine.compose(slot)
        composite = engine.collect(slot)
        restored = restore_alpha(red_alpha(frame, spec.network), *size)
        assert largest_difference(composite.canvas, composed(frame, restored, background)) <= LEVELS
        np.testing.assert_array_equal(composite.canvas[restored == 255], frame[restored == 255])
        np.testing.assert_array_equal(composite.canvas[restored == 0], background[restored == 0])
        converted = cv2.cvtColor(composite.canvas, cv2.COLOR_BGR2YUV_I420)
        assert largest_difference(composite.yuv["i420"], converted) <= 1
        engine.release(slot)
    engine.close()


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_cuda_smooths_as_motion_does(cuda_graph: bool, half: bool, tmp_path: Path) -> None:
    """Over two slots. In float16 the network's alpha is rounded to a quarter of a level."""
    size, network = (1080, 1920), (288, 512)
    spec = FusedSpec(size, network, half=half, smooth=True)
    engine = FusedEngine("cuda", write_red_network(tmp_path / "red.onnx"), spec, cuda_graph=cuda_graph)
    background = np.random.default_rng(9).integers(0, 256, (*size, 3), np.uint8)
    engine.set_background(background)
    stabiliser = MotionAware()
    waiting = load(engine, shaky(0, size))
    for seed in range(8):
        slot, waiting = waiting, load(engine, shaky(seed + 1, size))
        frame = shaky(seed, size)
        smoothed = stabiliser.push(red_alpha(frame, network), shrink(frame, network), None)
        assert smoothed is not None
        made = canvas(engine, slot)
        alpha = slot.buffers["alpha"].download()
        np.testing.assert_allclose(alpha, smoothed[0], atol=2e-3 if half else 1e-4)
        assert largest_difference(made, composed(frame, restore_alpha(alpha, *size), background)) <= LEVELS
        engine.release(slot)
    engine.close()


@pytest.mark.gpu
@pytest.mark.parametrize("half", [False, True])
def test_cuda_finds_the_processors_alpha(half: bool) -> None:
    spec = FusedSpec((360, 640), (288, 512), half=half)
    portrait = cv2.imread(str(MODEL.parents[1] / "assets" / "demo_portrait.jpg"))
    assert portrait is not None
    frame = cv2.resize(portrait, (640, 360), interpolation=cv2.INTER_AREA)
    mattes = []
    for engine in (FusedEngine("cuda", MODEL, spec), FusedEngine("cpu", MODEL, spec)):
        mattes.append(alpha_of(engine, frame))  # type: ignore[arg-type]
        engine.close()
    assert float(np.abs(mattes[0] - mattes[1]).mean()) < (1e-3 if half else 1e-6)
