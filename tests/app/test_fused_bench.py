"""`bench --fused` on the processor: it runs, says what it ran, and ends its thread whatever happens."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.fused_bench import SLOTS, _measure
from matting_core.engine_fused import FusedEngine
from matting_core.errors import InferenceFailed, MediaError
from matting_core.frames import Image
from matting_core.fused_spec import FusedSpec
from tests.support.tiny_onnx import write_network


def test_it_measures_on_a_colour_and_on_blur_with_and_without_smoothing(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "--fused", "--engine", "cpu", "--size", "160x96", "--seconds", "0.1", "--preset", "fast"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["provider"] == "CPUExecutionProvider"
    assert result["precision"] == "fp32"
    assert result["frame_size"] == "160x96"
    assert list(result["rows"]) == [
        "smoothing off",
        "smoothing off, 60 fps",
        "smoothing motion",
        "smoothing motion, 60 fps",
        "smoothing motion, blur",
        "smoothing motion, blur, 60 fps",
    ]
    for row in result["rows"].values():
        assert row["frames"] >= 1
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]


def test_it_says_which_engines_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--fused", "--engine", "openvino"]) == 2
    assert "does not run on 'openvino'" in capsys.readouterr().err


def test_a_source_that_breaks_ends_the_measurement_and_its_thread(tmp_path: Path) -> None:
    def pictures() -> Iterator[Image]:
        for level in range(9):
            yield np.full((96, 160, 3), 20 * level, np.uint8)
        raise MediaError("The film has torn.")

    engine = FusedEngine("cpu", write_network(tmp_path / "tiny.onnx"), FusedSpec((96, 160), (96, 160)), slots=SLOTS)
    with pytest.raises(MediaError, match="torn"):
        _measure(engine, pictures(), 60.0)
    engine.close()


def test_a_canvas_that_cannot_be_collected_ends_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise InferenceFailed("The GPU is gone.")

    engine = FusedEngine("cpu", write_network(tmp_path / "tiny.onnx"), FusedSpec((96, 160), (96, 160)), slots=SLOTS)
    monkeypatch.setattr(engine, "collect", failing)
    with pytest.raises(InferenceFailed, match="gone"):
        _measure(engine, itertools.repeat(np.zeros((96, 160, 3), np.uint8)), 60.0)
    engine.close()
