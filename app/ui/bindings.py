"""Two-way ties between a control and one field of the settings: the field's name is the whole configuration."""

from collections.abc import Callable, Iterable
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QAbstractButton, QComboBox, QHBoxLayout, QLabel, QSlider, QWidget

from app.settings import Settings
from app.ui.store import SettingsStore
from app.ui.widgets import Slider, labelled


def bind_button(store: SettingsStore, button: QAbstractButton, field: str) -> None:
    """A checkable button ↔ a true/false field."""
    button.toggled.connect(lambda on: store.change(**{field: on}))
    _follow(store, lambda settings: button.setChecked(getattr(settings, field)))


def bind_combo(store: SettingsStore, combo: QComboBox, field: str) -> None:
    """A choice, whose items carry the field's values as data ↔ a field; an unlisted value is listed as itself."""

    def show(settings: Settings) -> None:
        select_data(combo, getattr(settings, field))

    combo.activated.connect(lambda index: store.change(**{field: combo.itemData(index)}))
    _follow(store, show)


def bind_slider(store: SettingsStore, slider: QSlider, field: str, scale: float = 1) -> None:
    """A slider ↔ a number; the field's value is the slider's position times `scale`."""

    def moved(position: int) -> None:
        store.change(**{field: position if scale == 1 else round(position * scale, 6)})

    slider.valueChanged.connect(moved)
    _follow(store, lambda settings: slider.setValue(round(getattr(settings, field) / scale)))


def slider_row(label: str, slider: Slider, show: Callable[[int], str] = str) -> QWidget:
    """A labelled slider with its value in figures on the right."""
    row = labelled(label, slider)
    figure = QLabel(show(slider.value()))
    figure.setObjectName("muted")
    figure.setMinimumWidth(figure.fontMetrics().horizontalAdvance("+00 px"))
    figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    slider.valueChanged.connect(lambda value: figure.setText(show(value)))
    layout = row.layout()
    assert isinstance(layout, QHBoxLayout)
    layout.addWidget(figure)
    return row


def fill_combo(combo: QComboBox, items: Iterable[tuple[str, Any]], current: Any) -> None:
    """Replace the items, each a text and its value, and show the current value."""
    blocker = QSignalBlocker(combo)
    combo.clear()
    for text, value in items:
        combo.addItem(text, value)
    select_data(combo, current)
    del blocker


def select_data(combo: QComboBox, value: Any) -> None:
    """Show the item with this value, adding it as plain text where it is not among the items."""
    index = combo.findData(value)
    if index < 0:
        combo.addItem(str(value), value)
        index = combo.count() - 1
    combo.setCurrentIndex(index)


def _follow(store: SettingsStore, show: Callable[[Settings], None]) -> None:
    # Showing a value makes the control signal it back; `change` stops at a value that is already set.
    store.changed.connect(show)
    show(store.settings)
