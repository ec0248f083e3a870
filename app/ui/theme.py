"""The system's appearance, dark or light, as a palette for Qt's Fusion style and a style sheet on top."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.colours import DARK, LIGHT, Colours
from app.ui.style import style_sheet

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def is_dark(app: QApplication) -> bool:
    """What the system asks for; light where it does not say."""
    return app.styleHints().colorScheme() is Qt.ColorScheme.Dark


def follow_system(app: QApplication) -> None:
    """Take the system's appearance now, and again whenever it changes."""
    app.setStyle("Fusion")
    apply(app, DARK if is_dark(app) else LIGHT)
    app.styleHints().colorSchemeChanged.connect(lambda _: apply(app, DARK if is_dark(app) else LIGHT))


def apply(app: QApplication, colours: Colours) -> None:
    """Give the program these colours."""
    app.setPalette(_palette(colours))
    app.setStyleSheet(style_sheet(colours, ASSETS / "chevron.svg"))


def _palette(colours: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in {
        role.Window: colours.window,
        role.WindowText: colours.text,
        role.Base: colours.card,
        role.AlternateBase: colours.field,
        role.ToolTipBase: colours.card,
        role.ToolTipText: colours.text,
        role.Text: colours.text,
        role.PlaceholderText: colours.muted,
        role.Button: colours.field,
        role.ButtonText: colours.text,
        role.BrightText: colours.error,
        role.Mid: colours.border,
        role.Dark: colours.track,
        role.Link: colours.accent,
        role.Highlight: colours.accent,
        role.HighlightedText: colours.on_accent,
    }.items():
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.muted))
    return palette
