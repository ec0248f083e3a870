"""What is remembered of a machine: kept only for that very machine, and never trusted when damaged."""

import json
from pathlib import Path

import pytest

from app import calibration
from app.calibration import VERSION, Measured, Remembered, calibrate, memory_path, recall, this_machine
from app.cli import main
from matting_core.arithmetic import FLOAT32, Timing, Way
from matting_core.engine import Network
from matting_core.errors import SettingsError
from matting_core.model_store import ModelStore
from matting_core.preprocess import Blob
from matting_core.presets import PRESETS, find_preset

INT8, BF16 = Way("openvino", "int8"), Way("openvino", "bf16")
LIGHT = INT8._replace(threads=1)
STORE = ModelStore()


@pytest.fixture(autouse=True)
def made_up_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor on which bf16 is twice as fast as float32, and int8 three times."""
    times = {INT8: 10.0, BF16: 15.0, FLOAT32: 30.0}

    def time_ways(_network: object, ways: list[Way], _blob: object) -> list[Timing]:
        return [Timing(way, times[way], 0.001) for way in ways]

    monkeypatch.setattr(
        calibration, "possible_ways", lambda net: [INT8, FLOAT32, BF16] if net.int8 else [FLOAT32, BF16]
    )

    def leave_a_core(network: Network, way: Way, blob: Blob) -> tuple[Way, float]:
        light = network.float32.stem == "mattecam_fast"
        return way._replace(threads=1) if light else way, blob.shape[3] / 100

    monkeypatch.setattr(calibration, "time_ways", time_ways)
    monkeypatch.setattr(calibration, "leave_a_core", leave_a_core)
    monkeypatch.setattr(calibration, "_step_back", lambda: None)


def test_each_preset_gets_the_fastest_way_and_finds_it_again() -> None:
    assert recall(STORE) is None
    memory = calibrate(STORE)
    assert memory.ways == {"fast": LIGHT, "balanced": INT8, "quality": INT8, "ultra": BF16}
    assert recall(STORE) == memory
    remembered = Remembered(STORE)
    assert [remembered.way(preset) for preset in PRESETS.values()] == [LIGHT, INT8, INT8, BF16]
    assert remembered.costs_ms(list(PRESETS.values())) == [5.12, 5.12, 6.4, 7.68]


def test_costs_that_are_not_known_of_all_are_known_of_none() -> None:
    assert Remembered(STORE).costs_ms(list(PRESETS.values())) == []
    good = calibrate(STORE)
    for unknown in ({**good.costs_ms, "ultra": 0.0}, {"fast": 5.0}):
        memory_path().write_text(json.dumps(good.model_copy(update={"costs_ms": unknown}).model_dump()))
        remembered = Remembered(STORE)
        assert remembered.costs_ms(list(PRESETS.values())) == []
        assert remembered.costs_ms([find_preset("fast")]) == [5.12 if "ultra" in unknown else 5.0]


def test_the_key_names_processor_cores_packages_and_networks() -> None:
    facts = this_machine(STORE)
    assert {"processor", "cores", "openvino", "modnet_photographic", "modnet_photographic_int8"} <= set(facts)
    assert {"mattecam_fast", "mattecam_fast_int8"} <= set(facts)
    assert len(str(facts["modnet_photographic"])) == 64


@pytest.mark.parametrize("fact", ["processor", "cores", "openvino", "mattecam_fast"])
def test_another_machine_package_or_network_means_measuring_anew(fact: str) -> None:
    calibrate(STORE)
    data = json.loads(memory_path().read_text())
    data["machine"][fact] = 7 if fact == "cores" else "another"
    memory_path().write_text(json.dumps(data))
    assert recall(STORE) is None
    assert Remembered(STORE).way(find_preset("ultra")) is None
    calibrate(STORE)
    assert recall(STORE) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\x00",
        b"7" * (calibration.LARGEST + 1),
        b'{"version": %d, "machine": {}, "ways": {"fast": ["openvino"]}, "costs_ms": {}, "timings": {}}' % VERSION,
        b'{"version": %d, "machine": {}, "ways": {"fast": ["openvino", "int8", 0]}, "costs_ms": {}, "timings": {}}'
        % VERSION,
    ],
)
def test_a_damaged_or_foreign_file_is_no_memory(content: bytes) -> None:
    memory_path().parent.mkdir(parents=True)
    memory_path().write_bytes(content)
    assert recall(STORE) is None
    assert Remembered(STORE).way(find_preset("fast")) is None


def test_what_was_measured_by_an_older_rule_is_no_memory() -> None:
    calibrate(STORE)
    assert recall(STORE) is not None
    told = json.loads(memory_path().read_text())
    memory_path().write_text(json.dumps({**told, "version": VERSION - 1}))
    assert recall(STORE) is None


@pytest.mark.parametrize("cost_ms", [-1.0, float("inf"), float("nan"), 1e9])
def test_a_cost_that_cannot_be_is_not_believed(cost_ms: float) -> None:
    good = calibrate(STORE)
    bad = good.model_copy(update={"costs_ms": {**good.costs_ms, "fast": cost_ms}})
    memory_path().write_text(json.dumps(bad.model_dump()))
    assert recall(STORE) is None


@pytest.mark.parametrize("way", [("cuda", "float32", 0), ("openvino", "int8", -1), ("openvino", "int8", 100_000)])
def test_an_engine_or_threads_that_the_processor_has_not_are_not_believed(way: tuple[str, str, int]) -> None:
    good = calibrate(STORE)
    bad = good.model_copy(update={"ways": {**good.ways, "fast": way}})
    memory_path().write_text(json.dumps(bad.model_dump()))
    assert recall(STORE) is None


def test_a_new_file_is_seen_while_running_and_the_disk_is_asked_once_a_second() -> None:
    now_s = 50.0
    remembered = Remembered(STORE, clock=lambda: now_s)
    ultra = find_preset("ultra")
    assert remembered.way(ultra) is None
    calibrate(STORE)
    assert remembered.way(ultra) is None
    now_s += calibration.LOOK_S
    assert remembered.way(ultra) == BF16
    memory_path().unlink()
    now_s += calibration.LOOK_S
    assert remembered.way(ultra) is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be saved"):
        calibrate(STORE, tmp_path / "file" / "calibration.json")


def test_the_command_prints_what_it_chose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--calibrate", "--json"]) == 0
    printed = Measured.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert printed == recall(STORE)
    assert main(["bench", "--calibrate"]) == 0
    told = capsys.readouterr().out
    assert "ultra: openvino bf16, 7.7 ms at 768x448\n" in told
    assert "fast: openvino int8, 1 thread, 5.1 ms at 512x288\n" in told
    assert told.count("mean |Δα|") == 3 + 3 + 2, "what was measured once is shown once"
    assert str(memory_path()) in told
