"""Two small windows: the keyboard shortcuts, and what Mattecam is made of."""

from collections.abc import Iterable
from html import escape
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget


def _tr(text: str) -> str:
    return QCoreApplication.translate("Help", text)


def shortcuts_dialog(actions: Iterable[QAction], parent: QWidget) -> QDialog:
    """Every shortcut with what it does, read from the actions themselves."""
    rows = [(action.shortcut(), action.text()) for action in actions if not action.shortcut().isEmpty()]
    keys = QKeySequence.SequenceFormat.NativeText
    text = "".join(
        f"<tr><td><b>{escape(sequence.toString(keys))}</b>&nbsp;&nbsp;&nbsp;</td>"
        f"<td>{escape(name.replace('&&', '&').rstrip('…'))}</td></tr>"
        for sequence, name in rows
    )
    rest = _tr(
        "Tab moves on, Space switches, arrow keys move a slider, choose a background, or drag the divider of the "
        "before-and-after view; Delete removes a background of your own."
    )
    return _dialog(_tr("Keyboard shortcuts"), f"<table cellspacing='4'>{text}</table><p>{escape(rest)}</p>", parent)


def about_dialog(parent: QWidget) -> QDialog:
    """Name, version, and whose work is inside."""
    try:
        number = version("mattecam")
    except PackageNotFoundError:
        number = ""
    text = _tr(
        "<h3>Mattecam {0}</h3><p>Your background, replaced live, on your own machine: no picture leaves it.</p>"
        "<p>Portrait matting by MODNet (Ke and others, AAAI 2022). Made with ONNX Runtime, OpenVINO, OpenCV, Qt, "
        "pyvirtualcam and FFmpeg. The licences are in the file NOTICE.</p>"
    )
    return _dialog(_tr("About Mattecam"), text.format(number), parent)


def _dialog(title: str, html: str, parent: QWidget) -> QDialog:
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(20, 20, 20, 16)
    layout.setSpacing(12)
    label = QLabel(html)
    label.setWordWrap(True)
    label.setMinimumWidth(380)
    layout.addWidget(label)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.close)
    layout.addWidget(buttons)
    return dialog
