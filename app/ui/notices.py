"""The notice bar: what went wrong and how to fix it, in a line above the picture; never a dialog."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QFontDatabase
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.status import Notice
from app.ui.widgets import flat_button

SHOWN = 3
INFO_STAYS_MS = 8000
DETAIL_LINES = 7


class NoticeCard(QFrame):
    """One notice. `dismissed` carries its key."""

    dismissed = Signal(str)

    def __init__(self, notice: Notice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = notice
        self.setObjectName("notice")
        self.setProperty("severity", notice.severity)
        self.setAccessibleName(f"{notice.problem} {notice.mend}".rstrip())
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 8, 8, 8)
        row.setSpacing(10)
        stripe = QFrame()
        stripe.setObjectName("stripe")
        stripe.setProperty("severity", notice.severity)
        stripe.setFixedWidth(4)
        row.addWidget(stripe)
        row.addLayout(self._texts(notice), 1)
        self.dismiss_button = flat_button("close", self.tr("Dismiss this notice"))
        self.dismiss_button.clicked.connect(lambda: self.dismissed.emit(notice.key))
        row.addWidget(self.dismiss_button, 0, Qt.AlignmentFlag.AlignTop)
        if notice.severity == "info":
            QTimer.singleShot(INFO_STAYS_MS, self, lambda: self.dismissed.emit(notice.key))

    def _texts(self, notice: Notice) -> QVBoxLayout:
        texts = QVBoxLayout()
        texts.setSpacing(2)
        self.problem = _text(notice.problem)
        self.problem.setObjectName("title")
        self.mend = _text(notice.mend)
        self.mend.setVisible(bool(notice.mend))
        self.detail = self._detail(notice.detail)
        self.details_button = QPushButton(self.tr("Details"))
        self.details_button.setCheckable(True)
        self.details_button.setVisible(bool(notice.detail))
        self.details_button.toggled.connect(self.detail.setVisible)
        for widget in (self.problem, self.mend):
            texts.addWidget(widget)
        texts.addWidget(self.details_button, 0, Qt.AlignmentFlag.AlignLeft)
        texts.addWidget(self.detail)
        return texts

    def _detail(self, text: str) -> QPlainTextEdit:
        """The details for a report of the fault: it scrolls within a few lines, so that the picture keeps its room."""
        detail = QPlainTextEdit(text)
        detail.setObjectName("detail")
        detail.setAccessibleName(self.tr("Details"))
        detail.setReadOnly(True)
        detail.setTabChangesFocus(True)
        detail.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        detail.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        lines = min(DETAIL_LINES, text.count("\n") + 1)
        detail.setFixedHeight(lines * detail.fontMetrics().lineSpacing() + 36)
        detail.setVisible(False)
        return detail


class NoticeBar(QWidget):
    """The newest notices, newest on top; older ones are counted in a line. `dismissed` carries a key."""

    dismissed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Notices"))
        self._cards: dict[str, NoticeCard] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self._more = QLabel()
        self._more.setObjectName("muted")
        self._layout.addWidget(self._more)
        self.hide()

    @property
    def cards(self) -> list[NoticeCard]:
        """The cards on show, newest first."""
        return list(reversed(self._cards.values()))

    def show_notices(self, notices: tuple[Notice, ...]) -> None:
        """Bring the bar in line. A card whose notice has not changed stays, with its focus and open details."""
        newest = notices[-SHOWN:]
        wanted = {notice.key: notice for notice in newest}
        for key, card in list(self._cards.items()):
            if wanted.get(key) != card.notice:
                self._layout.removeWidget(card)
                card.deleteLater()
                del self._cards[key]
        for notice in newest:
            if notice.key not in self._cards:
                self._add(notice)
        hidden = len(notices) - len(newest)
        self._more.setText(self.tr("and {0} more").format(hidden))
        self._more.setVisible(hidden > 0)
        self.setVisible(bool(self._cards))

    def _add(self, notice: Notice) -> None:
        card = NoticeCard(notice)
        card.dismissed.connect(self.dismissed)
        self._cards[notice.key] = card
        self._layout.insertWidget(0, card)
        QAccessible.updateAccessibility(QAccessibleEvent(card, QAccessible.Event.Alert))


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return label
