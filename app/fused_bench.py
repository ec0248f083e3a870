"""`bench --fused`: frames through the fused graph, loaded, computed and collected on three threads.

What computes is the thread that built the engine: a recording belongs to its thread.
"""

import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from app.bench_command import BACKGROUND, read_pictures, say_what_is_measured
from app.settings import Scene, parse_size
from matting_core.background import open_background
from matting_core.background_spec import parse_spec
from matting_core.benchmark import machine, versions
from matting_core.engine_fused import FusedEngine, Slot
from matting_core.engine_onnxruntime import NVIDIA
from matting_core.fit import fit_frame
from matting_core.frames import Image
from matting_core.fused_spec import FusedSpec
from matting_core.model_store import ModelStore
from matting_core.nvidia import device_name, memory_in_use_mib
from matting_core.preprocess import network_size
from matting_core.presets import find_preset

SLOTS = 3
"""One that loads, one that is computed, and one that is collected."""
WARM_UP_FRAMES = 5
CAMERA_FPS = 60
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Loaded:
    slot: Slot
    began_s: float


class _Run:
    """The engine as it is meant to be used: one thread loads, the caller's own computes, another one collects.

    fps: how often the camera has a picture; with 0 there is always one.
    """

    def __init__(self, engine: FusedEngine, images: Iterator[Image], fps: int) -> None:
        self._engine = engine
        self._images = images
        self._fps = fps
        self._mirror = Scene().mirror
        self._room = threading.Semaphore(SLOTS)
        self._stopping = threading.Event()
        self._slots: dict[int, Slot] = {}  # those out of the engine's hands
        self._loaded: queue.SimpleQueue[_Loaded | Exception] = queue.SimpleQueue()
        self._composed: queue.SimpleQueue[_Loaded | None] = queue.SimpleQueue()
        self._collected: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._load, name="mattecam-bench-load"),
            threading.Thread(target=self._collect, name="mattecam-bench-collect"),
        ]
        for thread in self._threads:
            thread.start()

    def compute(self) -> None:
        """Compute the next frame that is loaded. Raises what stopped the loading or the collecting."""
        loaded = self._loaded.get()
        if isinstance(loaded, Exception):
            raise loaded
        self._engine.compose(loaded.slot)
        self._composed.put(loaded)

    def collected(self) -> list[float]:
        """Of each frame that came to the host since the last call, the milliseconds since its picture was there."""
        return [self._collected.get_nowait() for _ in range(self._collected.qsize())]

    def close(self) -> None:
        """End the threads, and give the engine its slots back."""
        self._stopping.set()
        self._composed.put(None)
        for thread in self._threads:
            thread.join()
        for slot in self._slots.values():
            self._engine.release(slot)

    def _load(self) -> None:
        height, width = self._engine.spec.size
        due_s = time.perf_counter()
        try:
            for image in self._images:
                if self._fps and self._stopping.wait(max(0.0, due_s + 1 / self._fps - time.perf_counter())):
                    return
                while not self._room.acquire(timeout=POLL_S):
                    if self._stopping.is_set():
                        return
                began_s = time.perf_counter()
                if self._fps:  # the newest picture that the camera has by now
                    began_s = due_s = due_s + max(1, int((began_s - due_s) * self._fps)) / self._fps
                slot = self._engine.load(fit_frame(image, width, height, self._mirror))
                assert slot is not None, "there is room"
                self._slots[slot.index] = slot
                self._loaded.put(_Loaded(slot, began_s))
        except Exception as error:  # handed to whoever waits for a frame
            self._loaded.put(error)

    def _collect(self) -> None:
        try:
            while (composed := self._composed.get()) is not None:
                self._engine.collect(composed.slot)
                self._collected.put((time.perf_counter() - composed.began_s) * 1e3)
                self._engine.release(self._slots.pop(composed.slot.index))
                self._room.release()
        except Exception as error:  # handed to whoever waits for a frame
            self._loaded.put(error)


def bench_fused(source: str, size: str, seconds: float, preset: str, engine: str, as_json: bool) -> int:
    """Measure and print frames per second and the time from a picture to its canvas; returns the exit code.

    engine: 'cuda', 'tensorrt' or 'cpu'; 'auto' is 'cuda'. On a colour without smoothing and with it, and on the blurred
    room with it; each as fast as it goes, and from a camera of CAMERA_FPS. TensorRT without smoothing only: it may
    compute anything in float16, which does not hold the smoothing's numbers.
    """
    width, height = parse_size(size)
    chosen, scene = find_preset(preset), Scene()
    name = "cuda" if engine == "auto" else engine
    network = network_size(height, width, chosen.long_side)
    spec = FusedSpec((height, width), network, scene.decontaminate, ("i420",), half=name in NVIDIA)
    model = ModelStore().locate(chosen.model)
    colour, room = (open_background(parse_spec(text), width, height) for text in (BACKGROUND, "blur"))
    assert colour.still is not None, "it is one picture"
    kinds = {"smoothing off": spec}
    if name != "tensorrt":
        kinds |= {
            "smoothing motion": replace(spec, smooth=True),
            "smoothing motion, blur": replace(spec, smooth=True, blur=room.blur),
        }
    say_what_is_measured(preset, size)
    rows = {}
    for kind, wanted in kinds.items():
        runner = FusedEngine(name, model, wanted, slots=SLOTS)
        try:
            runner.record()  # before other threads use the GPU
            runner.set_background(colour.still)
            for fps in (0, CAMERA_FPS):
                images = itertools.cycle(read_pictures(source, size))
                rows[kind + (f", {fps} fps" if fps else "")] = _measure(runner, images, seconds, fps)
        finally:
            runner.close()
    result = {
        "rows": rows,
        "provider": runner.provider,
        "device": device_name() if name in NVIDIA else "",
        "precision": "fp16" if spec.half else "fp32",
        "model": chosen.model,
        "preset": preset,
        "input_size": f"{network[1]}x{network[0]}",
        "frame_size": f"{width}x{height}",
        "machine": machine(),
        "versions": versions(),
    }
    print(json.dumps(result) if as_json else _table(rows, f"{runner.provider} {result['device']}".rstrip()))
    return 0


def _measure(engine: FusedEngine, images: Iterator[Image], seconds: float, fps: int = 0) -> dict[str, float]:
    """Rates and times, in milliseconds from a picture that is there to its canvas and I420 on the host.

    memory_mib and memory_grown_mib: the GPU's memory in use at the start, and what was added to it at most.
    """
    run = _Run(engine, images, fps)
    taken_ms: list[float] = []
    try:
        while len(taken_ms) < WARM_UP_FRAMES:
            run.compute()
            taken_ms += run.collected()
        taken_ms = []
        memory = [_memory_mib(engine)]
        began_s = looked_s = time.perf_counter()
        while not taken_ms or time.perf_counter() - began_s < seconds:
            run.compute()
            taken_ms += run.collected()
            if time.perf_counter() - looked_s > 1:
                looked_s = time.perf_counter()
                memory.append(_memory_mib(engine))
        spent_s = time.perf_counter() - began_s
    finally:
        run.close()
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(taken_ms, (50, 95, 99)))
    return {
        "fps": round(len(taken_ms) / spent_s, 2),
        "frames": len(taken_ms),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "memory_mib": memory[0],
        "memory_grown_mib": max(memory) - memory[0],
    }


def _memory_mib(engine: FusedEngine) -> int:
    return memory_in_use_mib() if engine.name in NVIDIA else 0


def _table(rows: dict[str, dict[str, float]], provider: str) -> str:
    head = f"{'fused graph':30} {'fps':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'MiB':>6} {'grown':>6}"
    lines = [f"{head}  with {provider}"]
    lines += [
        f"{name:30} {row['fps']:8.1f} {row['p50_ms']:8.2f} {row['p95_ms']:8.2f} {row['p99_ms']:8.2f} "
        f"{row['memory_mib']:6.0f} {row['memory_grown_mib']:6.0f}"
        for name, row in rows.items()
    ]
    return "\n".join(lines)
