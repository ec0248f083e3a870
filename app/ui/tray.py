"""The tray icon: show or hide the window, pause, quit."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget

from app.ui.actions import Actions


def bring_forward(window: QWidget) -> None:
    """Show a window above the others, also one that was hidden or minimised."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    window.activateWindow()


class Tray(QSystemTrayIcon):
    """Stands in the system's tray while the program runs. Make one only where a tray is available."""

    def __init__(self, window: QWidget, actions: Actions) -> None:
        super().__init__(window.windowIcon(), window)
        self._window = window
        self.setToolTip(self.tr("Mattecam"))
        self._menu = QMenu(window)
        self.show_action = QAction(self.tr("Show or hide the window"), self._menu)
        self.show_action.triggered.connect(self.toggle_window)
        self._menu.addActions([self.show_action, actions.pause, actions.virtual_camera, actions.quit])
        self.setContextMenu(self._menu)
        self.activated.connect(self._activated)

    def toggle_window(self) -> None:
        """Hide the window if it is on show, else bring it to the front."""
        if self._window.isVisible() and not self._window.isMinimized():
            self._window.hide()
            return
        bring_forward(self._window)

    def say(self, state: str) -> None:
        """What the tool tip tells beside the name."""
        text = self.tr("Mattecam: {0}").format(state)
        if text != self.toolTip():
            self.setToolTip(text)

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self.toggle_window()
