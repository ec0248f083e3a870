"""The preview: the newest canvas, large; before/after with a divider; badges that say who can see you."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.status import Preview
from matting_core.fit import largest
from matting_core.frames import Image

RADIUS = 14.0
MARGIN = 12
PILL_ROW = 36
SPLIT_STEP = 0.02
BADGE_RED = QColor(200, 44, 58, 235)
BADGE_DARK = QColor(12, 15, 20, 190)


class PreviewWidget(QWidget):
    """Draws what `show_preview` was given last, keeping its aspect ratio."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Preview"))
        self.setMinimumSize(320, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self._after: QImage | None = None
        self._before: QImage | None = None
        self._arrays: tuple[Image | None, Image | None] = (None, None)
        self._canvas = (16, 9)
        self._divider = 0.5
        self.sides = (self.tr("Camera"), self.tr("What others see"))
        self._message = ""
        self._badges: list[tuple[str, QColor]] = []
        self.overlay = QLabel(self)
        self.overlay.setObjectName("overlay")
        self.overlay.setAccessibleName(self.tr("Statistics"))
        self.overlay.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.overlay.hide()

    @property
    def divider(self) -> float:
        """Where camera and result meet, from 0 at the left edge to 1 at the right."""
        return self._divider

    @divider.setter
    def divider(self, value: float) -> None:
        self._divider = min(1.0, max(0.0, value))
        self.update()

    @property
    def has_picture(self) -> bool:
        return self._after is not None

    def show_preview(self, preview: Preview) -> None:
        """Show this picture from now on."""
        # QImage only borrows the pixels: the arrays are kept as long as the images are.
        self._arrays = (preview.image, preview.before)
        self._after = _borrow(preview.image)
        self._canvas = preview.canvas
        self._before = None if preview.before is None else _borrow(preview.before)
        split = self._before is not None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if split else Qt.FocusPolicy.NoFocus)
        if not split:
            self.unsetCursor()
        self.update()

    def say(self, message: str) -> None:
        """What to read while there is no picture yet."""
        if message != self._message:
            self._message = message
            self._describe()

    def show_badges(self, badges: list[tuple[str, QColor]]) -> None:
        """Pills in the upper right corner, each a text and its colour."""
        if badges != self._badges:
            self._badges = badges
            self._describe()

    def show_overlay(self, texts: Sequence[str]) -> None:
        """The statistics in the lower left corner, where they hide no face and no pill: the first of these texts that
        fits the picture; none hides them.
        """
        above = PILL_ROW * len(self._badges)
        below = 0 if self._before is None else PILL_ROW
        area = self.picture_area().toRect().adjusted(MARGIN, MARGIN + above, -MARGIN, -MARGIN - below)
        for text in texts:
            self.overlay.setText(text)
            self.overlay.adjustSize()
            if self.overlay.width() <= area.width() and self.overlay.height() <= area.height():
                break
        self.overlay.move(area.left(), max(area.top(), area.bottom() + 1 - self.overlay.height()))
        self.overlay.setVisible(bool(texts))

    @property
    def space(self) -> tuple[int, int]:
        """(width, height) in the screen's pixels that a picture may take; one that just fits is drawn as it is."""
        ratio = self.devicePixelRatioF()
        return max(1, int(self.width() * ratio)), max(1, int(self.height() * ratio))

    def picture_area(self) -> QRectF:
        """Where the picture is drawn: as large as fits, in the canvas' proportions (16:9 while there is none)."""
        space, ratio = self.space, self.devicePixelRatioF()
        width, height = largest(self._canvas, space)
        left, top = (space[0] - width) // 2, (space[1] - height) // 2
        return QRectF(left / ratio, top / ratio, width / ratio, height / ratio)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        area = self.picture_area()
        if self._after is None:
            painter.fillRect(area, self.palette().color(QPalette.ColorRole.Base))
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._message)
        else:
            painter.drawImage(area, self._after)
            if self._before is not None:
                self._paint_before(painter, area)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._round_corners(painter, area)
        self._paint_badges(painter, area)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), RADIUS, RADIUS)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._before is not None and event.button() == Qt.MouseButton.LeftButton:
            self._drag_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        if self._before is None:
            return
        self.setCursor(Qt.CursorShape.SplitHCursor)
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._drag_to(event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        steps = {Qt.Key.Key_Left: -SPLIT_STEP, Qt.Key.Key_Right: SPLIT_STEP}
        step = steps.get(Qt.Key(event.key()))
        if self._before is None or step is None:
            super().keyPressEvent(event)
        else:
            self.divider += step

    def _describe(self) -> None:
        self.setAccessibleDescription(", ".join([self._message, *(text for text, _ in self._badges)]))
        self.update()

    def _drag_to(self, position: QPointF) -> None:
        area = self.picture_area()
        self.divider = (position.x() - area.left()) / area.width()

    def _paint_before(self, painter: QPainter, area: QRectF) -> None:
        assert self._before is not None
        x = area.left() + self._divider * area.width()
        painter.save()
        painter.setClipRect(QRectF(area.left(), area.top(), x - area.left(), area.height()))
        painter.drawImage(area, self._before)
        painter.restore()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor("#ffffff"), 2))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setBrush(QColor("#ffffff"))
        painter.drawEllipse(QPointF(x, area.center().y()), 13, 13)
        painter.setPen(QPen(QColor("#1b2230"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for side in (-1, 1):
            tip, base = QPointF(x + side * 7, area.center().y()), x + side * 3.5
            painter.drawLine(tip, QPointF(base, tip.y() - 4))
            painter.drawLine(tip, QPointF(base, tip.y() + 4))
        bottom = area.bottom() - PILL_ROW - 4
        _paint_pill(painter, QPointF(area.left() + 12, bottom), self.sides[0], BADGE_DARK)
        text = self.sides[1]
        width = painter.fontMetrics().horizontalAdvance(text) + 24
        _paint_pill(painter, QPointF(area.right() - 12 - width, bottom), text, BADGE_DARK)

    def _paint_badges(self, painter: QPainter, area: QRectF) -> None:
        top = area.top() + 12
        for text, colour in self._badges:
            width = painter.fontMetrics().horizontalAdvance(text) + 24
            _paint_pill(painter, QPointF(area.right() - 12 - width, top), text, colour)
            top += PILL_ROW

    def _round_corners(self, painter: QPainter, area: QRectF) -> None:
        # Painting the four corners over costs far less than clipping every frame to a rounded path.
        corners, rounded = QPainterPath(), QPainterPath()
        corners.addRect(area.adjusted(-1, -1, 1, 1))
        rounded.addRoundedRect(area, RADIUS, RADIUS)
        painter.fillPath(corners.subtracted(rounded), self.palette().color(QPalette.ColorRole.Window))


def _borrow(image: Image) -> QImage:
    height, width = image.shape[:2]
    return QImage(image.data, width, height, image.strides[0], QImage.Format.Format_BGR888)


def _paint_pill(painter: QPainter, corner: QPointF, text: str, colour: QColor) -> None:
    metrics = painter.fontMetrics()
    pill = QRectF(corner.x(), corner.y(), metrics.horizontalAdvance(text) + 24, 28)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawRoundedRect(pill, 14, 14)
    painter.setPen(QColor("#ffffff"))
    painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)
