"""The recorded engine on the processor: float16, a size at a time, and float32 where that does not work."""

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from matting_core.engine import create_engine
from matting_core.engine_onnxruntime import OnnxRuntimeEngine
from matting_core.engine_recorded import RecordedEngine, _Recording
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


def test_the_shipped_network_in_float16_finds_the_same_person() -> None:
    recorded, plain = RecordedEngine("cpu", MODEL), OnnxRuntimeEngine("cpu", MODEL)
    alphas = [engine.predict(blob(256, 256)) for engine in (recorded, plain)]
    assert alphas[0].dtype == np.float32
    assert 0 < float(np.abs(alphas[0] - alphas[1]).mean()) < 1e-3
    for engine in (recorded, plain):
        engine.close()


def test_every_size_has_a_recording_and_every_alpha_is_the_callers_own(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    sizes = [(32, 64), (64, 64), (32, 64)]
    alphas = [engine.predict(blob(*size)) for size in sizes]
    for size, alpha in zip(sizes, alphas, strict=True):
        np.testing.assert_allclose(alpha, sigmoid(blob(*size)), atol=2e-3)
    assert alphas[0] is not alphas[2]
    assert list(engine._recordings) == [(32, 64), (64, 64)]
    assert None not in engine._recordings.values()
    for height in range(96, 224, 32):
        engine.predict(blob(height, 64))
    assert list(engine._recordings) == [(height, 64) for height in range(96, 224, 32)], "the oldest made room"
    engine.close()
    engine.close()
    with pytest.raises(InferenceFailed, match="is closed"):
        engine.predict(blob(32, 64))


def test_without_the_package_onnx_it_computes_in_float32(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matting_core.fused_network", None)
    engine = RecordedEngine("cpu", tiny)
    np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    engine.close()


def test_what_exceeds_float16_goes_on_in_float32(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def too_large(self: _Recording, values: Blob) -> FloatAlpha:
        calls.append(self)
        return np.full(values.shape[2:], np.nan, np.float32)

    monkeypatch.setattr(_Recording, "replay", too_large)
    engine = RecordedEngine("cpu", tiny)
    for _ in range(3):
        np.testing.assert_allclose(engine.predict(blob(32, 64)), sigmoid(blob(32, 64)), rtol=1e-5)
    assert len(calls) == 4, "three to warm up and one frame"
    engine.close()


def test_a_frame_that_fails_is_told_in_one_sentence(tiny: Path) -> None:
    engine = RecordedEngine("cpu", tiny)
    engine.predict(blob(32, 64))
    recording = engine._recordings[32, 64]
    assert recording is not None
    recording._binding.clear_binding_inputs()
    with pytest.raises(InferenceFailed, match="failed on a frame"):
        engine.predict(blob(32, 64))
    engine.close()


@pytest.mark.gpu
def test_cuda_finds_the_processors_alpha() -> None:
    gpu, cpu = create_engine("cuda", MODEL), create_engine("cpu", MODEL)
    assert gpu.provider == "CUDAExecutionProvider"
    for size in ((288, 512), (512, 512), (288, 512)):
        difference = np.abs(gpu.predict(blob(*size)) - cpu.predict(blob(*size)))
        assert float(difference.mean()) < 1e-3
        assert float((difference > 0.05).mean()) < 1e-3
    assert isinstance(gpu, RecordedEngine)
    assert None not in gpu._recordings.values()
    gpu.close()
    cpu.close()
