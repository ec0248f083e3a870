"""FusedEngine: a fused graph with everything of a frame kept on the GPU from its upload to its canvas.

Buffers keep their size and address, so that a recorded CUDA graph can be replayed. A slot holds all buffers of one
frame: while one slot computes, another thread may load the next frame into another one.
"""

import contextlib
import hashlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs

from matting_core.device_buffers import TYPES, DeviceBuffer
from matting_core.engine_onnxruntime import (
    GPU_MEND,
    NVIDIA,
    PROVIDERS,
    cuda_options,
    open_graph,
    prepare_onnxruntime,
)
from matting_core.errors import EngineError, InferenceFailed, UsageError, first_line
from matting_core.frames import Alpha, Array, Image
from matting_core.fused_spec import STATE, FusedSpec, YuvFormat, fresh_mood
from matting_core.matte_check import is_matte

ENGINES = ("cuda", "tensorrt", "cpu")
_WARM_UPS = 3  # ONNX Runtime runs a graph once or twice before it records and replays it


@dataclass(slots=True)
class Slot:
    """The buffers of one frame by the graph's names, and what binds the session to them. Belongs to its engine."""

    index: int
    buffers: dict[str, DeviceBuffer]
    binding: Any
    background: int = -1
    """Which of the backgrounds set so far it holds."""
    stage: Literal["free", "loaded", "composed"] = "free"
    """How far the frame that it holds has come."""


@dataclass(frozen=True, slots=True)
class Composite:
    """A finished frame, in the slot's arrays: the caller's until the slot is released.

    canvas: uint8 H×W×3 BGR. yuv: uint8 H·3/2×W by format. matte: uint8 H×W, alpha as it was blended, if asked for.
    """

    canvas: Image
    yuv: dict[YuvFormat, Alpha]
    matte: Alpha | None


class FusedEngine:
    """Frames in, canvases out, on one device, by 'cuda', 'tensorrt' or, to check the others, 'cpu'.

    load → compose → collect → release. Three threads may share the work, each on a slot of its own: one loads and sets
    the background, one composes, one collects. Smoothing takes the frames in the order in which they are composed.
    Where anything fails, no canvas is given: the caller shows a slate.

    A CUDA graph belongs to the thread that composes, which records it in each slot's first runs. Nothing else may use
    the GPU meanwhile: see `record`.
    """

    def __init__(
        self,
        name: str,
        model: Path,
        spec: FusedSpec,
        *,
        slots: int = 2,
        cuda_graph: bool = True,
        cache: Path | None = None,
    ) -> None:
        """slots: frames at once. cache: where TensorRT keeps its engines, by default the user's cache.

        Builds the graph and runs every slot once, on any thread. Raises EngineError, ModelError, InferenceFailed.
        """
        if name not in ENGINES:
            raise UsageError(f"The fused graph does not run on '{name}'.", f"Choose one of: {', '.join(ENGINES)}.")
        self.name = name
        self.spec = spec
        self._ort = prepare_onnxruntime(name)
        self._captures = cuda_graph and name == "cuda"
        self._background = np.zeros((*spec.size, 3), np.uint8)
        self._backgrounds = 0
        cache = cache or platformdirs.user_cache_path("mattecam", appauthor=False) / "tensorrt"
        self._session: Any = self._open(model, cache, cuda_graph)
        self.provider = PROVIDERS[name]  # or `open_graph` would have refused
        self._state: dict[str, DeviceBuffer] = {}
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in [self._make_slot(index) for index in range(slots)]:
            self._run(slot, recorded=False)  # to choose kernels is what takes its time
            self._free.put(slot)
        self.reset()

    def record(self) -> None:
        """Run all slots until they replay a recording; none may be in use. Raises InferenceFailed."""
        slots = [self._free.get() for _ in range(self._free.qsize())]
        try:
            for slot in slots * _WARM_UPS:
                self._run(slot)
        finally:
            for slot in slots:
                self._free.put(slot)
            self.reset()

    def reset(self) -> None:
        """Forget the frames before, as `Stabiliser.reset` does; on the thread that composes. Raises InferenceFailed."""
        if self.spec.smooth:
            with _inference():
                self._state["mood"].load(fresh_mood())

    def set_background(self, background: Image) -> None:
        """What frames loaded from now on are laid on: uint8 H×W×3 BGR, not to be written until the next one is set."""
        if background.shape != (*self.spec.size, 3):
            raise ValueError(f"a background of shape {background.shape} for frames of {self.spec.size}")
        self._background = background
        self._backgrounds += 1

    def load(self, frame: Image) -> Slot | None:
        """A free slot with a frame (uint8 H×W×3 BGR) and, if it is another, the background; None if none is free.

        The slot is the caller's until `release`. ValueError: wrong shape. Raises InferenceFailed.
        """
        try:
            slot = self._free.get_nowait()
        except queue.Empty:
            return None
        try:
            slot.stage = "loaded"
            with _inference():
                slot.buffers["frame"].load(frame)
                if slot.background != self._backgrounds and not self.spec.blur:
                    slot.buffers["background"].load(self._background)
                    slot.background = self._backgrounds
        except BaseException:
            self.release(slot)
            raise
        return slot

    def release(self, slot: Slot) -> None:
        """Give a slot back, when its frame was sent or has failed; its composite is no longer the caller's.

        ValueError: it was given back before.
        """
        if slot.stage == "free":
            raise ValueError("a slot is given back that nobody has")
        slot.stage = "free"
        self._free.put(slot)

    def compose(self, slot: Slot) -> None:
        """Matte the slot's frame, and lay it on its background. Raises InferenceFailed."""
        if slot.stage != "loaded":
            raise InferenceFailed("A frame is composed once, after it was loaded.")
        self._run(slot)
        slot.stage = "composed"

    def collect(self, slot: Slot) -> Composite:
        """Bring what was composed to the host. Raises InferenceFailed, also for a slot whose frame was not composed."""
        if slot.stage != "composed":
            raise InferenceFailed("A frame that has not been composed cannot be collected.")
        with _inference():
            yuv = {name: slot.buffers[name].download() for name in dict.fromkeys(self.spec.yuv)}
            matte = slot.buffers["matte"].download() if self.spec.matte else None
            return Composite(slot.buffers["canvas"].download(), yuv, matte)

    def close(self) -> None:
        """Free the device. Safe to call twice."""
        self._session = None
        while not self._free.empty():
            self._free.get_nowait()

    def _run(self, slot: Slot, recorded: bool = True) -> None:
        if self._session is None:
            raise InferenceFailed(f"The fused {self.name} engine is closed.")
        options = self._ort.RunOptions()
        if self._captures:
            # Addresses are part of a recording, so each slot has its own.
            options.add_run_config_entry("gpu_graph_id", str(slot.index + 1) if recorded else "-1")
        with _inference():
            self._session.run_with_iobinding(slot.binding, options)
            _check_health(slot.buffers["health"].download())
            # Only of a matte. The graph cannot write what it reads: its nodes have no order.
            for name, after in STATE.items() if self.spec.smooth else ():
                self._state[name].take(self._state[after])

    def _open(self, model: Path, cache: Path, cuda_graph: bool) -> Any:
        graph = _build(model, self.spec)
        providers = _providers(self.name, cuda_graph, self.spec.half, cache / hashlib.sha256(graph).hexdigest()[:16])
        return open_graph(self._ort, self.name, graph, providers)

    def _make_slot(self, index: int) -> Slot:
        try:
            slot = Slot(index, {}, self._session.io_binding())
            for value in self._session.get_inputs():
                slot.binding.bind_ortvalue_input(value.name, self._buffer(value, slot).value)
            for value in self._session.get_outputs():
                slot.binding.bind_ortvalue_output(value.name, self._buffer(value, slot).value)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise EngineError(
                f"{self.provider} has no room for the buffers of a frame: {first_line(error)}",
                "Choose a smaller size, or close what else uses the GPU.",
            ) from error
        return slot

    def _buffer(self, value: Any, slot: Slot) -> DeviceBuffer:
        """The buffer of a session's input or output: the slot's own, or that of all slots for what is remembered."""
        shared = value.name in {*STATE, *STATE.values()}
        buffers = self._state if shared else slot.buffers
        if value.name not in buffers:
            device = "cuda" if self.name in NVIDIA else "cpu"
            buffers[value.name] = DeviceBuffer(self._ort, device, tuple(value.shape), TYPES[value.type])
        return buffers[value.name]


def _build(model: Path, spec: FusedSpec) -> bytes:
    try:
        from matting_core.fused_graph import build_fused
    except ImportError as error:
        raise EngineError("The package onnx, which makes the fused graph, is not installed.", GPU_MEND) from error
    data: bytes = build_fused(model, spec).SerializeToString()
    return data


def _providers(name: str, cuda_graph: bool, half: bool, cache: Path) -> list[tuple[str, dict[str, str]]]:
    """The provider and its options; TensorRT hands what it cannot run to CUDA, never to the processor."""
    if name == "cpu":
        return [(PROVIDERS[name], {})]
    cuda = (PROVIDERS["cuda"], cuda_options(half, cuda_graph and name == "cuda"))
    if name == "cuda":
        return [cuda]
    tensorrt = {
        "trt_engine_cache_enable": "1",
        # By content: TensorRT's own name for an engine does not see that weights have changed.
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache.parent),
        "trt_fp16_enable": str(int(half)),
        "trt_cuda_graph_enable": str(int(cuda_graph)),
    }
    return [(PROVIDERS[name], tensorrt), cuda]


def _check_health(figures: Array) -> None:
    """Raise InferenceFailed unless these are figures of a matte, such as its least and greatest."""
    if not is_matte(*figures.tolist()):
        told = ", ".join(f"{figure:.3g}" for figure in figures)
        raise InferenceFailed(f"The fused graph computed values that are not a matte ({told}).")


@contextlib.contextmanager
def _inference() -> Iterator[None]:
    """Turns what a device raises into InferenceFailed; a caller's ValueError passes."""
    try:
        yield
    except (ValueError, InferenceFailed):
        raise
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise InferenceFailed(f"The fused graph failed on a frame: {first_line(error)}") from error
