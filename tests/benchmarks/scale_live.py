"""The live part of scale.py: python tests/benchmarks/scale_live.py SECONDS PRESET SIZE FPS BACKGROUND

The live pipeline on a webcam that sends JPEGs of the demo at that size and rate. Each is decoded as a webcam's are,
canvases are converted as for a virtual camera, and the window's picture is made, without the window. Prints one JSON
object of the frames after the first three seconds: captured, shown, fps, latency_p50_ms and latency_p95_ms (of the last
600 of them), and processor_share, of all cores.
"""

import json
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.output import NullOutput
from app.output_stage import PREVIEW_S, PREVIEW_SPACE
from app.pipeline import Parts, Pipeline
from app.settings import Settings, parse_size
from app.sources import DemoSource, Pace
from app.virtual_camera import SINKS
from matting_core.benchmark import as_jpeg
from matting_core.frames import Alpha, Frame, Image
from matting_core.jpeg import JpegDecoder

PICTURES = 60
WARM_UP_S = 3.0


class JpegSource:
    """The demo's first pictures again and again, as JPEGs."""

    live = False

    def __init__(self, size: str, fps: int) -> None:
        demo = DemoSource(size, fps)
        self.description = f"JPEGs, {demo.description}"
        self._jpegs = [as_jpeg(demo.render(index)) for index in range(PICTURES)]
        self._decoder, self._pace, self._index = JpegDecoder(), Pace(fps), 0

    def read(self) -> Frame:
        at_s = self._pace.wait()
        image = cast(Image, self._decoder.decode(self._jpegs[self._index % PICTURES]))
        image.flags.writeable = False
        self._index += 1
        return Frame(image, at_s, self._index)

    def close(self) -> None:
        """Nothing to free."""


class Converted(NullOutput):
    """Converts canvases as a virtual camera on Linux does, and drops them."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self._sink = SINKS["Linux"][0]
        self._pixels = np.empty(self._sink.shape(*size), np.uint8)

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        super().send(canvas, alpha, at_s)
        self._sink.convert(canvas, alpha, self._pixels)


def main() -> int:
    """0, or 1 with a sentence if it failed, if something had to be told, or if no frame was shown."""
    seconds, preset, size, fps, background = float(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), sys.argv[5]
    settings = Settings(
        camera_size=size, output_size=size, camera_fps=fps, preset=preset, background=background, virtual_camera=False
    )
    output = Converted(parse_size(size))
    source = JpegSource(size, fps)
    pipeline = Pipeline(settings, Parts(open_source=lambda *_, **__: source, outputs=(output,)))
    pipeline.start()
    _watch(pipeline, WARM_UP_S)
    process, before = psutil.Process(), pipeline.status().stats
    pipeline.recorder.begin_anew()
    began_s, spent_s = time.monotonic(), sum(process.cpu_times()[:2])
    _watch(pipeline, seconds)
    took_s, spent_s = time.monotonic() - began_s, sum(process.cpu_times()[:2]) - spent_s
    status = pipeline.status()
    pipeline.stop()
    after = status.stats
    shown = after.shown - before.shown
    wrong = [str(pipeline.failure)] if pipeline.failure else [notice.problem for notice in status.notices]
    if wrong or not shown:
        print(*wrong or ["no frame was shown"], file=sys.stderr)
        return 1
    result = {
        "captured": after.captured - before.captured,
        "shown": shown,
        "fps": round(shown / took_s, 2),
        "latency_p50_ms": round(after.latency_p50_ms, 1),
        "latency_p95_ms": round(after.latency_p95_ms, 1),
        "processor_share": round(spent_s / took_s / (psutil.cpu_count() or 1), 3),
    }
    print(json.dumps(result))
    return 0


def _watch(pipeline: Pipeline, seconds: float) -> None:
    """Fetch the window's picture as often as the window does, so long."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and pipeline.failure is None:
        pipeline.preview(PREVIEW_SPACE)
        time.sleep(PREVIEW_S)


if __name__ == "__main__":
    sys.exit(main())
