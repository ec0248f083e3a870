"""Which arithmetic wins: fast alone is not enough, and close alone is not either."""

from pathlib import Path

import numpy as np
import pytest

from matting_core import arithmetic
from matting_core.arithmetic import (
    FLOAT32,
    LIGHT_MS,
    MOST_DIFFERENCE,
    Timing,
    Way,
    choose,
    leave_a_core,
    possible_ways,
    time_ways,
)
from matting_core.engine import Network, create_engine
from matting_core.engine_openvino import OpenVinoEngine, processor_precisions
from matting_core.errors import EngineError
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob
from tests.support.tiny_onnx import write_network

INT8, BF16, ORT = Way("openvino", "int8"), Way("openvino", "bf16"), Way("cpu", "float32")


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        (((INT8, 10.0, 0.002), (FLOAT32, 30.0, 0.0), (BF16, 20.0, 0.0001)), INT8),
        (((INT8, 10.0, 0.002), (FLOAT32, 30.0, 0.0), (BF16, 8.0, 0.0001)), BF16),
        (((INT8, 10.0, 0.002), (FLOAT32, 30.0, 0.0), (BF16, 8.0, MOST_DIFFERENCE + 1e-5)), INT8),
        (((INT8, 10.0, 0.002), (FLOAT32, 30.0, 0.0), (BF16, 8.0, MOST_DIFFERENCE)), BF16),
        (((INT8, 10.0, 0.002), (BF16, 9.8, 0.0)), INT8),  # 2 % is noise
        (((INT8, 5.0, 0.02), (FLOAT32, 30.0, 0.0), (ORT, 40.0, 0.0)), FLOAT32),
        (((INT8, 50.0, 0.002), (FLOAT32, 30.0, 0.0), (ORT, 20.0, 0.0)), ORT),
        ((), INT8),
    ],
)
def test_the_fastest_that_is_close_wins(rows: tuple[tuple[Way, float, float], ...], best: Way) -> None:
    assert choose([Timing(*row) for row in rows], INT8) == best


class Constant:
    """An engine whose every matte is one value."""

    provider = name = "constant"

    def __init__(self, value: float) -> None:
        self.value = value
        self.closed = False

    def prepare(self, size: tuple[int, int]) -> None:
        pass

    def predict(self, blob: Blob) -> FloatAlpha:
        return np.full(blob.shape[2:], self.value, np.float32)

    def close(self) -> None:
        self.closed = True


def test_the_difference_is_that_from_float32_and_what_does_not_start_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[Constant] = []

    def create(name: str, network: Network) -> Constant:
        if network.arithmetic == "int8":
            raise EngineError("Not here.", "")
        built.append(Constant({"float32": 0.5, "bf16": 0.25}[network.arithmetic]))
        return built[-1]

    monkeypatch.setattr(arithmetic, "create_engine", create)
    blob = np.zeros((1, 3, 32, 32), np.float32)
    timings = time_ways(Network(Path("any.onnx")), [INT8, FLOAT32, BF16, ORT], blob, rounds=2)
    assert [(timing.way, timing.mean_difference) for timing in timings] == [(FLOAT32, 0.0), (BF16, 0.25), (ORT, 0.0)]
    assert all(engine.closed for engine in built)
    assert time_ways(Network(Path("any.onnx")), [BF16], blob, rounds=1) == [], "nothing to hold it against"


def test_every_possible_way_runs_and_says_what_it_is(tmp_path: Path) -> None:
    network = Network(write_network(tmp_path / "tiny.onnx"))
    ways = possible_ways(network)
    halves = [f"OpenVINO CPU {name}" for name in processor_precisions()]
    assert ways[0] == FLOAT32, "without an int8 form the usual way is float32"
    blob = np.linspace(-1, 1, 3 * 32 * 32, dtype=np.float32).reshape(1, 3, 32, 32)
    seen = []
    for way in ways:
        engine = create_engine(way.engine, network._replace(arithmetic=way.arithmetic))
        seen.append(engine.provider)
        expected = 1 / (1 + np.exp(-blob[0].mean(0)))
        assert np.abs(engine.predict(blob) - expected).max() < 0.01
        engine.close()
    assert seen == ["OpenVINO CPU float32", *halves, "CPUExecutionProvider"]


def fast_engines(monkeypatch: pytest.MonkeyPatch, took_ms: dict[int, float]) -> list[Network]:
    """Engines that take so long on so many threads, 0 being all 4; returns what was asked for."""
    now_s = 0.0
    asked: list[Network] = []

    class Timed(Constant):
        def __init__(self, threads: int) -> None:
            super().__init__(0.5)
            self.took_ms = took_ms[threads]
            self.threads = threads or 4

        def prepare(self, size: tuple[int, int]) -> None:
            pass

        def predict(self, blob: Blob) -> FloatAlpha:
            nonlocal now_s
            now_s += self.took_ms / 1e3
            return super().predict(blob)

    def create(_name: str, network: Network) -> Constant:
        asked.append(network)
        if network.threads not in took_ms:
            raise EngineError("Not here.", "")
        return Timed(network.threads)

    monkeypatch.setattr(arithmetic, "create_engine", create)
    monkeypatch.setattr(arithmetic.time, "perf_counter", lambda: now_s)
    return asked


@pytest.mark.parametrize(
    ("way", "took_ms", "threads", "cost_ms", "tried"),
    [
        (INT8, {0: 9.0, 3: LIGHT_MS - 0.1}, 3, LIGHT_MS - 0.1, [0, 3]),
        (INT8, {0: 9.0, 3: LIGHT_MS + 0.1}, 0, 9.0, [0, 3]),
        (INT8, {0: LIGHT_MS + 0.1}, 0, LIGHT_MS + 0.1, [0]),
        (INT8, {0: 9.0}, 0, 9.0, [0, 3]),
        (INT8, {}, 0, 0.0, [0]),
        (ORT, {0: 9.0}, 0, 9.0, [0]),
    ],
    ids=["light", "light on all cores only", "heavy", "fewer threads fail", "no such engine", "not OpenVINO"],
)
def test_only_a_light_network_leaves_a_core(
    monkeypatch: pytest.MonkeyPatch, way: Way, took_ms: dict[int, float], threads: int, cost_ms: float, tried: list[int]
) -> None:
    asked = fast_engines(monkeypatch, took_ms)
    blob = np.zeros((1, 3, 32, 32), np.float32)
    chosen, took = leave_a_core(Network(Path("any.onnx")), way, blob)
    assert chosen == way._replace(threads=threads)
    assert took == pytest.approx(cost_ms)
    assert [network.threads for network in asked] == tried


def test_openvino_computes_with_the_threads_it_is_told_and_says_how_many(tmp_path: Path) -> None:
    network = Network(write_network(tmp_path / "tiny.onnx"), arithmetic="float32")
    blob = np.zeros((1, 3, 32, 32), np.float32)
    for wanted in (0, 1):
        engine = create_engine("openvino", network._replace(threads=wanted))
        assert isinstance(engine, OpenVinoEngine)
        engine.predict(blob)
        assert engine.threads == wanted or (wanted == 0 and engine.threads >= 1)
        compiled = engine._request.get_compiled_model()
        assert not (wanted and compiled.get_property("ENABLE_CPU_PINNING")), "it may go where there is room"
        engine.close()
