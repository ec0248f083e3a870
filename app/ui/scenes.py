"""Scenes: a background and its looks under a name, one click away."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.settings import Settings
from app.ui.store import SettingsStore
from app.ui.widgets import MutedLabel, Section, flat_button

LONGEST_NAME = 40


class ScenesSection(Section):
    """Lists the saved scenes; saves the current look under a name."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._shown: tuple[str, ...] | None = None
        self.set_title(self.tr("Scenes"))
        self._hint = MutedLabel(self.tr("Save the background and edges you see now, and recall them with one click."))
        self.body.addWidget(self._hint)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(4)
        self.body.addLayout(self._rows)
        self.name = QLineEdit()
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setPlaceholderText(self.tr("Name of a new scene"))
        self.name.setAccessibleName(self.tr("Name of a new scene"))
        self.save_button = QPushButton(self.tr("Save"))
        self.save_button.setAccessibleName(self.tr("Save the current look as a scene"))
        self.save_button.setEnabled(False)
        self.name.textChanged.connect(lambda text: self.save_button.setEnabled(bool(text.strip())))
        self.name.returnPressed.connect(self._save)
        self.save_button.clicked.connect(self._save)
        row = QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.save_button)
        self.body.addLayout(row)
        self.recall_buttons: dict[str, QPushButton] = {}
        self.delete_buttons: dict[str, QWidget] = {}
        store.changed.connect(self._show)
        self._show(store.settings)

    def _save(self) -> None:
        name = self.name.text().strip()
        if name:
            self._store.save_scene(name)
            self.name.clear()

    def _show(self, settings: Settings) -> None:
        names = tuple(settings.scenes)
        if names == self._shown:
            return
        self._shown = names
        while (item := self._rows.takeAt(0)) is not None:
            if row := item.widget():
                row.deleteLater()
        self.recall_buttons.clear()
        self.delete_buttons.clear()
        for name in names:
            self._rows.addWidget(self._row(name))
        self._hint.setVisible(not names)

    def _row(self, name: str) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        recall = QPushButton(name.replace("&", "&&"))
        recall.setAccessibleName(self.tr("Recall the scene {0}").format(name))
        recall.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        recall.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        recall.clicked.connect(lambda: self._store.recall_scene(name))
        delete = flat_button("remove", self.tr("Delete the scene {0}").format(name))
        delete.clicked.connect(lambda: self._store.delete_scene(name))
        layout.addWidget(recall, 1)
        layout.addWidget(delete)
        self.recall_buttons[name], self.delete_buttons[name] = recall, delete
        return row
