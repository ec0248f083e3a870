"""`bench --fused`: frames through the fused graph, one thread loading while another computes, as it is meant to run."""

import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.bench_command import BACKGROUND, read_pictures
from app.settings import Scene, parse_size
from matting_core.background import open_background
from matting_core.background_spec import parse_spec
from matting_core.benchmark import machine, versions
from matting_core.engine_fused import FusedEngine, Slot
from matting_core.engine_onnxruntime import NVIDIA
from matting_core.fit import fit_frame
from matting_core.frames import Frame, Image, MattedFrame
from matting_core.fused_spec import FusedSpec
from matting_core.model_store import ModelStore
from matting_core.preprocess import network_size
from matting_core.presets import find_preset
from matting_core.stabilise import make_stabiliser

SLOTS = 3
WARM_UP_FRAMES = 5
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Loaded:
    slot: Slot
    began_s: float


class _Loader:
    """A thread that brings pictures into free slots; what stops it is raised by `take`."""

    def __init__(self, engine: FusedEngine, images: Iterator[Image]) -> None:
        self._engine = engine
        self._images = images
        self._mirror = Scene().mirror
        self._loaded: queue.SimpleQueue[_Loaded | Exception] = queue.SimpleQueue()
        self._room = threading.Semaphore(SLOTS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mattecam-bench-load")
        self._thread.start()

    def take(self) -> _Loaded:
        """The next frame that is on the device."""
        item = self._loaded.get()
        if isinstance(item, Exception):
            raise item
        return item

    def give_back(self, slot: Slot) -> None:
        """Its canvas was used; the slot may take another frame."""
        self._engine.release(slot)
        self._room.release()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        height, width = self._engine.spec.size
        try:
            for image in self._images:
                while not self._room.acquire(timeout=POLL_S):
                    if self._stopping.is_set():
                        return
                if self._stopping.is_set():
                    return
                began_s = time.perf_counter()
                slot = self._engine.load(fit_frame(image, width, height, self._mirror))
                assert slot is not None, "there is room"
                self._loaded.put(_Loaded(slot, began_s))
        except Exception as error:  # handed to whoever waits for a frame
            self._loaded.put(error)


def bench_fused(source: str, size: str, seconds: float, preset: str, engine: str, as_json: bool) -> int:
    """Measure and print frames per second and the time from a picture to its canvas; returns the exit code.

    engine: 'cuda', 'tensorrt' or 'cpu'; 'auto' is 'cuda'. Once as a whole, and once in halves with smoothing between.
    """
    width, height = parse_size(size)
    chosen, scene = find_preset(preset), Scene()
    name = "cuda" if engine == "auto" else engine
    network = network_size(height, width, chosen.long_side)
    spec = FusedSpec((height, width), network, scene.decontaminate, ("i420",), half=name in NVIDIA)
    model = ModelStore().locate(chosen.model)
    behind = _background(width, height)
    rows = {}
    for smoothing in ("off", scene.smoothing):
        runner = FusedEngine(name, model, spec, smoothing=smoothing != "off", slots=SLOTS)
        try:
            runner.set_background(behind)
            images = itertools.cycle(read_pictures(source, size))
            rows[f"smoothing {smoothing}"] = _measure(runner, images, seconds, smoothing)
        finally:
            runner.close()
    result = {
        "rows": rows,
        "provider": runner.provider,
        "precision": "fp16" if spec.half else "fp32",
        "model": chosen.model,
        "preset": preset,
        "input_size": f"{network[1]}x{network[0]}",
        "frame_size": f"{width}x{height}",
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(result) if as_json else _table(rows, runner.provider))
    return 0


def _background(width: int, height: int) -> Image:
    background = open_background(parse_spec(BACKGROUND), width, height)
    nobody = MattedFrame(Frame(np.zeros((height, width, 3), np.uint8), 0.0, 0), np.zeros((height, width), np.uint8))
    try:
        return background.render(nobody, 0.0).copy()
    finally:
        background.close()


def _measure(engine: FusedEngine, images: Iterator[Image], seconds: float, smoothing: str) -> dict[str, float]:
    """Rates and times, in milliseconds from the picture's start into a slot to its canvas and I420 on the host."""
    stabiliser = make_stabiliser(smoothing)
    loader = _Loader(engine, images)
    taken_ms: list[float] = []
    done, began_s = -WARM_UP_FRAMES, time.perf_counter()
    try:
        while done < 1 or time.perf_counter() - began_s < seconds:
            if done == 0:
                taken_ms, began_s = [], time.perf_counter()
            loaded = loader.take()
            if smoothing == "off":
                engine.compose(loaded.slot)
            else:
                settled = stabiliser.push(*engine.matte(loaded.slot), loaded)
                if settled is None:
                    continue
                alpha, loaded = settled
                engine.compose(loaded.slot, alpha)
            taken_ms.append((time.perf_counter() - loaded.began_s) * 1e3)
            loader.give_back(loaded.slot)
            done += 1
        spent_s = time.perf_counter() - began_s
    finally:
        loader.close()
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(taken_ms, (50, 95, 99)))
    return {"fps": round(done / spent_s, 2), "frames": done, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def _table(rows: dict[str, dict[str, float]], provider: str) -> str:
    lines = [f"{'fused graph':18} {'fps':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}  with {provider}"]
    lines += [
        f"{name:18} {row['fps']:8.1f} {row['p50_ms']:8.2f} {row['p95_ms']:8.2f} {row['p99_ms']:8.2f}"
        for name, row in rows.items()
    ]
    return "\n".join(lines)
