"""The recorded engine on the processor: float16, a size at a time, and float32 where that does not work."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.data import astronaut

from matting_core import engine_recorded
from matting_core.engine import create_engine
from matting_core.engine_onnxruntime import OnnxRuntimeEngine
from matting_core.engine_recorded import CHECK_FIRST, RecordedEngine, _Recording
from matting_core.errors import EngineError, InferenceFailed
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob, shrink, to_blob
from tests.support.tiny_onnx import write_network

MODEL = Path(__file__).parents[2] / "models" / "modnet_photographic.onnx"
PORTRAIT = np.ascontiguousarray(astronaut()[..., ::-1])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A network whose alpha is the sigmoid of the mean colour."""
    return write_network(tmp_path / "tiny.onnx")


def blob(height: int, width: int) -> Blob:
    return to_blob(shrink(PORTRAIT, (height, width)))


def sigmoid(values: Blob) -> FloatAlpha:
    alpha: FloatAlpha = (1 / (1 + np.exp(-values.mean(axis=1))))[0].astype(np.float32)
    return alpha


def live(engine: RecordedEngine, height: int, width: int) -> FloatAlpha:
    """The alpha of a frame by which the recording, if there is one to be used, has taken over."""
    engine.prepare((height, width))
    for _ in range(CHECK_FIRST + 1):
        alpha = engine.predict(blob(height, width))
    return alpha


def test_the_shipped_network_in_float16_finds_the_same_person() -> None:
    engine = RecordedEngine("cpu", MODEL)
    first, recorded = engine.predict(blob(256, 256)), live(engine, 256, 256)
    assert recorded.dtype == np.float32
    assert 0 < float(np.abs(first - recorded).mean()) < 1e-3, "it was computed in float16"
    engine.close()


def test_another_size_is_computed_as_before(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    for size in ((32, 64), (64, 96), (32, 64)):
        alpha = live(engine, *size)
        np.testing.assert_allclose(alpha, sigmoid(blob(*size)), atol=2e-3)
        assert engine._recording is not None
        assert engine._recording.size == size
        assert engine._recording.proven
        assert engine.predict(blob(*size)) is not alpha, "an alpha is the caller's own"
    np.testing.assert_allclose(engine.predict(blob(64, 96)), sigmoid(blob(64, 96)), rtol=1e-5)
    engine.close()
    engine.close()
    with pytest.raises(InferenceFailed, match="is closed"):
        engine.predict(blob(32, 64))


def test_without_the_package_onnx_it_computes_in_float32(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matting_core.fused_network", None)
    engine = RecordedEngine("cpu", tiny)
    np.testing.assert_allclose(live(engine, 32, 64), sigmoid(blob(32, 64)), rtol=1e-5)
    engine.close()


def stubborn() -> Callable[[_Recording, Blob], FloatAlpha]:
    """A recording that gives for ever what it gave first."""
    seen: list[FloatAlpha] = []

    def replay(_self: _Recording, values: Blob) -> FloatAlpha:
        seen.append(sigmoid(values))
        return seen[0].copy()

    return replay


def always(level: float) -> Callable[[_Recording, Blob], FloatAlpha]:
    return lambda _self, values: np.full(values.shape[2:], level, np.float32)


@pytest.mark.parametrize("replay", [always(0.0), always(1.0), stubborn()])
def test_a_recording_with_other_mattes_is_given_up(
    replay: Callable[[_Recording, Blob], FloatAlpha], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Recording, "replay", replay)
    engine = RecordedEngine("cpu", tiny)
    engine.prepare((32, 64))
    assert engine._recording is not None
    for _ in range(2 * CHECK_FIRST):
        np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    assert engine._recording is None
    engine.close()


def test_where_nobody_is_seen_a_recording_has_to_wait_for_its_proof(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    grey = np.zeros((1, 3, 32, 64), np.float32)
    engine.prepare((32, 64))
    for _ in range(2 * CHECK_FIRST):
        engine.predict(grey)
    assert engine._recording is not None
    assert not engine._recording.proven
    for _ in range(2 * CHECK_FIRST):
        engine.predict(blob(32, 64))
    assert engine._recording.proven
    engine.close()


def test_a_size_that_was_not_seen_before_is_laid_out_before_it_is_proved(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    engine.prepare((64, 96))
    for size in ((64, 64), *[(64, 96)] * CHECK_FIRST):
        np.testing.assert_allclose(engine.predict(blob(*size)), sigmoid(blob(*size)), atol=2e-3)
    assert engine._recording is not None
    assert engine._recording.proven
    engine.close()


def test_a_proven_recording_that_exceeds_float16_later_is_given_up(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RecordedEngine("cpu", tiny)
    live(engine, 32, 64)
    assert engine._recording is not None
    assert engine._recording.proven
    infinite = np.full((1, 1, 32, 64), np.nan, np.float32)
    monkeypatch.setattr(engine._recording._alpha, "download", lambda: infinite)
    np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    assert engine._recording is None
    engine.close()


def test_who_waits_for_a_gpu_that_hangs_is_told(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_recorded, "ALONE_S", 0.05)
    engine = RecordedEngine("cpu", tiny)
    with engine_recorded.ALONE:
        with pytest.raises(EngineError, match="still busy"):
            RecordedEngine("cpu", tiny)
        with pytest.raises(InferenceFailed, match="still busy"):
            engine.predict(blob(32, 64))
    np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    engine.close()


def test_a_recording_that_fails_is_given_up(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    live(engine, 32, 64)
    assert engine._recording is not None
    engine._recording._binding.clear_binding_inputs()
    np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    assert engine._recording is None
    engine.close()


def test_a_proven_recording_alone_computes(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RecordedEngine("cpu", tiny)
    live(engine, 32, 64)
    monkeypatch.setattr(OnnxRuntimeEngine, "predict", lambda *_: pytest.fail("computed twice"))
    for _ in range(2 * CHECK_FIRST):
        np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), atol=2e-3)
    engine.close()


def test_what_is_being_prepared_when_it_is_closed_is_dropped(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    build = _Recording.__init__

    def slowly(self: _Recording, *arguments: Any) -> None:
        begun.set()
        assert go_on.wait(10)
        build(self, *arguments)

    monkeypatch.setattr(_Recording, "__init__", slowly)
    engine = RecordedEngine("cpu", tiny)
    preparing = threading.Thread(target=engine.prepare, args=((32, 64),), name="mattecam-test-prepare")
    engine.predict(blob(32, 64))
    preparing.start()
    assert begun.wait(10)
    for _ in range(2 * CHECK_FIRST):
        np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    engine.close()
    go_on.set()
    preparing.join(10)
    assert engine._recording is None
    with pytest.raises(InferenceFailed, match="is closed"):
        engine.predict(blob(32, 64))


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("CUDA failure 2")])
def test_whatever_a_library_raises_leaves_it_as_it_is(
    error: Exception, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(_Recording, "__init__", failing)
    engine = RecordedEngine("cpu", tiny)
    np.testing.assert_allclose(live(engine, 32, 64), sigmoid(blob(32, 64)), rtol=1e-5)
    engine.close()


@pytest.mark.gpu
def test_cuda_finds_the_processors_alpha() -> None:
    gpu, cpu = create_engine("cuda", MODEL), create_engine("cpu", MODEL)
    assert isinstance(gpu, RecordedEngine)
    assert gpu.provider == "CUDAExecutionProvider"
    for size in ((288, 512), (512, 512)):
        expected = cpu.predict(blob(*size))
        plain = gpu.predict(blob(*size))
        assert float((np.abs(plain - expected) > 0.05).mean()) < 1e-3
        for alpha in (plain, live(gpu, *size), *(gpu.predict(blob(*size)) for _ in range(8))):
            assert float(np.abs(alpha - expected).mean()) < 1e-3
            assert float((np.abs(alpha - expected) > 0.05).mean()) < 5e-3, "in float16, of a squeezed portrait"
        assert gpu._recording is not None
        assert gpu._recording.size == size
        assert gpu._recording.proven
    gpu.close()
    cpu.close()
