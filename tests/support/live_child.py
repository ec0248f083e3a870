"""A live pipeline in a process of its own, to be stopped, killed and asked to end: python -m tests.support.live_child

One JSON line ten times a second tells what it has sent; the last one, after a signal, whether all threads ended.
"""

import argparse
import json
import time
from pathlib import Path

from app import pipeline as pipeline_module
from app.pipeline import Parts, Pipeline
from app.run_command import _signals
from tests.support.rig import SETTINGS, shows_person, stages_alive
from tests.support.room import GreenEngine, GreenEngines, Memory, RoomSource


class SlowStart(GreenEngines):
    """Takes its time to load."""

    def __init__(self, load_s: float) -> None:
        super().__init__()
        self._load_s = load_s

    def __call__(self, name: str, model: Path) -> GreenEngine:
        time.sleep(self._load_s)
        return super().__call__(name, model)


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--film", type=Path)
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--hang-s", type=float, default=10.0)
    options = parser.parse_args()
    pipeline_module.HANG_S = options.hang_s
    memory, engines = Memory(), SlowStart(options.load_s)
    pipeline = Pipeline(SETTINGS, Parts(lambda _settings, **_: RoomSource(), engines, outputs=(memory,)))

    def tell(**more: object) -> None:
        words = [notice.problem for notice in pipeline.status().notices if notice.severity != "info"]
        told = {"sent": memory.sent, "leaks": memory.leaks, "person": shows_person(memory)}
        print(json.dumps({**told, "engines": len(engines.built), "notices": words, **more}), flush=True)

    with _signals() as interrupted:
        pipeline.start()
        if options.film:
            pipeline.start_recording(options.film)
        while not interrupted.wait(0.1):
            tell()
        began_s = time.monotonic()
        ended = pipeline.stop(10.0)
        tell(ended=ended and not stages_alive(), took_s=time.monotonic() - began_s)


if __name__ == "__main__":
    main()
