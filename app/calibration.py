"""What was measured to be the fastest arithmetic for each preset on this machine, remembered beside the settings."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from app.settings import settings_path
from matting_core.arithmetic import WORTH, Timing, Way, choose, leave_a_core, possible_ways, time_ways
from matting_core.atomic import write_atomically
from matting_core.benchmark import machine, versions
from matting_core.engine_names import PROCESSOR_ENGINES
from matting_core.errors import SettingsError
from matting_core.fit import fit_frame
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image
from matting_core.preprocess import Blob, network_size, shrink, to_blob
from matting_core.presets import PRESETS, Preset

log = logging.getLogger(__name__)

VERSION = 5
PICTURE = Path(__file__).resolve().parents[1] / "assets" / "demo_portrait.jpg"
SIZE = (512, 288)
LOOK_S = 1.0
LARGEST = 2**20
LONGEST_MS = 60_000.0
PACKAGES = ("openvino", "onnxruntime", "onnxruntime_gpu")


class Measured(BaseModel):
    """The file's content. machine: what it holds for; any difference invalidates it. ways: a Way by preset.

    costs_ms: how long a preset's network takes like that, at its own size. timings: by preset, what the ways were
    chosen by, for people to read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: int
    machine: dict[str, str | int]
    ways: dict[str, tuple[str, str, int]]
    costs_ms: dict[str, float]
    timings: dict[str, dict[str, dict[str, float]]]


def memory_path() -> Path:
    """The file in the platform's config folder."""
    return settings_path().with_name("calibration.json")


def this_machine(store: ModelStore) -> dict[str, str | int]:
    """What the fastest arithmetic depends on: processor, cores, packages and the networks' SHA-256."""
    facts: dict[str, str | int] = {name: value for name, value in machine().items() if name != "system"}
    facts |= {name: version for name, version in versions().items() if name in PACKAGES}
    names = {preset.model for preset in PRESETS.values()}
    facts |= {entry.name: entry.sha256 for entry in store.list() if {entry.name, entry.int8_of} & names}
    return facts


class Remembered:
    """What the file holds now; a new one is seen within LOOK_S. Used on one thread."""

    def __init__(self, store: ModelStore, clock: Callable[[], float] = time.monotonic):
        self._store = store
        self._path = memory_path()
        self._clock = clock
        self._looked_s = float("-inf")
        self._seen: tuple[int, int] | None = None
        self._ways: dict[str, Way] = {}
        self._costs_ms: dict[str, float] = {}

    def way(self, preset: Preset) -> Way | None:
        """How to compute a preset's own network here; None where that has not been measured."""
        self._look()
        return self._ways.get(preset.name)

    def costs_ms(self, presets: Sequence[Preset]) -> list[float]:
        """How long the network of each takes here; empty where that has not been measured of all."""
        self._look()
        costs = [self._costs_ms.get(preset.name, 0.0) for preset in presets]
        return costs if all(costs) else []

    def _look(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
        except OSError:
            seen = None
        if seen != self._seen:
            self._seen = seen
            memory = recall(self._store, self._path) if seen else None
            self._ways = {name: Way(*way) for name, way in memory.ways.items()} if memory else {}
            self._costs_ms = memory.costs_ms if memory else {}


def recall(store: ModelStore, path: Path | None = None) -> Measured | None:
    """What was measured on this very machine, or None: never measured, damaged, or for another one."""
    path = path or memory_path()
    try:
        if path.stat().st_size > LARGEST:
            return None
        memory = Measured.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.info("%s is not usable: %s", path, error)
        return None
    fits = memory.version == VERSION and memory.machine == this_machine(store)
    cores = psutil.cpu_count() or 1
    known = all(way[0] in PROCESSOR_ENGINES and 0 <= way[2] <= cores for way in memory.ways.values())
    possible = all(0 <= cost < LONGEST_MS for cost in memory.costs_ms.values())
    return memory if fits and known and possible else None


def calibrate(store: ModelStore, path: Path | None = None) -> Measured:
    """Measure every preset's network in every way that this processor has, and write down the fastest good ones.

    Takes some seconds. Presets of one network and kind of arithmetic are compared once, at SIZE. What was chosen is
    then timed for each at its own size, and leaves a core to other programs where it is light enough (`leave_a_core`).
    Raises ModelError for a missing network, SettingsError if the result cannot be written.
    """
    blob = _blob(SIZE)
    ways: dict[str, tuple[str, str, int]] = {}
    costs_ms: dict[str, float] = {}
    timings: dict[str, list[Timing]] = {}
    measured: dict[tuple[str, bool], list[Timing]] = {}
    for preset in PRESETS.values():
        network = store.network(preset.model, preset.int8)
        possible = possible_ways(network)
        if not possible:
            continue
        key = (preset.model, preset.int8)
        if key not in measured:
            measured[key] = time_ways(network, possible, blob)
        timings[preset.name] = measured[key]
        chosen = choose(measured[key], possible[0])
        way, took_ms = leave_a_core(network, chosen, _blob(_own_size(preset)))
        ways[preset.name], costs_ms[preset.name] = way, round(took_ms, 3)
    memory = Measured(
        version=VERSION,
        machine=this_machine(store),
        ways=ways,
        costs_ms=costs_ms,
        timings={name: _rows(t) for name, t in timings.items()},
    )
    path = path or memory_path()
    try:
        write_atomically(path, json.dumps(memory.model_dump(), indent=2).encode() + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The measurements cannot be saved to {path} ({error.strerror}).",
            "Free up disk space, or fix the folder's permissions.",
        ) from error
    return memory


def calibrate_command(as_json: bool) -> int:
    """`bench --calibrate`: measure, remember and print. Returns the exit code."""
    _step_back()
    memory = calibrate(ModelStore())
    if as_json:
        print(json.dumps(memory.model_dump()))
        return 0
    shown: set[tuple[str, bool]] = set()
    for name, rows in memory.timings.items():
        preset = PRESETS[name]
        width, height = _own_size(preset)
        took = f", {memory.costs_ms[name]:.1f} ms at {width}x{height}" if memory.costs_ms[name] else ""
        print(f"{name}: {way_in_words(Way(*memory.ways[name]))}{took}")
        if (preset.model, preset.int8) in shown:
            continue  # compared once for both
        shown.add((preset.model, preset.int8))
        slowest = max(row["p50_ms"] for row in rows.values())
        for way, row in sorted(rows.items(), key=lambda item: item[1]["p50_ms"]):
            faster = slowest / row["p50_ms"]
            print(f"    {way:20} {row['p50_ms']:8.2f} ms {faster:6.2f}×   mean |Δα| {row['mean_difference']:.5f}")
    if not memory.ways:
        print("There is nothing to choose from: OpenVINO is not installed.")
        return 0
    usual = "int8, for ultra float32,"
    print(f"Compared at {SIZE[0]}x{SIZE[1]} on all cores; {usual} stays unless another is {WORTH - 1:.0%} faster.")
    print(f"Saved in {memory_path()}; live matting uses it from now on.")
    return 0


def _rows(timings: list[Timing]) -> dict[str, dict[str, float]]:
    return {
        way_in_words(timing.way): {"p50_ms": timing.p50_ms, "mean_difference": timing.mean_difference}
        for timing in timings
    }


def way_in_words(way: Way) -> str:
    """For example 'openvino int8-bf16, 1 thread'."""
    threads = f", {way.threads} thread{'s' * (way.threads > 1)}" if way.threads else ""
    return f"{way.engine} {way.arithmetic}{threads}"


def _own_size(preset: Preset) -> tuple[int, int]:
    """(width, height) at which a preset's network sees a picture of SIZE's proportions."""
    height, width = network_size(SIZE[1], SIZE[0], preset.long_side)
    return width, height


def _blob(size: tuple[int, int]) -> Blob:
    width, height = size
    return to_blob(shrink(fit_frame(read_image(PICTURE), width, height, mirror=False), (height, width)))


def _step_back() -> None:
    """A live picture beside this goes first: a call must not stutter for it."""
    lower: Any = getattr(psutil, "IDLE_PRIORITY_CLASS", 15)
    try:
        psutil.Process().nice(lower)
    except (psutil.Error, OSError) as error:
        log.info("the priority stays: %s", error)
