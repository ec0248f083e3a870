"""run_window: makes the Qt application, the window and the pipeline, and runs them until the window is closed."""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.qt_guard import take_back_qt_variables
from app.settings import Settings
from app.window_lock import WindowLock
from matting_core.errors import MattecamError, UsageError
from matting_core.own_command import own_command

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

log = logging.getLogger(__name__)

CALLS_MS = 250


def run_window(settings: Settings, notices: Sequence[str]) -> int:
    """Open the window and stay until it is closed; the exit code. A window that is open already comes to the front.

    Raises UsageError where there is no display, MattecamError where Qt cannot be loaded or an open window hangs.
    """
    check_display()
    lock = WindowLock()
    if not lock.take_or_call():
        print("Mattecam is already running; its window comes to the front.")
        return 0
    try:
        return _run(settings, notices, lock)
    finally:
        lock.release()


def _run(settings: Settings, notices: Sequence[str], lock: WindowLock) -> int:
    taken = take_back_qt_variables()
    if taken:
        log.debug("took back %s", ", ".join(taken))
    app = make_application()
    from app.pipeline import Pipeline
    from app.ui.main_window import MainWindow
    from app.ui.tray import bring_forward

    window = MainWindow(Pipeline(settings), settings, notices)
    window.ended.connect(app.quit)
    app.commitDataRequest.connect(lambda _: window.close())
    for number in (signal.SIGINT, signal.SIGTERM):
        # The window's timers let Python run often enough for these to be acted on at once.
        signal.signal(number, lambda *_: window.close())
    window.show()
    from PySide6.QtCore import QTimer

    QTimer.singleShot(0, window.start)
    calls = QTimer(window)
    calls.timeout.connect(lambda: bring_forward(window) if not window.is_closing and lock.was_called() else None)
    calls.start(CALLS_MS)
    return app.exec()


def check_display() -> None:
    """UsageError where a window cannot open: Qt would end the program with a crash instead."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError(
            "There is no display to open the window on.",
            f"This works without one and records a file: {own_command('run --output talk.mp4 --seconds 30')}",
        )
    _check_libraries()


def _check_libraries() -> None:
    """MattecamError where the library is missing without which Qt's xcb plugin ends the program."""
    if os.environ.get("WAYLAND_DISPLAY"):
        return
    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError as error:
        raise MattecamError(
            "The window cannot open: the system library libxcb-cursor is missing.",
            "Install it with: sudo apt install libxcb-cursor0",
        ) from error


def make_application() -> "QApplication":
    """The QApplication, named, in the user's language where there is a translation, and in the system's colours."""
    try:
        from PySide6.QtCore import QLocale, QTranslator
        from PySide6.QtWidgets import QApplication
    except ImportError as error:
        raise MattecamError(
            f"The window's library cannot be loaded ({error}).",
            f"This names what is missing: {own_command('doctor')}",
        ) from error
    from app.ui import theme

    app = QApplication(sys.argv[:1])
    app.setApplicationName("mattecam")
    app.setApplicationDisplayName("Mattecam")
    app.setDesktopFileName("mattecam")
    app.setQuitOnLastWindowClosed(False)
    translator = QTranslator(app)
    if translator.load(QLocale(), "mattecam", "_", str(theme.ASSETS / "translations")):
        app.installTranslator(translator)
    theme.follow_system(app)
    return app
