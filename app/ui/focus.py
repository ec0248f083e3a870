"""The order in which Tab goes round: as the eye goes, which is the order of the layouts."""

import itertools

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QScrollArea, QWidget


def chain_focus(root: QWidget) -> None:
    """Chain every widget below `root` that takes the focus, in the layouts' order."""
    widgets: list[QWidget] = []
    _collect(root, widgets)
    for first, second in itertools.pairwise(widgets):
        QWidget.setTabOrder(first, second)


def _collect(widget: QWidget, found: list[QWidget]) -> None:
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        found.append(widget)
    if isinstance(widget, QScrollArea):
        if (inside := widget.widget()) is not None:
            _collect(inside, found)
    elif layout := widget.layout():
        _walk(layout, found)


def _walk(layout: QLayout, found: list[QWidget]) -> None:
    for index in range(layout.count()):
        item = layout.itemAt(index)
        if item is None:
            continue
        if widget := item.widget():
            _collect(widget, found)
        elif inner := item.layout():
            _walk(inner, found)
