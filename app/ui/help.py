"""Two small windows: the keyboard shortcuts, and what Mattecam is made of."""

from collections.abc import Iterable
from html import escape
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QIcon, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

translate = QCoreApplication.translate
WIDTH = 420


def shortcuts_dialog(actions: Iterable[QAction], parent: QWidget) -> QDialog:
    """Every shortcut that does something now, read from the actions themselves."""
    keys = QKeySequence.SequenceFormat.NativeText
    rows = "".join(
        f"<tr><td><b>{escape(action.shortcut().toString(keys))}</b>&nbsp;&nbsp;&nbsp;</td>"
        f"<td>{escape(action.text().replace('&&', '&').rstrip('…'))}</td></tr>"
        for action in actions
        if action.isVisible() and not action.shortcut().isEmpty()
    )
    rest = translate(
        "Help",
        "Tab moves to the next control, Space switches it, arrow keys move a slider, choose a background, or drag the "
        "divider of the before-and-after view; Delete removes a background that you added.",
    )
    title = translate("Help", "Keyboard shortcuts")
    return _dialog(title, (f"<table cellspacing='4'>{rows}</table>", escape(rest)), parent)


def about_dialog(parent: QWidget) -> QDialog:
    """Name, version, and whose work is inside."""
    try:
        number = version("mattecam")
    except PackageNotFoundError:
        number = ""
    text = translate(
        "Help",
        "<h3>Mattecam {0}</h3><p>Your background, replaced live, on your own machine: no picture leaves it.</p>"
        "<p>Portrait matting by MODNet (Ke and others, AAAI 2022). Made with ONNX Runtime, OpenVINO, OpenCV, Qt, "
        "pyvirtualcam and FFmpeg. The licences are in the file NOTICE.</p>",
    )
    return _dialog(translate("Help", "About Mattecam"), (text.format(number),), parent)


def _dialog(title: str, texts: Iterable[str], parent: QWidget) -> QDialog:
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(20, 16, 20, 16)
    layout.setSpacing(12)
    for text in texts:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setFixedWidth(WIDTH)
        # A label that wraps asks for less height than it needs until it is told its width.
        label.setFixedHeight(label.heightForWidth(WIDTH))
        layout.addWidget(label)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())
    buttons.rejected.connect(dialog.close)
    layout.addWidget(buttons)
    return dialog
