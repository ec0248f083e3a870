"""The recorded engine on the processor: float16, a size at a time, and float32 where that does not work."""

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from matting_core.engine import create_engine
from matting_core.engine_onnxruntime import OnnxRuntimeEngine
from matting_core.engine_recorded import CHECKED, RECORD_AFTER, RecordedEngine, _Recording
from matting_core.errors import InferenceFailed
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
    """The alpha of the first frame after the recording is ready."""
    for _ in range(RECORD_AFTER):
        engine.predict(blob(height, width))
    engine.wait()
    return engine.predict(blob(height, width))


def test_the_shipped_network_in_float16_finds_the_same_person() -> None:
    engine = RecordedEngine("cpu", MODEL)
    first, recorded = engine.predict(blob(256, 256)), live(engine, 256, 256)
    assert recorded.dtype == np.float32
    assert 0 < float(np.abs(first - recorded).mean()) < 1e-3, "it was computed in float16"
    engine.close()


def test_only_a_size_that_comes_again_and_again_is_recorded(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    for _ in range(2 * RECORD_AFTER):
        for size in ((32, 64), (64, 64)):
            np.testing.assert_allclose(engine.predict(blob(*size)), sigmoid(blob(*size)), rtol=1e-5)
    assert engine._preparing is None
    for size in ((32, 64), (64, 96), (32, 64)):
        alpha = live(engine, *size)
        np.testing.assert_allclose(alpha, sigmoid(blob(*size)), atol=2e-3)
        assert engine._recording is not None
        assert engine._recording.size == size
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


@pytest.mark.parametrize("values", [np.nan, 0.0, 1.0])
def test_a_recording_with_other_mattes_is_given_up(values: float, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not numbers, as of a network that exceeds float16, or a matte of something else."""
    calls = []

    def wrong(self: _Recording, blob: Blob) -> FloatAlpha:
        calls.append(self)
        return np.full(blob.shape[2:], values, np.float32)

    monkeypatch.setattr(_Recording, "replay", wrong)
    engine = RecordedEngine("cpu", tiny)
    for _ in range(RECORD_AFTER):
        np.testing.assert_allclose(live(engine, 32, 64), sigmoid(blob(32, 64)), rtol=1e-5)
    assert len(calls) == 1
    engine.close()


def test_a_recording_that_fails_is_given_up(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    live(engine, 32, 64)
    assert engine._recording is not None
    engine._recording._binding.clear_binding_inputs()
    np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    assert engine._recording is None
    engine.close()


def test_only_its_first_frames_are_computed_twice(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = RecordedEngine("cpu", tiny)
    live(engine, 32, 64)
    calls = []
    plain = OnnxRuntimeEngine.predict
    monkeypatch.setattr(OnnxRuntimeEngine, "predict", lambda self, blob: (calls.append(1), plain(self, blob))[1])
    for _ in range(2 * CHECKED):
        engine.predict(blob(32, 64))
    assert len(calls) == CHECKED - 1, "`live` had the first"
    engine.close()


@pytest.mark.gpu
def test_cuda_finds_the_processors_alpha() -> None:
    gpu, cpu = create_engine("cuda", MODEL), create_engine("cpu", MODEL)
    assert isinstance(gpu, RecordedEngine)
    assert gpu.provider == "CUDAExecutionProvider"
    for size in ((288, 512), (512, 512)):
        expected = cpu.predict(blob(*size))
        for alpha in (gpu.predict(blob(*size)), live(gpu, *size), *(gpu.predict(blob(*size)) for _ in range(8))):
            assert float(np.abs(alpha - expected).mean()) < 1e-3
        assert gpu._recording is not None
        assert gpu._recording.size == size
    gpu.close()
    cpu.close()
