"""EngineStart: which way of computing belongs to which engine, and what is said when one does not start."""

import pytest

from app.engine_start import EngineStart
from app.settings import Settings
from matting_core.arithmetic import Way
from matting_core.errors import EngineError
from matting_core.presets import find_preset
from tests.support.room import HEIGHT, WIDTH, GreenEngine

FAST = find_preset("fast")
PRESETS = [FAST, find_preset("balanced")]
FASTEST = Way("openvino", "int8-bf16")
COSTS_MS = [7.0, 14.0]


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> EngineStart:
    monkeypatch.setattr("app.calibration.Remembered.way", lambda _self, _preset: FASTEST)
    monkeypatch.setattr("app.calibration.Remembered.costs_ms", lambda _self, _presets: COSTS_MS)
    return EngineStart(Settings, (WIDTH, HEIGHT), lambda name, _network: GreenEngine(name))


@pytest.mark.parametrize(
    ("engine", "running", "way"),
    [
        ("auto", "", FASTEST),
        ("auto", "openvino", FASTEST),
        ("auto", "cpu", FASTEST),
        ("auto", "cuda", None),
        ("openvino", "openvino", FASTEST),
        ("cpu", "cpu", None),
        ("cuda", "cuda", None),
        ("openvino-gpu", "openvino-gpu", None),
    ],
)
def test_ways_are_for_processors_whose_engine_is_left_open(
    starter: EngineStart, engine: str, running: str, way: Way | None
) -> None:
    """Or a GPU would load the same network again whenever the processor was measured."""
    assert starter.plan(FAST, engine, running).way == way
    assert starter.costs(PRESETS, engine, running) == (COSTS_MS if way else [1.0, 3.0])


def test_what_was_not_measured_is_guessed(starter: EngineStart, monkeypatch: pytest.MonkeyPatch) -> None:
    own = EngineStart(lambda: Settings(model="mine"), (WIDTH, HEIGHT), lambda name, _network: GreenEngine(name))
    assert own.costs(PRESETS, "auto", "openvino") == [preset.relative_cost("mine") for preset in PRESETS]
    monkeypatch.setattr("app.calibration.Remembered.way", lambda _self, _preset: Way("cpu", "float32"))
    assert starter.costs(PRESETS, "auto", "cpu") == COSTS_MS
    assert starter.costs(PRESETS, "openvino", "openvino") == [1.0, 3.0], "of ONNX Runtime, which was not asked for"
    monkeypatch.setattr("app.calibration.Remembered.costs_ms", lambda _self, _presets: [])
    assert starter.costs(PRESETS, "auto", "openvino") == [1.0, 3.0]


def test_a_model_of_the_users_own_has_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.calibration.Remembered.way", lambda _self, _preset: FASTEST)
    own = EngineStart(lambda: Settings(model="mine"), (WIDTH, HEIGHT), lambda name, _network: GreenEngine(name))
    assert own.plan(FAST, "auto").way is None


@pytest.mark.parametrize(
    ("error", "words"), [(MemoryError(), "not enough memory"), (RuntimeError("no device"), "RuntimeError: no device")]
)
def test_whatever_a_library_raises_becomes_a_sentence(error: Exception, words: str) -> None:
    def fail(_name: str, _network: object) -> GreenEngine:
        raise error

    starter = EngineStart(Settings, (WIDTH, HEIGHT), fail)
    with pytest.raises(EngineError, match=words) as caught:
        starter.open(starter.plan(FAST, "cpu"))
    assert caught.value.__cause__ is error
