"""AdaptPages: what "Adapt to my room" shows: a text, a bar, pictures of before and after, and two buttons."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.status import Preview
from app.ui.preview import PreviewWidget
from matting_core.frames import Image

Pair = tuple[Image, Image]
"""A picture before and after, uint8 H×W×3 BGR."""


class AdaptPages(QDialog):
    """Shows one page after the other; `app/ui/adapt_dialog.py` says which. "Close" closes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pairs: Sequence[Pair] = ()
        self._shown = 0
        self.setWindowTitle(self.tr("Adapt to my room"))
        self.resize(560, 240)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setAccessibleName(self.tr("Progress"))
        self.bar.setTextVisible(False)
        self.picture = PreviewWidget()
        self.picture.sides = (self.tr("Before"), self.tr("After"))
        self.next_button = QPushButton(self.tr("Next picture"))
        self.next_button.clicked.connect(lambda: self._show(self._shown + 1))
        self.go_button, self.close_button = QPushButton(), QPushButton()
        self.go_button.setDefault(True)
        self.close_button.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.addWidget(self.next_button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.go_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(12)
        for widget in (self.text, self.bar, self.picture):
            layout.addWidget(widget, 1 if widget is self.picture else 0)
        layout.addStretch(0)
        layout.addLayout(buttons)

    def page(
        self, text: str, *, go: str = "", close: str = "", bar: int | None = None, pairs: Sequence[Pair] = ()
    ) -> None:
        """Bring the dialog to what is to be seen now.

        go, close: captions of the buttons that there are. bar: its maximum, 0 for one that only moves. pairs: pictures
        of before and after to leaf through.
        """
        self.text.setText(text)
        for button, caption in ((self.go_button, go), (self.close_button, close)):
            button.setText(caption)
            button.setVisible(bool(caption))
            button.setEnabled(True)
        (self.go_button if go else self.close_button).setFocus()
        self.bar.setVisible(bar is not None)
        if bar is not None:
            self.bar.setRange(0, bar)
            self.bar.setValue(0)
        self._pairs = pairs
        self.picture.setVisible(bool(pairs))
        self.next_button.setVisible(len(pairs) > 1)
        self._show(0)

    def _show(self, number: int) -> None:
        if self._pairs:
            self._shown = number % len(self._pairs)
            before, after = self._pairs[self._shown]
            self.picture.show_preview(Preview(after, after.shape[1::-1], before))
