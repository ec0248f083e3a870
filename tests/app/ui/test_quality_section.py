"""The section 'Quality and speed': what auto does is told, and measuring runs beside the window and ends with it."""

import dataclasses
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.calibration import VERSION, Measured, memory_path, this_machine
from app.status import Stats, Status, Switch
from app.ui import measuring, sections, statistics
from app.ui.measuring import MeasureRow
from app.ui.sections import QualitySection
from matting_core.atomic import write_atomically
from matting_core.engine_names import engines_for
from matting_core.model_store import ModelStore
from tests.app.ui.conftest import Desk

pytestmark = pytest.mark.gui

LIVE = Status(
    capture="running", matting="running", output="running", engine="openvino", provider="OpenVINO CPU int8",
    input_size="512x288", preset="fast", switches=(Switch(1.0, "fast", "too slow: 41 of 33 ms"),), processor_share=0.43,
)  # fmt: skip
ANSWER = 'print(\'{"ways": {"fast": ["openvino", "int8-bf16", 1], "ultra": ["cpu", "float32", 0]}}\')'
MEASURED = "Measured as fastest here: Fast int8-bf16, Ultra float32 (ONNX Runtime)"


def stand_in(folder: Path, code: str) -> tuple[str, ...]:
    """A command in the measuring process's place, which first leaves a note of what it was asked."""
    note = f"import pathlib, sys; pathlib.Path({str(folder / 'asked')!r}).write_text(' '.join(sys.argv[1:]));"
    return (sys.executable, "-c", note + code)


def test_what_runs_and_why_is_said(desk: Desk) -> None:
    quality = desk.window.panel.quality
    desk.window.show_status(LIVE)
    assert desk.settings.preset == "auto"
    assert quality.running.text() == "Running: Fast · OpenVINO CPU int8 · 512×288\nLast change: too slow: 41 of 33 ms"
    desk.window.store.change(preset="fast")
    desk.window.show_status(LIVE)
    assert quality.running.text() == "Running: Fast · OpenVINO CPU int8 · 512×288"
    desk.window.show_status(dataclasses.replace(LIVE, matting="failed"))
    assert quality.running.text() == ""
    overlay, _ = statistics.overlay_texts(LIVE)
    assert ">too slow: 41 of 33 ms<" in overlay
    assert statistics.headline(LIVE) == "Live"
    assert statistics.last_change(dataclasses.replace(LIVE, preset="balanced")) == "", "that was another preset's"
    chosen = (Switch(1.0, "fast", "chosen"),)
    assert statistics.last_change(dataclasses.replace(LIVE, switches=chosen)) == ""
    moving = dataclasses.replace(LIVE, has_background=True, stats=Stats(matting_fps=5.0, output_fps=12.0))
    assert statistics.status_line(moving).startswith("Live  ·  5 fps")
    assert statistics.status_line(dataclasses.replace(moving, capture="waiting")) == "Waiting for the camera"
    assert statistics.headline(dataclasses.replace(LIVE, has_background=False)) == "Waiting for the background"
    assert "43%" in overlay


def test_the_engines_that_may_work_here_are_offered_and_the_one_that_is_chosen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections, "has_driver", lambda: False)
    monkeypatch.setattr(sections, "has_render_node", lambda: False)

    def offered() -> list[str]:
        combo = QualitySection(desk.window.store).engine
        return [combo.itemData(index) for index in range(combo.count())]

    assert offered() == list(engines_for(sys.platform, nvidia=False, graphics=False))
    desk.window.store.change(engine="tensorrt")
    assert "tensorrt" in offered()
    assert "cuda" not in offered()


def test_only_models_that_can_run_are_offered() -> None:
    names = sections.model_names()
    assert {"modnet_photographic", "mattecam_fast"} <= set(names)
    assert not [name for name in names if name.endswith(("_pt", "_int8")) or name == "modnet_webcam"]


def test_the_button_measures_once_and_shows_the_result(desk: Desk, tmp_path: Path) -> None:
    row = MeasureRow(command=stand_in(tmp_path, ANSWER))
    row.button.click()
    assert not row.button.isEnabled()
    row.start()
    desk.until(row.button.isEnabled, 20_000)
    assert row.found.text() == MEASURED
    assert (tmp_path / "asked").read_text() == "bench --calibrate --json"


@pytest.mark.parametrize("code", ["sys.exit(1)", "print('{}')", "print(7)", "pass"])
def test_a_measurement_without_a_result_is_said(desk: Desk, tmp_path: Path, code: str) -> None:
    row = MeasureRow(command=stand_in(tmp_path, code))
    row.start()
    desk.until(row.button.isEnabled, 20_000)
    assert row.found.text() == "Measuring failed; the usual arithmetic is used."


def test_a_program_that_is_not_there_is_said(application: QApplication, desk: Desk) -> None:
    row = MeasureRow(command=("/nowhere/python",))
    row.start()
    desk.until(row.button.isEnabled)
    assert row.found.text().startswith("Measuring could not be started")


def test_it_measures_by_itself_only_where_nothing_is_known_and_a_processor_has_been_live(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LIVE_FOR_S", 0.0)
    lane = desk.window._devices
    row = MeasureRow(command=stand_in(tmp_path, ANSWER))
    row.look(lane)
    desk.until(lambda: row._is_first)
    for status in (dataclasses.replace(LIVE, engine="cuda"), dataclasses.replace(LIVE, matting="starting")):
        row.show_status(status)
        row.show_status(status)
        assert row.button.isEnabled()
    row.show_status(LIVE)
    row.show_status(LIVE)
    assert not row.button.isEnabled()
    desk.until(row.button.isEnabled, 20_000)
    (tmp_path / "asked").unlink()
    row.show_status(LIVE)
    assert row.button.isEnabled(), "once is enough"


def test_what_is_remembered_is_shown_and_not_measured(desk: Desk) -> None:
    ways = {"fast": ("openvino", "int8-bf16", 1), "ultra": ("cpu", "float32", 0)}
    measured = Measured(version=VERSION, machine=this_machine(ModelStore()), ways=ways, costs_ms={}, timings={})
    write_atomically(memory_path(), measured.model_dump_json().encode())
    row = MeasureRow()
    row.look(desk.window._devices)
    desk.until(lambda: row.found.text() == MEASURED)
    assert not row._is_first


def test_closing_ends_a_measurement(desk: Desk, tmp_path: Path) -> None:
    row = MeasureRow(command=stand_in(tmp_path, "import time; time.sleep(60)"))
    row.start()
    desk.until((tmp_path / "asked").exists, 20_000)
    row.close_process()
    assert row._process.processId() == 0
