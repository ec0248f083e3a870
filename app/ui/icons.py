"""The program's own icons: SVG strokes on a 24×24 grid, tinted by the palette."""

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

PROPERTY = "mattecamIcon"
SHAPES = {
    "pause": '<circle cx="10" cy="8" r="4"/><path d="M3 20c0-4 3-6 7-6 1.5 0 2.9.3 4 .9"/>'
    '<path d="M15.5 15.5l5.5 5.5m0-5.5-5.5 5.5"/>',
    "record": '<circle cx="12" cy="12" r="8"/><circle cx="12" cy="12" r="3.5" fill="COLOUR"/>',
    "snapshot": '<path d="M4 8h3.500l1.5-2.500h6l1.5 2.500H20v11H4z"/><circle cx="12" cy="13" r="3.5"/>',
    "split": '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M12 3v18"/>'
    '<path d="M12 5h6.500a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H12z" fill="COLOUR" fill-opacity=".35" stroke="none"/>',
    "statistics": '<path d="M5 19v-6M10 19V9M15 19v-4M20 19V5"/>',
    "panel": '<rect x="3.5" y="5" width="17" height="14" rx="2"/><path d="M15 5v14"/>',
    "add": '<path d="M12 5v14M5 12h14"/>',
    "remove": '<path d="M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12"/>',
    "refresh": '<path d="M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "open": '<path d="M7 10l5 5 5-5"/>',
    "closed": '<path d="M10 7l5 5-5 5"/>',
}
# A folded section's header looks the same open or not; pause and record stand on red.
CHECKED = {
    "open": QPalette.ColorRole.ButtonText,
    "closed": QPalette.ColorRole.ButtonText,
    "pause": QPalette.ColorRole.HighlightedText,
    "record": QPalette.ColorRole.HighlightedText,
}


def pixmap(name: str, colour: QColor, size: QSize, device_pixel_ratio: float = 1.0) -> QPixmap:
    """The icon in one colour, at `size` logical pixels."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="COLOUR" '
        f'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">{SHAPES[name]}</svg>'
    ).replace("COLOUR", colour.name())
    picture = QPixmap(size * device_pixel_ratio)
    picture.setDevicePixelRatio(device_pixel_ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size.width(), size.height()))
    painter.end()
    return picture


def make_icon(name: str) -> QIcon:
    """The icon in the palette's text colour, and where its button is on in the colour that suits what it means."""
    palette = QGuiApplication.palette()
    icon = QIcon()
    plain = QPalette.ColorRole.ButtonText
    for state, role in ((QIcon.State.Off, plain), (QIcon.State.On, CHECKED.get(name, QPalette.ColorRole.Highlight))):
        for ratio in (1.0, 2.0):
            icon.addPixmap(pixmap(name, palette.color(role), QSize(20, 20), ratio), QIcon.Mode.Normal, state)
    return icon


def set_icon(target: QAbstractButton | QAction, name: str) -> None:
    """Give a button or an action this icon, and remember it for when the palette changes."""
    target.setProperty(PROPERTY, name)
    target.setIcon(make_icon(name))


def refresh_icons(root: QObject) -> None:
    """Tint every icon below `root` again, after the palette has changed."""
    targets = (*root.findChildren(QAbstractButton), *root.findChildren(QAction))
    for target in targets:
        if isinstance(target, (QAbstractButton, QAction)) and (name := target.property(PROPERTY)):
            target.setIcon(make_icon(name))
