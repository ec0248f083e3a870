"""A live pipeline on made-up devices, whose every canvas is scanned for the room."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from app.pipeline import Parts, Pipeline
from app.settings import Settings
from app.status import Notice, Stats
from tests.support.room import HEIGHT, PERSON_BGR, WIDTH, GreenEngines, Memory, RoomSource

BACKGROUND_BGR = (0x26, 0x2E, 0x3A)
SETTINGS = Settings(
    camera="demo",
    background="color:#3a2e26",
    output_size=f"{WIDTH}x{HEIGHT}",
    preset="fast",
    virtual_camera=False,
    output_fps=120,
)


class Rig:
    """A pipeline with a memory for an output; `finish` is what every test of it ends with."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.pipeline: Pipeline

    def build(self, settings: Settings = SETTINGS, **parts: object) -> Pipeline:
        parts = {"open_source": lambda _settings, **_: RoomSource(), "create_engine": GreenEngines(), **parts}
        self.pipeline = Pipeline(settings, Parts(outputs=(self.memory,), **parts))  # type: ignore[arg-type]
        self.pipeline.start()
        return self.pipeline

    def until(self, what: Callable[[], bool], timeout_s: float = 8.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not what():
            if time.monotonic() > deadline:
                pytest.fail(f"did not happen in {timeout_s} s; {self.pipeline.status()}")
            time.sleep(0.005)

    def shows_person(self) -> bool:
        return shows_person(self.memory)

    def notice(self, key: str) -> Notice | None:
        """The notice of that key, if it is up."""
        return next((notice for notice in self.pipeline.status().notices if notice.key == key), None)

    def finish(self, left_behind: bool = False) -> None:
        """Stop, within the 2 s that every fault leaves to the threads; nothing of the room was sent.

        left_behind: the camera's or the network's thread is inside a call that never comes back.
        """
        began_s = time.monotonic()
        assert self.pipeline.stop(), "the output did not end"
        if left_behind:
            assert stages_alive()
        else:
            self.until(lambda: not stages_alive(), 1.0)
        assert time.monotonic() - began_s < 2.0
        assert self.memory.leaks == 0, "the room was sent"
        assert self.memory.closed


def stages_alive() -> list[str]:
    """Which of the pipeline's threads have not ended."""
    stages = {"mattecam-capture", "mattecam-matting", "mattecam-output"}
    return [thread.name for thread in threading.enumerate() if thread.name in stages]


def shows_person(memory: Memory) -> bool:
    """Whether the newest canvas has the green person on it."""
    newest = memory.newest
    return newest is not None and bool((np.abs(newest.astype(int) - PERSON_BGR).max(2) < 8).sum() > 1000)


def assert_accounted(stats: Stats) -> None:
    """Every frame is in one count."""
    assert stats.captured == stats.matted + stats.failed + stats.dropped_unmatted
    assert stats.matted == stats.shown + stats.dropped_unsent
    assert stats.sent == stats.shown + stats.repeated + stats.slates
