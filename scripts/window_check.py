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

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.output import NullOutput
from app.pipeline import Parts, Pipeline
from app.settings import Settings
from app.ui.application import make_application
from matting_core.frames import Alpha, Image

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from app.ui.main_window import MainWindow

LIMIT_S = 60.0


START_RGB = (0x10, 0x20, 0x30)
GREEN_RGB = (0x00, 0xB1, 0x40)
"""The gallery's first swatch."""


def green_share(picture: "QImage") -> float:
    """The share of the swatch's pixels, from a sparse grid."""
    grid = [picture.pixelColor(x, y) for x in range(0, picture.width(), 8) for y in range(0, picture.height(), 8)]
    seen = np.array([(colour.red(), colour.green(), colour.blue()) for colour in grid], int)
    return float((abs(seen - GREEN_RGB).max(1) < 8).mean())


class Watched(NullOutput):
    """Keeps a copy of the newest canvas sent."""

    newest: Image | None = None

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        super().send(canvas, alpha, at_s)
        self.newest = canvas.copy()

    def corner(self) -> tuple[int, ...]:
        """A pixel of the background, BGR; empty before the first canvas."""
        return () if self.newest is None else tuple(int(value) for value in self.newest[6, 6])


def until(what: Callable[[], bool], name: str) -> None:
    """Let Qt work until this is so; SystemExit if it takes too long."""
    from PySide6.QtTest import QTest

    deadline = time.monotonic() + LIMIT_S
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"window check: {name} did not happen")
        QTest.qWait(20)


def use(window: "MainWindow", output: Watched) -> None:
    """Click and type as a user would, and look at what is sent after each step."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QWidget

    left, green = Qt.MouseButton.LeftButton, GREEN_RGB[::-1]
    until(lambda: output.corner() == START_RGB[::-1], "the chosen colour behind the person")
    assert output.newest is not None
    person = output.newest[360:700, 400:880].astype(int)
    if abs(person - START_RGB[::-1]).max(2).mean() < 30:
        raise SystemExit("window check: nobody stands in front of the background")
    options, tiles = window.panel.gallery.options, window.panel.gallery.tiles
    QTest.mouseClick(options.swatches.buttons()[0], left)
    until(lambda: output.corner() == green, "the colour changed live by a click")
    QTest.mouseClick(tiles.viewport(), left, pos=tiles.visualItemRect(tiles.item(0)).center())
    until(lambda: output.corner() not in (green, START_RGB[::-1]), "the blur chosen in the gallery")
    QTest.keyClick(tiles, Qt.Key.Key_Right)
    until(lambda: output.corner() == green, "the colour chosen by an arrow key")
    pause = window.buttons.findChild(QWidget, "pause")
    assert pause is not None
    QTest.mouseClick(pause, left)
    until(lambda: output.corner() != green, "the slate while paused")
    QTest.mouseClick(pause, left)
    until(lambda: output.corner() == green, "the picture after the pause")
    until(lambda: green_share(window.preview.grab().toImage()) > 0.1, "the window showing what is sent")


def main() -> int:
    """0 if the window did what it should; else a sentence on standard error and 1."""
    with tempfile.TemporaryDirectory(prefix="mattecam-check-") as folder:
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME"):
            os.environ[name] = folder
        return check()


def check() -> int:
    """Open the window, use it and close it."""
    began_s = time.monotonic()
    application = make_application()
    from app.ui.main_window import MainWindow

    output = Watched((1280, 720))
    colour = "#{:02x}{:02x}{:02x}".format(*START_RGB)
    settings = Settings(camera="demo", preset="fast", background=f"color:{colour}", virtual_camera=False)
    pipeline = Pipeline(settings, Parts(outputs=(output,)))
    window = MainWindow(pipeline, settings)
    window.ended.connect(application.quit)
    window.show()
    window.start()
    window.repaint()
    opened_s = time.monotonic() - began_s
    try:
        use(window, output)
    finally:
        window.close()
        application.exec()
    print(f"window check: good, painted after {opened_s:.2f} s, {pipeline.run_stats().shown} frames shown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
