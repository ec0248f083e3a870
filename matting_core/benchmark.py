"""Times each step that a frame goes through on this machine, one after the other on one thread."""

import os
import platform
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, cast

import cv2
import numpy as np

from matting_core.background import Background
from matting_core.buffers import Recycler
from matting_core.composite import Compositor, Edges
from matting_core.engine_onnxruntime import SPIN_S
from matting_core.engine_recorded import CHECK_FIRST
from matting_core.fit import fit_frame, within
from matting_core.frames import Alpha, Array, Frame, Image
from matting_core.jpeg import JpegDecoder
from matting_core.predictor import Lap, Predictor, no_lap
from matting_core.preprocess import input_size

WARM_UP_FRAMES = CHECK_FIRST + 1
"""By then a GPU's recording has taken over, if somebody is to be seen in the frames."""
ALLOCATION_FRAMES = 20
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]
"""How `as_jpeg` compresses: much as a webcam does."""
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "openvino", "opencv-python", "numpy")


@dataclass(frozen=True, slots=True)
class Measurement:
    """frames and seconds of the timed part; stages: every duration of a stage in milliseconds, by its name."""

    frames: int
    seconds: float
    stages: dict[str, list[float]]

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50_ms and p95_ms of each stage."""
        return {
            name: {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}
            for name, (p50, p95) in ((name, np.percentile(times, (50, 95))) for name, times in self.stages.items())
        }


class _Stopwatch:
    def __init__(self, stages: dict[str, list[float]]) -> None:
        self._stages = stages
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages.setdefault(stage, []).append((now - self._last) * 1e3)
        self._last = now


class FrameWay:
    """A frame's whole way on one thread: the very steps of the live pipeline, one after the other.

    A GPU may run them as a whole there; `app/fused_bench.py` times that.

    size: (width, height) of the canvas. mirror: flip the pictures, as the setting does. The first step decodes a
    webcam's JPEG; the last ones are the conversion to I420 that a virtual camera on Linux takes, and the window's
    picture, in preview_space (width, height).
    """

    def __init__(
        self,
        predictor: Predictor,
        background: Background,
        size: tuple[int, int],
        mirror: bool,
        edges: Edges,
        preview_space: tuple[int, int],
    ) -> None:
        self._predictor = predictor
        self._background = background
        self._size = width, height = size
        self._mirror = mirror
        self._edges = edges
        self._preview_space = preview_space
        self._compositor = Compositor(width, height)
        self._arrays = Recycler()
        self._jpegs = JpegDecoder()
        self._canvas: Image = np.empty((height, width, 3), np.uint8)
        self._i420 = np.empty((height * 3 // 2, width), np.uint8)
        predictor.warm_up(height, width)
        predictor.prepare(height, width)

    def go(self, jpeg: Array, index: int, lap: Lap) -> None:
        """Send one picture, as `as_jpeg` gives it, the whole way; `lap` is told each step that is done."""
        now_s = time.perf_counter()
        image = cast(Image, self._jpegs.decode(jpeg))
        lap("decode")
        fitted = fit_frame(image, *self._size, mirror=self._mirror, arrays=self._arrays)
        lap("fit")
        matted = self._predictor.predict(Frame(fitted, now_s, index), lap)
        if matted is not None:
            behind = self._background.render(matted, now_s, self._canvas)
            lap("background")
            self._compositor.render(matted, behind, self._edges, self._canvas)
            lap("composite")
            cv2.cvtColor(self._canvas, cv2.COLOR_BGR2YUV_I420, dst=self._i420)
            lap("convert")
            within(self._canvas, self._preview_space, self._arrays)
            lap("preview")


def as_jpeg(image: Image) -> Array:
    """The picture (uint8 H×W×3 BGR) compressed as a webcam sends it: uint8 N."""
    return cast(Array, cv2.imencode(".jpg", image, JPEG)[1])


def measure(way: FrameWay, jpegs: Iterator[Array], seconds: float) -> Measurement:
    """Send pictures the whole way for that many seconds, and at least one, after WARM_UP_FRAMES untimed ones.

    Fetching a picture from `jpegs` is not timed.
    """
    for _ in range(WARM_UP_FRAMES):
        way.go(next(jpegs), 0, no_lap)
    stages: dict[str, list[float]] = {}
    frames, spent = 0, 0.0
    while frames < 1 or spent < seconds:
        jpeg = next(jpegs)
        began = time.perf_counter()
        way.go(jpeg, frames, _Stopwatch(stages))
        spent += time.perf_counter() - began
        frames += 1
    return Measurement(frames, spent, stages)


def measure_allocations(way: FrameWay, jpegs: Iterator[Array]) -> dict[str, int]:
    """The most bytes that each stage held more than when it began: the median of ALLOCATION_FRAMES frames.

    Counted is what Python, NumPy and OpenCV's arrays take from the system, not the engine's own memory. Slow.
    """
    held: dict[str, list[int]] = {}
    base = 0

    def lap(stage: str) -> None:
        nonlocal base
        now, peak = tracemalloc.get_traced_memory()
        held.setdefault(stage, []).append(peak - base)
        tracemalloc.reset_peak()
        base = now

    tracemalloc.start()
    try:
        for index in range(-WARM_UP_FRAMES, ALLOCATION_FRAMES):
            if index == 0:
                held = {}
            jpeg = next(jpegs)
            base = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            way.go(jpeg, max(index, 0), lap)
    finally:
        tracemalloc.stop()
    return {stage: round(float(np.median(sizes))) for stage, sizes in held.items()}


def compare_predictors(
    contenders: Mapping[str, Predictor], images: Iterator[Image], seconds: float
) -> dict[str, dict[str, Any]]:
    """Time predictors on the same frames, each in its turn, so that what else the machine does falls on all alike.

    The first contender is what the others are held against. images: all of one size. seconds: of the timed part; at
    least one frame is. Gives for each input_size, provider, p10_ms, p50_ms, p90_ms, times_as_fast (ratio of medians)
    and mean_difference (of alpha from the first's, in [0, 1]).
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    differences: dict[str, list[float]] = {name: [] for name in contenders}
    image = next(images)
    for predictor in contenders.values():
        predictor.prepare(*image.shape[:2])
        for _ in range(WARM_UP_FRAMES):
            predictor.predict(Frame(image, 0.0, 0))
    frames, began = 0, time.perf_counter()
    while frames < 1 or time.perf_counter() - began < seconds:
        image = next(images)
        first: Alpha | None = None
        for name, predictor in contenders.items():
            time.sleep(SPIN_S)
            start = time.perf_counter()
            matted = predictor.predict(Frame(image, start, frames))
            spent = time.perf_counter() - start
            assert matted is not None, "without smoothing no frame is held back"
            first = matted.alpha if first is None else first
            times[name].append(spent * 1e3)
            differences[name].append(float(cv2.absdiff(matted.alpha, first).mean()) / 255)
        frames += 1
    reference = float(np.median(next(iter(times.values()))))
    rows = {}
    for name, predictor in contenders.items():
        p10, p50, p90 = (float(value) for value in np.percentile(times[name], (10, 50, 90)))
        rows[name] = {
            "input_size": input_size(image.shape[0], image.shape[1], predictor.preset.long_side),
            "provider": predictor.engine.provider,
            "p10_ms": round(p10, 3),
            "p50_ms": round(p50, 3),
            "p90_ms": round(p90, 3),
            "times_as_fast": round(reference / p50, 3),
            "mean_difference": round(float(np.mean(differences[name])), 5),
            "frames": len(times[name]),
        }
    return rows


def machine() -> dict[str, str | int]:
    """What the figures were measured on: processor, cores, system."""
    return {"processor": _processor(), "cores": os.cpu_count() or 0, "system": platform.platform()}


def versions() -> dict[str, str]:
    """The versions of what does the work."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package.replace("-", "_")] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  a plain read of the kernel's list
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
