"""Engines on the shipped model: they agree, they say what they run on, and they fail in one sentence."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.data import astronaut

from matting_core import engine_openvino
from matting_core.engine import ENGINES, checked_predict, create_engine
from matting_core.engine_names import AUTO_ORDER, ENGINE_NAMES, engines_for, fallback_order
from matting_core.errors import EngineError, InferenceFailed, UsageError
from matting_core.frames import FloatAlpha, Frame
from matting_core.openvino_import import openvino_core
from matting_core.predictor import Predictor, matte_still
from matting_core.preprocess import Blob, shrink, to_blob
from matting_core.presets import Preset

MODEL = Path(__file__).parents[2] / "models" / "modnet_photographic.onnx"
PORTRAIT = np.ascontiguousarray(astronaut()[..., ::-1])
SMALL = Preset("small", 256)


def test_the_names_are_the_registry() -> None:
    assert ("auto", *ENGINES) == ENGINE_NAMES
    assert set(AUTO_ORDER) <= set(ENGINES)


def test_openvino_on_the_processor_asks_for_no_other_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """To list the devices loads each one's driver."""

    class Alone:
        def __init__(self, core: Any) -> None:
            self._core = core

        def __getattr__(self, name: str) -> Any:
            assert name != "available_devices"
            return getattr(self._core, name)

    monkeypatch.setattr(engine_openvino, "openvino_core", lambda: Alone(openvino_core()))
    assert create_engine("openvino", MODEL).provider == "OpenVINO CPU float32"


def test_a_missing_part_of_openvino_for_the_processor_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Partless:
        def get_property(self, *_: str) -> Any:
            raise RuntimeError('Device with "CPU" name is not registered in the OpenVINO Runtime')

    monkeypatch.setattr(engine_openvino, "openvino_core", Partless)
    with pytest.raises(EngineError, match="not registered"):
        create_engine("openvino", MODEL)


def test_openvino_and_onnx_runtime_agree_at_two_sizes() -> None:
    engines = [create_engine(name, MODEL) for name in ("openvino", "cpu")]
    assert engines[0].provider == "OpenVINO CPU float32"
    assert engines[1].provider == "CPUExecutionProvider"
    for size in ((256, 256), (160, 256)):
        blob = to_blob(shrink(PORTRAIT, size))
        first, second = (checked_predict(engine, blob) for engine in engines)
        assert first.shape == size
        assert float(np.abs(first - second).max()) < 1e-3
    for engine in engines:
        engine.close()
        engine.close()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal on this system")
def test_signals_are_heard_after_networks_that_overlapped() -> None:
    """Two Cores of OpenVINO's, the older ended first, leave a signal stack that is gone: Ctrl-C would crash."""
    code = f"""
import gc, os, signal
from pathlib import Path
import numpy as np
from matting_core.engine import create_engine
engines = [create_engine("openvino", Path({str(MODEL)!r})) for _ in range(2)]
for engine in engines:
    engine.predict(np.zeros((1, 3, 64, 64), np.float32))
del engine
while engines:
    engines.pop(0).close()
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGUSR1)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=MODEL.parents[1], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_the_astronaut_is_found() -> None:
    engine = create_engine("auto", MODEL)
    alpha = matte_still(engine, Preset("balanced", 512), PORTRAIT)
    engine.close()
    assert alpha.shape == (512, 512)
    assert alpha[130, 220] == 255, "her face"
    assert alpha[60, 40] < 10, "the flag beside her"
    assert 0.3 < float((alpha > 127).mean()) < 0.7


def test_a_sequence_keeps_each_alpha_with_its_own_frame() -> None:
    engine = create_engine("auto", MODEL)
    for smoothing, delay in (("off", 0), ("motion", 0), ("ofd", 1)):
        predictor = Predictor(engine, SMALL, smoothing)
        for index in range(3):
            matted = predictor.predict(Frame(np.roll(PORTRAIT, index, axis=1), float(index), index))
            if index < delay:
                assert matted is None
            else:
                assert matted is not None
                assert matted.frame.index == index - delay
    engine.close()


@pytest.mark.parametrize("name", ["cuda", "tensorrt", "coreml", "directml", "openvino-gpu"])
def test_an_engine_that_cannot_work_here_says_why_and_what_to_do(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        create_engine(name, MODEL).close()
    except EngineError as error:
        assert error.problem.endswith((".", ")"))
        assert error.mend
    out, err = capfd.readouterr()
    assert out + err == "", "no raw error lines beside the sentence"


def test_an_unknown_engine_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no engine 'abacus'"):
        create_engine("abacus", MODEL)


def test_a_damaged_model_is_an_engine_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    for name in ("openvino", "cpu"):
        with pytest.raises(EngineError, match=r"broken\.onnx"):
            create_engine(name, broken)


def test_the_fallback_order_starts_with_the_choice_and_ends_on_the_processor() -> None:
    assert fallback_order("auto") == ("cuda", "openvino", "cpu")
    assert fallback_order("cuda") == ("cuda", "openvino", "cpu")
    assert fallback_order("openvino") == ("openvino", "cpu")


@pytest.mark.parametrize(
    ("platform", "nvidia", "graphics", "offered"),
    [
        ("linux", False, False, ("auto", "openvino", "cpu")),
        ("linux", True, True, ("auto", "cuda", "tensorrt", "openvino", "openvino-gpu", "cpu")),
        ("win32", False, True, ("auto", "directml", "openvino", "openvino-gpu", "cpu")),
        ("darwin", False, True, ("auto", "coreml", "openvino", "cpu")),
    ],
)
def test_only_engines_that_may_work_there_are_offered(
    platform: str, nvidia: bool, graphics: bool, offered: tuple[str, ...]
) -> None:
    assert engines_for(platform, nvidia, graphics) == offered


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5, 1.5])
def test_what_is_no_matte_is_refused(bad: float) -> None:
    class Broken:
        name = "broken"
        provider = "made up"

        def prepare(self, size: tuple[int, int]) -> None:
            pass

        def predict(self, blob: Blob) -> FloatAlpha:
            alpha = np.zeros(blob.shape[2:], np.float32)
            alpha[3, 3] = bad
            return alpha

        def close(self) -> None:
            pass

    with pytest.raises(InferenceFailed, match="not a matte"):
        checked_predict(Broken(), np.zeros((1, 3, 32, 32), np.float32))
