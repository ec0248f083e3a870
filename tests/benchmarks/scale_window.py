"""The window's part of scale.py: python tests/benchmarks/scale_window.py SECONDS PRESET …

Opens the real window on the demo with the first preset, changes to each of the others after so many seconds, and
prints one JSON object: first_frame_s from this script's first line to the first composited frame that is sent, the
most memory with each preset and what is held in the end, in MB, and how many slates came from then to the end.
"""

import time

BEGAN_S = time.monotonic()

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.output import NullOutput  # noqa: E402
from app.qt_guard import take_back_qt_variables  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.ui.application import make_application  # noqa: E402
from matting_core.frames import Alpha, Image  # noqa: E402

COLOUR = (16, 32, 48)
"""BGR behind the person: what a slate does not show."""
SAMPLE_MS = 100


class FirstFrame(NullOutput):
    """Tells composited frames from slates by their corner."""

    at_s: float | None = None
    ending = False
    late_slates = 0

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        super().send(canvas, alpha, at_s)
        if tuple(int(value) for value in canvas[6, 6]) != COLOUR:
            self.late_slates += self.at_s is not None and not self.ending
        elif self.at_s is None:
            self.at_s = time.monotonic()


def main() -> int:
    """0, or 1 if no frame came."""
    stay_ms, tour = round(float(sys.argv[1]) * 1e3), sys.argv[2:]
    take_back_qt_variables()
    application = make_application()
    from PySide6.QtCore import QTimer

    from app.pipeline import Parts, Pipeline
    from app.ui.main_window import MainWindow

    output = FirstFrame((1280, 720))
    background = "color:#{2:02x}{1:02x}{0:02x}".format(*COLOUR)
    settings = Settings(camera="demo", preset=tour[0], background=background, virtual_camera=False)
    window = MainWindow(Pipeline(settings, Parts(outputs=(output,))), settings)
    window.ended.connect(application.quit)
    window.show()
    QTimer.singleShot(0, window.start)

    import psutil  # what the program needs is in memory by now

    process, most, visited = psutil.Process(), dict.fromkeys(tour, 0.0), [tour[0]]

    def sample() -> None:
        most[visited[-1]] = max(most[visited[-1]], process.memory_info().rss / 1e6)

    def go_on() -> None:
        if len(visited) == len(tour):
            output.ending = True  # the outputs get a last slate
            window.close()
            return
        visited.append(tour[len(visited)])
        window.store.change(preset=visited[-1])

    sampling, going = QTimer(window), QTimer(window)
    sampling.timeout.connect(sample)
    going.timeout.connect(go_on)
    sampling.start(SAMPLE_MS)
    going.start(stay_ms)
    application.exec()
    if output.at_s is None:
        print("no frame was shown", file=sys.stderr)
        return 1
    print(
        json.dumps(
            {
                "first_frame_s": round(output.at_s - BEGAN_S, 3),
                "peak_mb": {preset: round(value) for preset, value in most.items()},
                "end_mb": round(process.memory_info().rss / 1e6),
                "late_slates": output.late_slates,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
