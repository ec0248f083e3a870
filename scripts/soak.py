"""Runs the real pipeline for a long time, samples what could grow, and fails if it does.

.venv/bin/python scripts/soak.py --seconds N --report FOLDER [--source demo|CLIP] [--network real|fake] [--preset NAME]
    [--engine NAME] [--fps N] [--background SPEC] [--every S] [--warm-up S]

Needs no camera and no virtual camera: the demo or a clip goes in, and nothing is recorded. Writes soak.json, soak.md
and soak.svg; exit code 1 if memory, threads, file handles or latency rise by more than their bounds, if a frame is
unaccounted for, or if a stage failed. docs/soak.md says what came out.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.camera import FrameSource, open_source
from app.output import NullOutput
from app.pipeline import Parts, Pipeline
from app.settings import Settings
from matting_core.benchmark import machine, versions
from matting_core.engine import create_engine
from matting_core.errors import MattecamError
from matting_core.frames import Alpha, FloatAlpha, Frame, Image
from matting_core.preprocess import Blob
from tests.benchmarks.soak_report import Sample, unaccounted, write_report

WARM_UP_S = 60.0


class CountedSource:
    """A FrameSource that counts what it gives."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.read_count = 0
        self.description = source.description
        self.live = source.live

    def read(self) -> Frame:
        frame = self._source.read()
        self.read_count += 1
        return frame

    def close(self) -> None:
        self._source.close()


class CountedNull(NullOutput):
    """A NullOutput that counts what it gets."""

    sent_count = 0

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        super().send(canvas, alpha, at_s)
        self.sent_count += 1


class FakeEngine:
    """A MattingEngine without a network: a fixed oval, for a soak of all the rest."""

    name = "fake"
    provider = "no network"

    def prepare(self, size: tuple[int, int]) -> None:
        """Nothing to prepare."""

    def predict(self, blob: Blob) -> FloatAlpha:
        rows, columns = np.ogrid[-1 : 1 : blob.shape[2] * 1j, -1 : 1 : blob.shape[3] * 1j]
        return np.clip(4 * (1 - (columns / 0.5) ** 2 - ((rows - 0.3) / 1.1) ** 2), 0, 1).astype(np.float32)

    def close(self) -> None:
        """Nothing to free."""


class Soak:
    """One run: a pipeline, what is counted at both of its ends, and the samples."""

    def __init__(self, settings: Settings, fake: bool) -> None:
        self.sources: list[CountedSource] = []
        self.output = CountedNull((1280, 720))
        self.samples: list[Sample] = []
        self._process = psutil.Process()
        engine = (lambda _name, _network: FakeEngine()) if fake else create_engine
        parts = Parts(open_source=self._open, create_engine=engine, outputs=(self.output,), must_open=True)
        self.pipeline = Pipeline(settings, parts)

    def run(self, seconds: float, every_s: float, interrupted: threading.Event) -> None:
        """Run for so long, or until interrupted or failed; then stop. Raises what made a stage fail."""
        self.pipeline.start()
        began_s = time.monotonic()
        psutil.cpu_percent()
        self._process.cpu_percent()
        try:
            due_s = every_s
            while due_s <= seconds and not interrupted.wait(max(0.0, began_s + due_s - time.monotonic())):
                self.samples.append(self._sample(time.monotonic() - began_s))
                due_s += every_s
                if self.pipeline.failure is not None:
                    break
        finally:
            joined = self.pipeline.stop()
        if self.pipeline.failure is not None:
            raise self.pipeline.failure
        if not joined:
            raise MattecamError("A thread did not end.", "Report it with the log.")

    def unaccounted(self) -> list[str]:
        """See soak_report.unaccounted."""
        read = sum(source.read_count for source in self.sources)
        return unaccounted(self.pipeline.run_stats(), read, self.output.sent_count)

    def _open(self, settings: Settings, *, demo_if_none: bool) -> FrameSource:
        self.sources.append(CountedSource(open_source(settings, demo_if_none=demo_if_none)))
        return self.sources[-1]

    def _sample(self, at_s: float) -> Sample:
        process, stats = self._process, self.pipeline.status().stats
        handles = process.num_handles() if sys.platform == "win32" else process.num_fds()
        everybody = psutil.cpu_percent()
        ours = process.cpu_percent() / (psutil.cpu_count() or 1)
        return Sample(
            at_s=round(at_s, 2),
            rss_mb=round(process.memory_info().rss / 2**20, 3),
            threads=process.num_threads(),
            file_handles=handles,
            latency_p50_ms=round(stats.latency_p50_ms, 2),
            latency_p99_ms=round(stats.latency_p99_ms, 2),
            others_cpu=round(max(0.0, everybody - ours), 1),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a soak as the command line says; 0 if everything stayed flat, 1 if not."""
    options = _parser().parse_args(arguments)
    interrupted = threading.Event()
    handlers = {
        number: signal.signal(number, lambda *_: interrupted.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        settings = Settings().changed(
            camera=options.source,
            camera_fps=options.fps,
            background=options.background,
            engine=options.engine,
            preset=options.preset,
            virtual_camera=False,
        )
        soak = Soak(settings, options.network == "fake")
        soak.run(options.seconds, options.every, interrupted)
    except MattecamError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return _conclude(soak, options)


def _conclude(soak: Soak, options: argparse.Namespace) -> int:
    warm_up_s = min(options.warm_up, options.seconds / 2)
    if sum(sample.at_s >= warm_up_s for sample in soak.samples) < 3:
        print("soak: too few samples for a slope; give more --seconds or a smaller --every.", file=sys.stderr)
        return 1
    about = {
        "seconds": soak.samples[-1].at_s,
        "source": soak.sources[0].description,
        "network": options.network,
        "preset": options.preset,
        "background": options.background,
        "machine": machine(),
        "versions": versions(),
    }
    stats = soak.pipeline.run_stats()
    failures = write_report(Path(options.report), soak.samples, warm_up_s, stats, soak.unaccounted(), about)
    print((Path(options.report) / "soak.md").read_text(encoding="utf-8"))
    for failure in failures:
        print(f"soak: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run the pipeline for a long time and fail if something grows.")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--report", required=True, metavar="FOLDER")
    parser.add_argument("--source", default="demo", help="'demo' or a clip")
    parser.add_argument("--network", choices=("real", "fake"), default="real")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--fps", type=int, default=30, help="the demo's rate; a clip has its own")
    parser.add_argument("--background", default="blur")
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between samples")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S, metavar="S", help="not fitted")
    return parser


if __name__ == "__main__":
    sys.exit(main())
