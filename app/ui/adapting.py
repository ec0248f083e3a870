"""Adapting: the window's one "Adapt to my room" at a time, and what the window has to do for it."""

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QWidget

from app.status import Preview
from app.ui.adapt_dialog import AdaptDialog
from app.ui.jobs import Lane
from app.ui.store import SettingsStore


class Adapting(QObject):
    """Opens the dialog and feeds it. `adapted`: the settings name a new model."""

    adapted = Signal()

    def __init__(self, window: QWidget, store: SettingsStore) -> None:
        super().__init__(window)
        self._window, self._store = window, store
        self.dialog: AdaptDialog | None = None
        self._lanes: list[Lane] = []

    def open(self) -> None:
        """Show a new dialog, or the open one again."""
        if self.dialog is None:
            self.dialog = AdaptDialog(self._store, self._window)
            self._lanes = [*(lane for lane in self._lanes if not lane.join(0)), self.dialog.lane]
            self.dialog.adapted.connect(self._use)
            self.dialog.finished.connect(self._forget)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    @property
    def is_open(self) -> bool:
        """Whether the dialog is there and may want pictures."""
        return self.dialog is not None

    def offer(self, preview: Preview) -> None:
        """Every preview that the window gets."""
        if self.dialog is not None:
            self.dialog.offer(preview)

    def close(self) -> list[Lane]:
        """Close the dialog, which stops what it does and deletes the recording; what is to be joined for that."""
        if self.dialog is not None:
            self.dialog.done(QDialog.DialogCode.Rejected)  # which `close` leaves out for one that is not to be seen
        return self._lanes

    def _use(self, model: str) -> None:
        self._store.change(model=model)
        self.adapted.emit()

    def _forget(self) -> None:
        self.dialog = None
