"""The panel's building blocks: Card, Section, Switch, and rows that pair a label with its control."""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QStyledItemDelegate,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.ui.icons import set_icon

TRACK = QSize(38, 22)
LABEL_WIDTH = 104


class Card(QFrame):
    """A titled box of the panel. `body` takes its rows; `head` takes buttons beside the title."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(14, 12, 14, 14)
        self.body.setSpacing(10)
        self.head = QHBoxLayout()
        self.body.addLayout(self.head)

    def set_title(self, title: str) -> None:
        self.setAccessibleName(title)
        label = QLabel(title)
        label.setObjectName("title")
        self.head.insertWidget(0, label)
        self.head.insertStretch(1, 1)


class Section(QFrame):
    """A card that folds: only its header shows until it is opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 4, 14, 4)
        outer.setSpacing(0)
        self.header = QToolButton()
        self.header.setObjectName("section")
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.toggled.connect(self._fold)
        outer.addWidget(self.header)
        self.content = QWidget()
        self.body = QVBoxLayout(self.content)
        self.body.setContentsMargins(4, 6, 0, 10)
        self.body.setSpacing(10)
        outer.addWidget(self.content)
        self._fold(False)

    def set_title(self, title: str) -> None:
        self.header.setText(title)

    def _fold(self, is_open: bool) -> None:
        self.content.setVisible(is_open)
        set_icon(self.header, "open" if is_open else "closed")


class Switch(QAbstractButton):
    """An on/off switch with its text on the left; a check box to a screen reader."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setAccessibleName(text)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        text = self.fontMetrics().size(0, self.text())
        return QSize(text.width() + TRACK.width() + 16, max(text.height(), TRACK.height()) + 6)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(
            self.rect().adjusted(0, 0, -TRACK.width() - 8, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft,
            self.text(),
        )
        top = (self.height() - TRACK.height()) / 2
        track = QRectF(self.width() - TRACK.width() - 3, top, TRACK.width(), TRACK.height())
        on = self.isChecked()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Highlight if on else QPalette.ColorRole.Dark))
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        diameter = track.height() - 6
        left = track.right() - diameter - 3 if on else track.left() + 3
        painter.setBrush(palette.color(QPalette.ColorRole.HighlightedText) if on else QColor("#ffffff"))
        painter.drawEllipse(QRectF(left, track.top() + 3, diameter, diameter))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.WindowText), 1.5))
            painter.drawRoundedRect(track.adjusted(-2, -2, 2, 2), track.height() / 2 + 2, track.height() / 2 + 2)
        painter.end()


class Slider(QSlider):
    """A slider that leaves the mouse wheel to the panel that scrolls, unless it has the focus."""

    def __init__(self, minimum: int, maximum: int, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(minimum, maximum)
        self.setPageStep(max(1, (maximum - minimum) // 10))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Combo(QComboBox):
    """A choice that leaves the mouse wheel to the panel, and that a long entry does not widen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # The style sheet's heights reach only the items of this delegate.
        self.setItemDelegate(QStyledItemDelegate(self))

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        self.view().setAccessibleName(self.accessibleName())
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class MutedLabel(QLabel):
    """A quiet line of explanation that wraps, and takes no room while it is empty."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setObjectName("muted")
        self.setWordWrap(True)
        self.setVisible(bool(text))

    def say(self, text: str) -> None:
        if text != self.text():
            self.setText(text)
            self.setVisible(bool(text))


class ElidedLabel(QLabel):
    """A quiet line that ends in an ellipsis where it has no room; its tool tip then has the whole of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("muted")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._whole = ""

    def say(self, text: str) -> None:
        if text != self._whole:
            self._whole = text
            self.setAccessibleName(text)
            self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        text = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width())
        self.setText(text)
        self.setToolTip(self._whole if text != self._whole else "")


def labelled(label: str, control: QWidget) -> QWidget:
    """A row with the label on the left, which also names the control for screen readers."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(10)
    text = QLabel(label)
    text.setBuddy(control)
    text.setMinimumWidth(LABEL_WIDTH)
    control.setAccessibleName(label)
    layout.addWidget(text)
    layout.addWidget(control, 1)
    return row


def flat_button(icon: str, name: str) -> QToolButton:
    """A small button that shows only an icon; its name is its tool tip and what a screen reader says."""
    button = QToolButton()
    button.setObjectName("flat")
    button.setAccessibleName(name)
    button.setToolTip(name)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    set_icon(button, icon)
    return button


def is_palette_change(event: QEvent) -> bool:
    return event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)
