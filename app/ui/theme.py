"""Dark and light: one table of colours, a palette for Qt's Fusion style, and a small style sheet on top."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of one appearance, as '#rrggbb'."""

    window: str
    card: str
    field: str
    hover: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    error: str
    error_card: str
    warning: str
    warning_card: str
    info_card: str


LIGHT = Colours(
    window="#f4f5f8",
    card="#ffffff",
    field="#f4f5f8",
    hover="#e9ecf3",
    border="#dfe3ea",
    text="#1b2230",
    muted="#5f6b7e",
    accent="#3a5bdc",
    on_accent="#ffffff",
    error="#c22f3d",
    error_card="#fdecee",
    warning="#9a6200",
    warning_card="#fff4dc",
    info_card="#e8eefe",
)
DARK = Colours(
    window="#14171d",
    card="#1c2028",
    field="#262b35",
    hover="#2e3440",
    border="#323945",
    text="#e8ebf1",
    muted="#9aa5b6",
    accent="#8098ff",
    on_accent="#10131a",
    error="#ff7b86",
    error_card="#3a2126",
    warning="#f0b95a",
    warning_card="#38301f",
    info_card="#232b42",
)


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
    app.setStyleSheet(_style_sheet(colours))


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
        role.Link: colours.accent,
        role.Highlight: colours.accent,
        role.HighlightedText: colours.on_accent,
    }.items():
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.muted))
    return palette


def _style_sheet(colours: Colours) -> str:
    # A two-pixel border everywhere: the focus ring takes its place, so nothing moves when the focus does.
    chevron = (ASSETS / "chevron.svg").as_posix()
    return f"""
    QToolTip {{ background: {colours.card}; color: {colours.text}; border: 1px solid {colours.border}; padding: 4px; }}
    QScrollArea, QScrollArea > QWidget > QWidget#panel {{ background: transparent; border: none; }}
    QFrame#card {{ background: {colours.card}; border: 1px solid {colours.border}; border-radius: 12px; }}
    QLabel#title {{ font-weight: 600; }}
    QLabel#muted {{ color: {colours.muted}; }}
    QPushButton, QToolButton, QComboBox, QLineEdit {{
        background: {colours.field}; color: {colours.text}; border: 2px solid {colours.field};
        border-radius: 8px; padding: 5px 10px; min-height: 20px; }}
    QPushButton:hover, QToolButton:hover, QComboBox:hover {{
        background: {colours.hover}; border-color: {colours.hover}; }}
    QPushButton:disabled, QToolButton:disabled, QComboBox:disabled {{ color: {colours.muted}; }}
    QToolButton:checked {{ background: {colours.accent}; color: {colours.on_accent}; border-color: {colours.accent}; }}
    QToolButton#record:checked, QToolButton#pause:checked {{
        background: {colours.error}; color: {colours.on_accent}; border-color: {colours.error}; }}
    QToolButton#section {{ background: transparent; color: {colours.text}; border-color: transparent;
        font-weight: 600; text-align: left; padding: 4px 2px; }}
    QToolButton#flat {{ background: transparent; border-color: transparent; padding: 4px; }}
    QToolButton#flat:hover {{ background: {colours.hover}; }}
    QToolButton#swatch {{ padding: 0; min-height: 0; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QToolButton#section:focus,
    QToolButton#flat:focus {{ border-color: {colours.accent}; }}
    QToolButton:checked:focus {{ border-color: {colours.text}; }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow {{ image: url("{chevron}"); width: 12px; height: 12px; }}
    QComboBox QAbstractItemView {{ background: {colours.card}; border: 1px solid {colours.border}; padding: 4px;
        selection-background-color: {colours.accent}; selection-color: {colours.on_accent}; }}
    QListWidget {{ background: transparent; border: none; outline: none; }}
    QSlider {{ min-height: 24px; background: transparent; }}
    QSlider::groove:horizontal {{ height: 4px; background: {colours.border}; border-radius: 2px; }}
    QSlider::sub-page:horizontal {{ background: {colours.accent}; border-radius: 2px; }}
    QSlider::handle:horizontal {{ width: 14px; height: 14px; margin: -7px 0; border-radius: 9px;
        background: {colours.card}; border: 2px solid {colours.accent}; }}
    QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus {{ background: {colours.accent}; }}
    QSlider::handle:horizontal:disabled {{ border-color: {colours.border}; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar::handle:vertical {{ background: {colours.border}; border-radius: 4px; min-height: 32px; margin: 1px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
    QFrame#notice {{ border-radius: 10px; border: none; background: {colours.info_card}; }}
    QFrame#notice[severity="warning"] {{ background: {colours.warning_card}; }}
    QFrame#notice[severity="error"] {{ background: {colours.error_card}; }}
    QFrame#stripe {{ background: {colours.accent}; border-radius: 2px; }}
    QFrame#stripe[severity="warning"] {{ background: {colours.warning}; }}
    QFrame#stripe[severity="error"] {{ background: {colours.error}; }}
    QLabel#overlay {{ background: rgba(12, 15, 20, 190); color: #f2f4f8; border-radius: 10px; padding: 10px 12px; }}
    QMenuBar, QMenu {{ background: {colours.window}; color: {colours.text}; }}
    QMenuBar::item:selected, QMenu::item:selected {{ background: {colours.accent}; color: {colours.on_accent}; }}
    """
