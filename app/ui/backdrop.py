"""What can be set about the chosen background: blur strength, colour, or how a picture fits; never all at once."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QColorDialog,
    QHBoxLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.settings import Settings
from app.ui.bindings import bind_combo, fill_combo, slider_row
from app.ui.store import SettingsStore
from app.ui.widgets import Combo, Slider, labelled
from matting_core.background_spec import parse_spec

SWATCH = 32


class Swatch(QAbstractButton):
    """A round button in one colour; a ring at a distance marks the chosen one."""

    def __init__(self, colour: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.colour = colour
        self.setCheckable(True)
        self.setFixedSize(SWATCH, SWATCH)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({colour})")

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        palette, disc = self.palette(), QRectF(self.rect()).adjusted(4.5, 4.5, -4.5, -4.5)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Dark), 1))
        painter.setBrush(QColor(self.colour))
        painter.drawEllipse(disc)
        if self.isChecked() or self.hasFocus():
            ring = QPalette.ColorRole.WindowText if self.hasFocus() else QPalette.ColorRole.Highlight
            painter.setPen(QPen(palette.color(ring), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(disc.adjusted(-3.5, -3.5, 3.5, 3.5))
        painter.end()


class BackdropOptions(QWidget):
    """Shows the one row that the background's kind needs."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.blur = Slider(1, 100)
        self._blur_row = slider_row(self.tr("Blur strength"), self.blur)
        self.blur.valueChanged.connect(self._blur_moved)
        self.fit = Combo()
        choices = ((self.tr("Fill"), "cover"), (self.tr("Show all"), "contain"), (self.tr("Stretch"), "stretch"))
        fill_combo(self.fit, choices, store.settings.fit)
        bind_combo(store, self.fit, "fit")
        self._fit_row = labelled(self.tr("Fit"), self.fit)
        self._colour_row = self._build_colours()
        for row in (self._blur_row, self._colour_row, self._fit_row):
            layout.addWidget(row)
        store.changed.connect(self._show)
        self._show(store.settings)

    def _build_colours(self) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.swatches = QButtonGroup(self)
        for colour, name in (
            ("#00b140", self.tr("Green")),
            ("#0047bb", self.tr("Blue")),
            ("#14171d", self.tr("Black")),
            ("#5f6b7e", self.tr("Grey")),
            ("#f4f5f8", self.tr("White")),
            ("#e7d8c9", self.tr("Sand")),
        ):
            button = Swatch(colour, name)
            button.clicked.connect(lambda _, chosen=colour: self.set_colour(chosen))
            self.swatches.addButton(button)
            layout.addWidget(button)
        layout.addStretch(1)
        self.other_colour = QToolButton()
        self.other_colour.setText(self.tr("Other…"))
        self.other_colour.setAccessibleName(self.tr("Choose another colour"))
        self.other_colour.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.other_colour.clicked.connect(self._choose_colour)
        layout.addWidget(self.other_colour)
        return row

    def set_colour(self, colour: str) -> None:
        self._store.change(background=f"color:{colour}")

    def _choose_colour(self) -> None:
        before = parse_spec(self._store.settings.background).value
        dialog = QColorDialog(QColor(before), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.currentColorChanged.connect(lambda colour: self.set_colour(colour.name()))
        dialog.rejected.connect(lambda: self.set_colour(before))
        dialog.open()

    def _blur_moved(self, strength: int) -> None:
        if parse_spec(self._store.settings.background).kind == "blur":
            self._store.change(background=f"blur:{strength}")

    def _show(self, settings: Settings) -> None:
        spec = parse_spec(settings.background)
        self._blur_row.setVisible(spec.kind == "blur")
        self._colour_row.setVisible(spec.kind == "color")
        self._fit_row.setVisible(spec.kind == "file")
        self.setVisible(spec.kind in ("blur", "color", "file"))
        if spec.kind == "blur":
            self.blur.setValue(int(spec.value))
        elif spec.kind == "color":
            # An exclusive group would keep one button down though the colour is none of theirs.
            self.swatches.setExclusive(False)
            for button in self.swatches.buttons():
                assert isinstance(button, Swatch)
                button.setChecked(button.colour == spec.value)
            self.swatches.setExclusive(True)
