"""One contender in a process of its own: its threads and its processor time are nobody else's.

The parent lets one work at a time, block by block in turn, so that all meet the same weather on the machine.
"""

import itertools
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from matting_core.errors import MattecamError, StageFailed
from matting_core.frames import Alpha, Image
from matting_core.metrics import as_unit, intersection_over_union
from matting_core.pairs import Pair, read_pair
from matting_core.trimap import Floats
from scripts.measure_quality import STILL
from tests.benchmarks.contenders import Contender

WARM_UP_FRAMES = 3
COMMON = (512, 288)
"""(width, height) at which all flicker is measured, whatever the size of a network: that of docs/quality.md."""


class PeerProcess:
    """The parent's end. Use it as a context; every call waits for its answer, and raises MattecamError."""

    def __init__(self, contender: Contender, frames: Path) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, contender, frames), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._pipe.send(("stop",))
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def open(self) -> str:
        """Load the network and warm it up; what runs it."""
        return str(self._ask("open"))

    def block(self, start: int, stop: int) -> tuple[list[float], list[float]]:
        """Matte these frames, the ones after the last block's; milliseconds and milliseconds of processor, each."""
        wall, processor = self._ask("block", start, stop)
        return wall, processor

    def flicker(self) -> dict[str, Any]:
        """Of the blocks so far: `flicker`, `bare` (without smoothing, None where there is none) and `still` share."""
        return dict(self._ask("flicker"))

    def overlaps(self, pairs: Sequence[Pair]) -> list[float]:
        """IoU at α > 0.5 of each picture, one pass, without a past."""
        return list(self._ask("overlaps", pairs))

    def _ask(self, *question: Any) -> Any:
        try:
            self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise StageFailed(self.contender.name, error) from error
        if isinstance(answer, Exception):
            raise answer if isinstance(answer, MattecamError) else StageFailed(self.contender.name, answer)
        return answer


class Answers:
    """The child's side: one method for each question."""

    def __init__(self, contender: Contender, frames: Path) -> None:
        self._contender = contender
        self._frames: Any = np.load(frames, mmap_mode="r")
        self._mattes: list[Alpha] = []

    def open(self) -> str:
        """See PeerProcess.open."""
        runs_it = self._contender.open()
        for _ in range(WARM_UP_FRAMES):
            self._contender.matte(np.array(self._frames[0]))
        self._contender.reset()
        return runs_it

    def block(self, start: int, stop: int) -> tuple[list[float], list[float]]:
        """See PeerProcess.block."""
        wall: list[float] = []
        processor: list[float] = []
        for index in range(start, stop):
            frame = np.array(self._frames[index])
            began, busy = time.perf_counter(), time.process_time()
            alpha = self._contender.matte(frame)
            wall.append((time.perf_counter() - began) * 1e3)
            processor.append((time.process_time() - busy) * 1e3)
            self._mattes.append(alpha)
        return wall, processor

    def flicker(self) -> dict[str, float | None]:
        """See PeerProcess.flicker."""
        frames = self._frames[: len(self._mattes)]
        value, still = flicker(self._mattes, frames)
        bare = None
        if self._contender.stop_smoothing():
            self._contender.reset()
            bare, _ = flicker([self._contender.matte(np.array(frame)) for frame in frames], frames)
        return {"flicker": value, "bare": bare, "still": still}

    def overlaps(self, pairs: Sequence[Pair]) -> list[float]:
        """See PeerProcess.overlaps."""
        found = []
        for pair in pairs:
            image, truth = read_pair(pair)
            self._contender.reset()
            found.append(intersection_over_union(as_unit(self._contender.matte(image)), as_unit(truth)))
        return found


def flicker(mattes: Sequence[Alpha], frames: Sequence[Image]) -> tuple[float, float]:
    """Mean |Δα| from frame to frame where the picture changes by less than STILL levels, and the share of such places.

    Both are brought to COMMON by area first. 0 where nothing stands still.
    """
    alphas: list[Floats] = [as_unit(cv2.resize(one, COMMON, interpolation=cv2.INTER_AREA)) for one in mattes]
    guides = [cv2.resize(one, COMMON, interpolation=cv2.INTER_AREA) for one in frames]
    change = still = 0.0
    for a, b in itertools.pairwise(range(len(alphas))):
        places = cv2.absdiff(guides[a], guides[b]).mean(axis=2) < STILL
        change += float(np.abs(alphas[a] - alphas[b])[places].sum(dtype=np.float64))
        still += int(places.sum())
    return change / max(still, 1.0), still / (max(len(alphas) - 1, 1) * COMMON[0] * COMMON[1])


def _serve(pipe: Connection, contender: Contender, frames: Path) -> None:
    answers = Answers(contender, frames)
    with suppress(EOFError, KeyboardInterrupt):
        while (question := pipe.recv())[0] != "stop":
            try:
                answer = getattr(answers, question[0])(*question[1:])
            except Exception as error:  # whatever a contender raises is the parent's to report
                answer = error if isinstance(error, MattecamError) else RuntimeError(f"{type(error).__name__}: {error}")
            pipe.send(answer)
