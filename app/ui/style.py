"""The style sheet: what the palette cannot say about shapes, spacing and focus rings."""

from pathlib import Path

from app.ui.colours import Colours


def style_sheet(colours: Colours, chevron: Path) -> str:
    """The whole window's style sheet. chevron: the SVG of a choice's arrow."""
    return _buttons(colours) + _choices(colours, chevron) + _sliders_and_bars(colours) + _surfaces(colours)


def _buttons(colours: Colours) -> str:
    # A two-pixel border everywhere: the focus ring takes its place, so nothing moves when the focus does.
    return f"""
    QPushButton, QToolButton, QComboBox, QLineEdit {{
        background: {colours.field}; color: {colours.text}; border: 2px solid {colours.field};
        border-radius: 8px; padding: 5px 10px; min-height: 20px; }}
    QPushButton:hover, QToolButton:hover, QComboBox:hover {{
        background: {colours.hover}; border-color: {colours.hover}; }}
    QPushButton:disabled, QToolButton:disabled, QComboBox:disabled {{ color: {colours.muted}; }}
    QPushButton:checked, QToolButton:checked {{
        background: {colours.accent_soft}; color: {colours.accent}; border-color: {colours.accent_soft}; }}
    QWidget#bar QToolButton {{ background: {colours.card}; border-color: {colours.card}; }}
    QWidget#bar QToolButton[spelt="true"] {{ padding-right: 4px; }}
    QWidget#bar QToolButton:hover {{ background: {colours.hover}; border-color: {colours.hover}; }}
    QWidget#bar QToolButton:checked {{ background: {colours.accent_soft}; border-color: {colours.accent_soft}; }}
    QWidget#bar QToolButton#record:checked, QWidget#bar QToolButton#pause:checked {{
        background: {colours.error}; color: {colours.on_accent}; border-color: {colours.error}; }}
    QDialog QPushButton {{ background: {colours.card}; border-color: {colours.border}; }}
    QToolButton#section {{ background: transparent; color: {colours.text}; border-color: transparent;
        font-weight: 600; text-align: left; padding: 4px 2px; }}
    QToolButton#flat {{ background: transparent; border-color: transparent; padding: 4px; }}
    QToolButton#flat:hover {{ background: {colours.hover}; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus,
    QToolButton#section:focus, QToolButton#flat:focus, QWidget#bar QToolButton:focus, QDialog QPushButton:focus {{
        border-color: {colours.accent}; }}
    QWidget#bar QToolButton#record:checked:focus, QWidget#bar QToolButton#pause:checked:focus {{
        border-color: {colours.text}; }}
    QLineEdit {{ placeholder-text-color: {colours.muted}; }}
    """


def _choices(colours: Colours, chevron: Path) -> str:
    return f"""
    QComboBox {{ combobox-popup: 0; }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow {{ image: url("{chevron.as_posix()}"); width: 12px; height: 12px; }}
    QComboBox QAbstractItemView {{ background: {colours.card}; color: {colours.text}; padding: 4px;
        border: 1px solid {colours.border}; outline: none; }}
    QComboBox QAbstractItemView::item {{ min-height: 28px; padding-left: 6px; border-radius: 6px; }}
    QComboBox QAbstractItemView::item:selected {{ background: {colours.accent}; color: {colours.on_accent}; }}
    QListWidget {{ background: transparent; border: none; outline: none; }}
    QMenuBar {{ background: {colours.window}; color: {colours.text}; padding: 3px 6px; }}
    QMenuBar::item {{ background: transparent; padding: 4px 10px; border-radius: 6px; }}
    QMenuBar::item:selected {{ background: {colours.hover}; }}
    QMenu {{ background: {colours.card}; color: {colours.text}; border: 1px solid {colours.border}; padding: 5px; }}
    QMenu::item {{ padding: 6px 20px 6px 8px; border-radius: 6px; }}
    QMenu::item:selected {{ background: {colours.accent}; color: {colours.on_accent}; }}
    QMenu::item:disabled {{ color: {colours.muted}; }}
    QMenu::indicator {{ left: 8px; width: 14px; height: 14px; }}
    QMenu::separator {{ height: 1px; background: {colours.border}; margin: 5px 8px; }}
    """


def _sliders_and_bars(colours: Colours) -> str:
    return f"""
    QSlider {{ min-height: 24px; background: transparent; }}
    QSlider::groove:horizontal {{ height: 4px; background: {colours.border}; border-radius: 2px; }}
    QSlider::sub-page:horizontal {{ background: {colours.accent}; border-radius: 2px; }}
    QSlider[centred="true"]::sub-page:horizontal {{ background: {colours.border}; }}
    QSlider::handle:horizontal {{ width: 14px; height: 14px; margin: -7px 0; border-radius: 9px;
        background: {colours.card}; border: 2px solid {colours.accent}; }}
    QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus {{ background: {colours.accent}; }}
    QSlider::handle:horizontal:disabled {{ border-color: {colours.border}; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar::handle:vertical {{ background: {colours.border}; border-radius: 4px; min-height: 32px; margin: 1px; }}
    QScrollBar::handle:hover {{ background: {colours.track}; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QScrollBar::handle:horizontal {{ background: {colours.border}; border-radius: 4px; min-width: 32px; margin: 1px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QProgressBar {{ background: {colours.border}; border: none; border-radius: 3px; max-height: 6px; }}
    QProgressBar::chunk {{ background: {colours.accent}; border-radius: 3px; }}
    """


def _surfaces(colours: Colours) -> str:
    return f"""
    QToolTip {{ background: {colours.card}; color: {colours.text}; border: 1px solid {colours.border}; padding: 4px; }}
    QScrollArea, QScrollArea > QWidget > QWidget#panel {{ background: transparent; border: none; }}
    QFrame#card {{ background: {colours.card}; border: 1px solid {colours.border}; border-radius: 12px; }}
    QLabel#title {{ font-weight: 600; }}
    QLabel#muted {{ color: {colours.muted}; }}
    QFrame#notice {{ border-radius: 10px; border: none; background: {colours.info_card}; }}
    QFrame#notice[severity="warning"] {{ background: {colours.warning_card}; }}
    QFrame#notice[severity="error"] {{ background: {colours.error_card}; }}
    QFrame#stripe {{ background: {colours.accent}; border-radius: 2px; }}
    QFrame#stripe[severity="warning"] {{ background: {colours.warning}; }}
    QFrame#stripe[severity="error"] {{ background: {colours.error}; }}
    QPlainTextEdit#detail {{ background: {colours.card}; color: {colours.text}; padding: 4px;
        border: 2px solid {colours.card}; border-radius: 8px; }}
    QPlainTextEdit#detail:focus {{ border-color: {colours.accent}; }}
    QLabel#drop {{ background: rgba(12, 15, 20, 215); color: #f2f4f8; font-size: 22px; font-weight: 600;
        border: 2px dashed {colours.accent}; border-radius: 16px; }}
    QLabel#overlay {{ background: rgba(12, 15, 20, 190); color: #f2f4f8; border-radius: 10px; padding: 8px 12px; }}
    """
