"""Engines that hang, run out of memory, lose their GPU or return no matte: a slate, a sentence, and the next engine."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app import pipeline as pipeline_module
from app import upstream
from matting_core.errors import EngineError
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob
from tests.support.rig import SETTINGS, Rig, assert_accounted
from tests.support.room import GreenEngine, GreenEngines, RoomSource

OPENVINO = SETTINGS.changed(engine="openvino")  # then comes cpu
ALWAYS = range(2, 5000)  # the first call is the warm-up


class StuckEngine(GreenEngine):
    """Never comes back from its sixth call, or a later one once it may hang, until it is let go."""

    def __init__(self, name: str, free: threading.Event, may_hang: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name)
        self._free = free
        self._may_hang = may_hang
        self.hangs = False

    def predict(self, blob: Blob) -> FloatAlpha:
        if self.calls >= 5 and not self.hangs and self._may_hang():
            self.hangs = True
            self._free.wait(30.0)
        return super().predict(blob)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets every stuck call go at the end of a test, so that no thread outlives it. A hang is 0.6 s here."""
    monkeypatch.setattr(pipeline_module, "HANG_S", 0.6)
    event = threading.Event()
    yield event
    event.set()


class AllPersonEngine(GreenEngine):
    """Its output is stuck at 1, as a number beyond float16's range makes a sigmoid."""

    def predict(self, blob: Blob) -> FloatAlpha:
        return np.ones_like(super().predict(blob))


def test_an_engine_that_takes_everything_for_the_person_never_shows_the_room(rig: Rig) -> None:
    """It does not get past its start; the rig's output scans each canvas for the room."""
    engines: list[AllPersonEngine] = []

    def create(name: str, _model: object) -> AllPersonEngine:
        engines.append(AllPersonEngine(name))
        return engines[-1]

    pipeline = rig.build(OPENVINO, create_engine=create)
    rig.until(lambda: pipeline.status().matting == "failed")
    shown = rig.memory.sent
    rig.until(lambda: rig.memory.sent > shown + 3)
    notice = rig.notice("matting")
    assert notice is not None and "takes an empty picture for a person" in notice.problem
    assert all(engine.closed for engine in engines)
    assert pipeline.status().stats.matted == 0


def test_auto_goes_on_to_an_engine_that_gives_mattes(rig: Rig) -> None:
    """Where the first one found starts, and takes everything for the person."""
    built: list[GreenEngine] = []

    def create(name: str, _model: object) -> GreenEngine:
        if name == "cuda":
            raise EngineError("There is no GPU.")
        made = AllPersonEngine("openvino") if name in ("auto", "openvino") else GreenEngine(name)
        built.append(made)
        return made

    pipeline = rig.build(SETTINGS.changed(engine="auto"), create_engine=create)
    rig.until(rig.shows_person)
    assert pipeline.status().engine == built[-1].name == "cpu"
    told = rig.notice("engine")
    assert told is not None
    assert told.problem.startswith("With the openvino engine the network takes an empty picture for a person. The cpu")
    assert all(engine.closed for engine in built[:-1])


class SlowlyPreparedEngine(GreenEngine):
    """Does not come back from getting ready what makes it faster until it is let go."""

    def __init__(self, free: threading.Event) -> None:
        super().__init__("openvino")
        self._free = free
        self.preparing: tuple[int, int] | None = None

    def prepare(self, size: tuple[int, int]) -> None:
        self.preparing = size
        self._free.wait(30.0)


def test_frames_go_on_while_an_engine_prepares_what_makes_it_faster(rig: Rig, free: threading.Event) -> None:
    engine = SlowlyPreparedEngine(free)
    pipeline = rig.build(OPENVINO, create_engine=lambda *_: engine)
    rig.until(lambda: engine.preparing is not None)
    shown = rig.memory.sent
    rig.until(lambda: rig.memory.sent > shown + 20)
    rig.until(rig.shows_person)
    assert engine.preparing is not None
    assert pipeline.status().input_size == "{1}x{0}".format(*engine.preparing)
    began_s = time.monotonic()
    assert pipeline.stop()
    assert time.monotonic() - began_s < 2
    assert engine.closed


def test_an_engine_that_hangs_is_given_up_and_the_next_one_takes_over(rig: Rig, free: threading.Event) -> None:
    built: list[GreenEngine] = []

    def create(name: str, _model: object) -> GreenEngine:
        built.append(StuckEngine(name, free) if name == "openvino" else GreenEngine(name))
        return built[-1]

    opened: list[RoomSource] = []

    def open_room(_settings: object, **_: object) -> RoomSource:
        assert all(source.closed for source in opened), "two cameras were open at once"
        opened.append(RoomSource())
        return opened[-1]

    pipeline = rig.build(OPENVINO, create_engine=create, open_source=open_room)
    rig.until(lambda: len(built) == 2)
    rig.until(rig.shows_person)
    told = rig.notice("engine")
    assert told is not None
    assert told.problem == "The openvino engine stopped responding and was given up."
    assert told.mend
    assert pipeline.status().engine == "cpu"
    shown = rig.memory.sent
    free.set()  # the stuck call comes back, too late: its frame goes nowhere
    rig.until(lambda: rig.memory.sent > shown + 20)
    rig.until(lambda: built[0].closed)
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


def test_a_hang_is_a_slate_within_two_seconds(rig: Rig, free: threading.Event) -> None:
    pipeline_module.HANG_S = 10.0
    was_shown = threading.Event()
    rig.build(create_engine=lambda name, _model: StuckEngine(name, free, was_shown.is_set))
    rig.until(rig.shows_person)
    was_shown.set()
    rig.until(lambda: not rig.shows_person(), timeout_s=2.0)


def test_when_every_engine_hangs_the_stage_fails_with_a_sentence_and_a_restart_by_hand_mends_it(
    rig: Rig, free: threading.Event
) -> None:
    stuck = {"openvino", "cpu"}
    pipeline = rig.build(
        OPENVINO,
        create_engine=lambda name, _model: StuckEngine(name, free) if name in stuck else GreenEngine(name),
    )
    rig.until(lambda: pipeline.failure is not None, 8.0)
    told = rig.notice("matting")
    assert told is not None
    assert "openvino and cpu engines stopped responding" in told.problem
    rig.until(lambda: not rig.shows_person(), timeout_s=2.0)
    stuck.clear()
    pipeline.restart()
    rig.until(rig.shows_person)
    assert rig.notice("matting") is None


def test_closing_does_not_wait_for_an_engine_that_hangs(rig: Rig, free: threading.Event) -> None:
    pipeline_module.HANG_S = 60.0
    engines: list[StuckEngine] = []

    def create(name: str, _model: object) -> GreenEngine:
        engines.append(StuckEngine(name, free))
        return engines[-1]

    rig.build(create_engine=create)
    rig.until(lambda: bool(engines) and engines[0].hangs)
    rig.finish(left_behind=True)  # within 2 s


def test_a_model_that_loads_for_long_is_no_hang(rig: Rig, free: threading.Event) -> None:
    engines = GreenEngines()
    engines.may_load.clear()
    pipeline = rig.build(create_engine=engines)
    time.sleep(1.0)
    assert pipeline.status().matting == "starting"
    engines.may_load.set()
    rig.until(rig.shows_person)
    assert len(engines.built) == 1


def test_closing_does_not_wait_for_a_network_that_never_loads(rig: Rig, free: threading.Event) -> None:
    def never(name: str, _model: object) -> GreenEngine:
        free.wait(30.0)
        return GreenEngine(name)

    rig.build(create_engine=never)
    rig.until(lambda: rig.memory.sent > 2)
    rig.finish(left_behind=True)


@pytest.mark.parametrize("fails", [False, True])
def test_a_new_upstream_does_not_wait_for_ever_for_the_one_before(
    rig: Rig, free: threading.Event, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """The old engine hangs while its model loads: that looks like a slow load, so only patience ends."""
    monkeypatch.setattr(upstream, "LET_GO_S", 0.3)

    def create(name: str, _model: object) -> GreenEngine:
        if name == "openvino":
            free.wait(30.0)
            if fails:
                raise EngineError("The old engine does not start.")
        return GreenEngine(name)

    pipeline = rig.build(OPENVINO, create_engine=create)
    rig.until(lambda: pipeline.status().matting == "starting")
    pipeline.apply(pipeline.settings.changed(engine="cpu"))
    rig.until(rig.shows_person)
    free.set()
    rig.until(lambda: [thread.name for thread in threading.enumerate()].count("mattecam-matting") == 1)
    assert pipeline.status().engine == "cpu", "the one that came late does not speak for the one that runs"
    assert pipeline.status().matting == "running"
    assert pipeline.failure is None
    assert rig.notice("matting") is None


@pytest.mark.parametrize(
    ("fault", "words"), [("nan", "not a matte"), ("bug", "not enough memory"), ("raise", "failed")]
)
def test_an_engine_that_goes_on_failing_is_rebuilt_then_replaced_and_told(rig: Rig, fault: str, words: str) -> None:
    always = dict.fromkeys(ALWAYS, fault)
    pipeline = rig.build(OPENVINO, create_engine=GreenEngines(always, always))
    rig.until(rig.shows_person)
    told = rig.notice("engine")
    assert told is not None
    assert "openvino engine kept failing, so it was replaced by cpu" in told.problem
    assert words in told.problem
    pipeline.stop()
    assert_accounted(pipeline.run_stats())


@pytest.mark.parametrize("error", [EngineError("The GPU is gone."), RuntimeError("no device"), MemoryError()])
def test_a_lost_gpu_that_does_not_start_again_gives_way_to_the_processor(rig: Rig, error: Exception) -> None:
    """Three failures rebuild the engine, but the device is gone for good."""
    built: list[GreenEngine] = []

    def create(name: str, _model: object) -> GreenEngine:
        if name == "cuda" and built:
            raise error
        built.append(GreenEngine(name, plan=dict.fromkeys(ALWAYS, "raise") if name == "cuda" else None))
        return built[-1]

    pipeline = rig.build(SETTINGS.changed(engine="cuda"), create_engine=create)
    rig.until(rig.shows_person)
    assert [engine.name for engine in built] == ["cuda", "openvino"]
    assert built[0].closed
    told = rig.notice("engine")
    assert told is not None
    assert "replaced by openvino" in told.problem
    assert pipeline.status().engine == "openvino"


def test_an_engine_without_memory_at_the_start_is_a_sentence(rig: Rig) -> None:
    def create(name: str, _model: object) -> GreenEngine:
        raise MemoryError

    pipeline = rig.build(create_engine=create)
    rig.until(lambda: pipeline.failure is not None, 5.0)
    told = rig.notice("matting")
    assert told is not None
    assert told.problem == "There is not enough memory to start the auto engine."
    assert told.mend


CHILD = """
import threading
from app import cli
from app.cli import leave
cli.main = lambda: 3
threading.Thread(target=threading.Event().wait, name="mattecam-matting").start()  # no daemon: it would block the exit
leave()
"""


def test_the_program_ends_past_a_thread_that_never_comes_back() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=root, timeout=30, check=False)
    assert done.returncode == 3
