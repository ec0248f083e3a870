"""Opens the real window on the demo source, changes settings through its widgets, and checks what is shown and sent.

Run under a display: xvfb-run -s '-screen 0 1280x800x24' .venv/bin/python scripts/window_check.py
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

LIMIT_S = 60.0


def green_share(picture: "QImage") -> float:
    """The share of pure green pixels, from a sparse grid."""
    grid = [picture.pixelColor(x, y) for x in range(0, picture.width(), 8) for y in range(0, picture.height(), 8)]
    return sum(colour.green() > 230 and colour.red() < 30 for colour in grid) / len(grid)


def main() -> int:
    """0 if the window did what it should; else a sentence on standard error and 1."""
    folder = tempfile.mkdtemp(prefix="mattecam-check-")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME"):
        os.environ[name] = folder
    from PySide6.QtTest import QTest

    from app.output import NullOutput
    from app.pipeline import Parts, Pipeline
    from app.settings import Settings
    from app.ui.application import make_application
    from matting_core.frames import Alpha, Image

    class Watched(NullOutput):
        newest: Image | None = None

        def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
            super().send(canvas, alpha, at_s)
            self.newest = canvas.copy()

    application = make_application()
    from app.ui.main_window import MainWindow

    output = Watched((1280, 720))
    settings = Settings(camera="demo", preset="fast", background="color:#102030", virtual_camera=False)
    pipeline = Pipeline(settings, Parts(outputs=(output,)))
    window = MainWindow(pipeline, settings)
    window.ended.connect(application.quit)
    window.show()
    window.start()

    def corner() -> tuple[int, ...]:
        return () if output.newest is None else tuple(int(value) for value in output.newest[6, 6])

    def until(what: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not what():
            if time.monotonic() > deadline:
                raise SystemExit(f"window check: {name} did not happen; {pipeline.status()}")
            QTest.qWait(20)

    try:
        until(lambda: corner() == (0x30, 0x20, 0x10), "the chosen colour behind the person")
        assert output.newest is not None
        person = output.newest[360:700, 400:880].astype(int)
        if abs(person - (0x30, 0x20, 0x10)).max(2).mean() < 30:
            raise SystemExit("window check: nobody stands before the background")
        window.store.change(background="color:#00ff00")
        until(lambda: corner() == (0, 255, 0), "the background changed live")
        window.actions_.pause.trigger()
        until(lambda: pipeline.status().paused and corner() != (0, 255, 0), "the slate while paused")
        window.actions_.pause.trigger()
        until(lambda: corner() == (0, 255, 0), "the picture after the pause")
        until(lambda: green_share(window.preview.grab().toImage()) > 0.1, "the window showing what is sent")
    finally:
        window.close()
        application.exec()
    print(f"window check: good, {pipeline.run_stats().shown} frames shown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
