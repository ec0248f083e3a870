"""How a processor may compute a network, and which way is fastest on this one without moving the mattes."""

import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from matting_core.engine import Network, create_engine
from matting_core.engine_onnxruntime import SPIN_S
from matting_core.engine_openvino import PRECISIONS, arithmetic_name, processor_precisions
from matting_core.errors import EngineError, InferenceFailed, ModelError
from matting_core.frames import FloatAlpha
from matting_core.preprocess import Blob

log = logging.getLogger(__name__)

ROUNDS, LEAST_ROUNDS, LIMIT_S = 7, 3, 8.0
MOST_DIFFERENCE = 0.006
"""Mean |Δα| from float32 up to which a faster way counts."""
WORTH = 1.05
"""A way must be this many times as fast as the usual one to take its place; less is noise."""
LIGHT_MS = 11.5
"""The most that a network may take to hold 60 frames a second: 16.7 ms less 3.5 ms for the rest of its thread on a slow
processor (docs/speed.md: fit, preprocess, stabilise and alpha), and some room. With 12.5 ms, frames wait, and some are
lost."""
LIGHT_ROUNDS, HEAVY_ROUNDS = 9, 4


class Way(NamedTuple):
    """engine: 'openvino' or 'cpu'. arithmetic: 'float32', 'bf16', 'f16', 'int8', or int8 with the rest in one of
    these, as 'int8-bf16'. threads: how many OpenVINO computes with; 0: as many as it likes."""

    engine: str
    arithmetic: str
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """One way's median time, and the mean |Δα| of its matte from float32's."""

    way: Way
    p50_ms: float
    mean_difference: float


FLOAT32 = Way("openvino", "float32")


def possible_ways(network: Network) -> list[Way]:
    """What this processor can do with a network, the usual way first. Empty where OpenVINO is missing."""
    try:
        precisions = processor_precisions()
    except EngineError as error:
        log.info("nothing to choose from: %s", error)
        return []
    halves = [name for name in PRECISIONS if name in precisions]
    quantised = [arithmetic_name(True, precision) for precision in ("f32", *halves)] if network.int8 else []
    ways = [Way("openvino", name) for name in (*quantised, "float32", *halves)]
    return [*ways, Way("cpu", "float32")]


def time_ways(network: Network, ways: Sequence[Way], blob: Blob, rounds: int = ROUNDS) -> list[Timing]:
    """Time the ways in turn on one picture, so that what else the machine does falls on all alike.

    A way that does not start here is left out. ways: with FLOAT32 among them. After LIMIT_S no further round begins,
    but for the first LEAST_ROUNDS.
    """
    engines = {}
    try:
        mattes: dict[Way, FloatAlpha] = {}
        for way in ways:
            try:
                engines[way] = create_engine(way.engine, network._replace(arithmetic=way.arithmetic))
                mattes[way] = engines[way].predict(blob)
            except (EngineError, ModelError) as error:
                log.info("%s: %s", way, error)
        times: dict[Way, list[float]] = {way: [] for way in mattes}
        until_s = time.perf_counter() + LIMIT_S
        for done in range(rounds):
            if done >= LEAST_ROUNDS and time.perf_counter() >= until_s:
                break
            for way in mattes:
                time.sleep(SPIN_S)
                engines[way].predict(blob)  # another way's network has just emptied the caches
                began_s = time.perf_counter()
                engines[way].predict(blob)
                times[way].append((time.perf_counter() - began_s) * 1e3)
    finally:
        for engine in engines.values():
            engine.close()
    reference = mattes.get(FLOAT32)
    if reference is None:
        return []
    return [
        Timing(way, round(statistics.median(times[way]), 3), round(float(np.abs(matte - reference).mean()), 5))
        for way, matte in mattes.items()
    ]


def choose(timings: Sequence[Timing], usual: Way) -> Way:
    """The fastest way whose mattes are close enough to float32's; the usual one where none is WORTH the change."""
    close = [timing for timing in timings if timing.mean_difference <= MOST_DIFFERENCE]
    now = next((timing for timing in close if timing.way == usual), None)
    best = min(close, key=lambda timing: timing.p50_ms, default=None)
    if best is None or (now is not None and best.p50_ms * WORTH > now.p50_ms):
        return usual
    return best.way


def leave_a_core(network: Network, way: Way, blob: Blob) -> tuple[Way, float]:
    """Time a way, and give it one thread fewer than OpenVINO would take if the network then still holds 60 fps.

    The camera, the blend and the caller's programs then do not wait for a core, nor the network's threads, which wait
    for each other, for one that was taken from them. blob: of the size that the network will run at. With the way
    comes the shortest time that it took, in milliseconds; 0 where it failed altogether.
    """
    took_ms = 0.0
    try:
        threads, took_ms = _shortest(network, way, blob)
        if way.engine != "openvino" or threads < 2 or took_ms > LIGHT_MS:
            return way, took_ms
        fewer = way._replace(threads=threads - 1)
        _, longer_ms = _shortest(network, fewer, blob)
    except (EngineError, ModelError, InferenceFailed) as error:
        log.info("%s: %s", way, error)
        return way, took_ms
    return (fewer, longer_ms) if longer_ms <= LIGHT_MS else (way, took_ms)


def _shortest(network: Network, way: Way, blob: Blob) -> tuple[int, float]:
    """On how many threads a way runs, and its shortest time: what else the machine does only ever makes it longer."""
    engine = create_engine(way.engine, network._replace(arithmetic=way.arithmetic, threads=way.threads))
    try:
        engine.predict(blob)
        times: list[float] = []
        while len(times) < HEAVY_ROUNDS or (len(times) < LIGHT_ROUNDS and min(times) <= 2 * LIGHT_MS):
            began_s = time.perf_counter()
            engine.predict(blob)
            times.append((time.perf_counter() - began_s) * 1e3)
        return getattr(engine, "threads", 1), min(times)
    finally:
        engine.close()
