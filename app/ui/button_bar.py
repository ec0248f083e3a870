"""The row of buttons below the picture: what a call needs is spelt out while there is room, the rest are icons."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

SPACING = 8


class ButtonBar(QWidget):
    """Buttons for `spelt` on the left, with their texts, and for `icons` on the right.

    A bar too narrow for the texts shows the icons alone: half a word helps nobody, and the tool tips remain.
    """

    def __init__(self, spelt: Sequence[QAction], icons: Sequence[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bar")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(SPACING)
        self._spelt = [self._button(action) for action in spelt]
        self._row.addStretch(1)
        self._icons = [self._button(action) for action in icons]
        self._row.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)
        self._fit()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        buttons = [*self._spelt, *self._icons]
        edge = self._icons[0].sizeHint()
        return QSize(len(buttons) * (edge.width() + SPACING), edge.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._fit()

    def _button(self, action: QAction) -> QToolButton:
        button = QToolButton()
        button.setObjectName(action.objectName())
        button.setDefaultAction(action)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._row.addWidget(button)

        def name() -> None:
            button.setAccessibleName(action.iconText().strip())

        action.changed.connect(name)
        action.changed.connect(self._fit)
        name()
        return button

    def _fit(self) -> None:
        self._spell(True)
        needed = sum(button.sizeHint().width() + SPACING for button in (*self._spelt, *self._icons))
        if needed > self.width():
            self._spell(False)

    def _spell(self, texts: bool) -> None:
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if texts else Qt.ToolButtonStyle.ToolButtonIconOnly
        for button in self._spelt:
            if button.toolButtonStyle() is not style:
                button.setToolButtonStyle(style)
                # The style sheet pads the two differently, and looks at a property only when asked to.
                button.setProperty("spelt", texts)
                button.style().unpolish(button)
                button.style().polish(button)
