"""How one background looks in the gallery: a rounded picture with its caption, ringed when it is the chosen one."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QImage,
    QLinearGradient,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QRadialGradient,
)
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

SPEC = Qt.ItemDataRole.UserRole
"""The tile's SPEC, as text."""
KIND = Qt.ItemDataRole.UserRole + 1
"""'none', 'transparent', 'blur', 'color', 'file' or 'video'."""
PICTURE = Qt.ItemDataRole.UserRole + 2
"""The thumbnail, a QImage; empty until it is made."""

COLUMNS = 3
TILE = QSize(107, 84)
THUMBNAIL = QSize(102, 58)
RADIUS = 9.0


class TileDelegate(QStyledItemDelegate):
    """Paints a gallery tile."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.colour = QColor("#00b140")
        """What the colour tile shows."""
        self.chosen = ""
        """The SPEC of the tile that is chosen; the keyboard may be on another one."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        return TILE

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        area = QRectF(option.rect)
        # The outer columns stand flush with the card's other rows.
        left = area.left() + (TILE.width() - THUMBNAIL.width()) * (index.row() % COLUMNS) / (COLUMNS - 1)
        picture = QRectF(left, area.top() + 1, THUMBNAIL.width(), THUMBNAIL.height())
        palette: QPalette = option.palette
        state: QStyle.StateFlag = option.state
        chosen = index.data(SPEC) == self.chosen
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rounded = QPainterPath()
        rounded.addRoundedRect(picture, RADIUS, RADIUS)
        painter.save()
        painter.setClipPath(rounded)
        self._paint_picture(painter, picture, str(index.data(KIND)), index.data(PICTURE), palette)
        painter.restore()
        self._paint_marks(painter, picture, state, chosen)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText if chosen else QPalette.ColorRole.PlaceholderText))
        caption = QRectF(left, picture.bottom() + 3, picture.width(), area.bottom() - picture.bottom() - 3)
        text = painter.fontMetrics().elidedText(str(index.data()), Qt.TextElideMode.ElideRight, int(caption.width()))
        painter.drawText(caption, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, text)
        painter.restore()

    def _paint_marks(self, painter: QPainter, picture: QRectF, state: QStyle.StateFlag, chosen: bool) -> None:
        # The list's own palette has no base: the style sheet makes it transparent.
        palette, role = QGuiApplication.palette(), QPalette.ColorRole
        focus = bool(state & QStyle.StateFlag.State_HasFocus)
        if chosen:
            # A gap sets the ring off from a picture of its own colour.
            _paint_ring(painter, picture, 3.5, 2.5, palette.color(role.Base))
            _paint_ring(painter, picture, 1.25, 2.5, palette.color(role.WindowText if focus else role.Highlight))
        elif focus or state & QStyle.StateFlag.State_MouseOver:
            _paint_ring(painter, picture, 0.75, 1.5, palette.color(role.PlaceholderText))

    def _paint_picture(
        self, painter: QPainter, area: QRectF, kind: str, image: QImage | None, palette: QPalette
    ) -> None:
        painter.fillRect(area, palette.color(QPalette.ColorRole.AlternateBase))
        if kind == "transparent":
            _paint_checks(painter, area)
        elif kind == "color":
            painter.fillRect(area, self.colour)
        elif kind == "blur":
            _paint_blur(painter, area)
        if image is not None and not image.isNull():
            painter.drawImage(area, image)
        if kind in ("none", "transparent", "blur", "color"):
            ink = palette.color(QPalette.ColorRole.PlaceholderText) if kind == "none" else QColor(255, 255, 255, 235)
            _paint_person(painter, area, ink)
        if kind == "video":
            _paint_play(painter, area)


def _paint_ring(painter: QPainter, area: QRectF, inset: float, width: float, colour: QColor) -> None:
    painter.setPen(QPen(colour, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(area.adjusted(inset, inset, -inset, -inset), RADIUS - inset, RADIUS - inset)


def _paint_checks(painter: QPainter, area: QRectF) -> None:
    painter.fillRect(area, QColor("#c9ced8"))
    step = 8
    for row in range(int(area.height() // step) + 1):
        for column in range(row % 2, int(area.width() // step) + 1, 2):
            painter.fillRect(
                QRectF(area.left() + column * step, area.top() + row * step, step, step), QColor("#a9b1bf")
            )


def _paint_blur(painter: QPainter, area: QRectF) -> None:
    sky = QLinearGradient(area.topLeft(), area.bottomRight())
    sky.setColorAt(0, QColor("#7f96c9"))
    sky.setColorAt(1, QColor("#b98f7a"))
    painter.fillRect(area, sky)
    for x, y, radius, colour in ((0.15, 0.3, 22, "#ffd9a0"), (0.85, 0.25, 26, "#d7e6ff"), (0.75, 0.9, 24, "#7c5f86")):
        centre = QPointF(area.left() + x * area.width(), area.top() + y * area.height())
        glow = QRadialGradient(centre, radius)
        inner, outer = QColor(colour), QColor(colour)
        inner.setAlpha(210)
        outer.setAlpha(0)
        glow.setColorAt(0, inner)
        glow.setColorAt(1, outer)
        painter.fillRect(area, glow)


def _paint_person(painter: QPainter, area: QRectF, ink: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    x, bottom = area.center().x(), area.bottom()
    painter.drawEllipse(QPointF(x, bottom - 32), 8.5, 8.5)
    shoulders = QPainterPath()
    shoulders.addRoundedRect(QRectF(x - 17, bottom - 20, 34, 40), 16, 16)
    painter.drawPath(shoulders)


def _paint_play(painter: QPainter, area: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(12, 15, 20, 170))
    centre = QPointF(area.right() - 14, area.bottom() - 14)
    painter.drawEllipse(centre, 9, 9)
    painter.setBrush(QColor("#ffffff"))
    painter.drawPolygon([centre + QPointF(-2.5, -4), centre + QPointF(-2.5, 4), centre + QPointF(4.5, 0)])
