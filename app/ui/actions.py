"""Every command of the window in one place: its text, its shortcut and its icon; menus and buttons share them."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar, QWidget

from app.settings import Settings
from app.ui.icons import set_icon
from app.ui.store import SettingsStore

SCENE_KEYS = 9


class Actions(QObject):
    """The window's actions. They are made here and connected by the window."""

    def __init__(self, window: QWidget, store: SettingsStore) -> None:
        super().__init__(window)
        self._window, self._store = window, store
        self.add_background = self._make(self.tr("Add background…"), "Ctrl+O", "add")
        self.snapshot = self._make(self.tr("Snapshot"), "Ctrl+S", "snapshot")
        self.record = self._make(
            self.tr("Record"), "Ctrl+R", "record", checkable=True, more=self.tr("Record the picture, without sound")
        )
        self.pause = self._make(self.tr("Hide me"), "Ctrl+P", "pause", checkable=True)
        self.virtual_camera = self._make(self.tr("Virtual camera"), "Ctrl+E", checkable=True)
        self.restart = self._make(self.tr("Restart camera and engine"), "Ctrl+Shift+R")
        self.adapt = self._make(self.tr("Adapt to my room…"), "")
        self.quit = self._make(self.tr("Quit"), "Ctrl+Q")
        self.split = self._make(self.tr("Before and after"), "Ctrl+D", "split", checkable=True)
        self.statistics = self._make(self.tr("Statistics"), "Ctrl+I", "statistics", checkable=True)
        self.mirror = self._make(self.tr("Mirror the picture"), "Ctrl+M", checkable=True)
        self.panel = self._make(self.tr("Settings panel"), "F9", "panel", checkable=True)
        self.panel.setChecked(True)
        self.refresh_cameras = self._make(self.tr("Look for cameras again"), "F5", "refresh")
        self.next_background = self._make(self.tr("Next background"), "Ctrl+PgDown")
        self.previous_background = self._make(self.tr("Previous background"), "Ctrl+PgUp")
        self.shortcuts = self._make(self.tr("Keyboard shortcuts"), "F1")
        self.about = self._make(self.tr("About Mattecam"), "")
        self.scenes = [self._scene(number) for number in range(1, SCENE_KEYS + 1)]
        for action, field in (
            (self.virtual_camera, "virtual_camera"),
            (self.split, "split_view"),
            (self.statistics, "show_statistics"),
            (self.mirror, "mirror"),
        ):
            self._bind(action, field)
        self._caption(self.pause, self.tr("Hide me"), self.tr("Show me"))
        self._caption(self.record, self.tr("Record"), self.tr("Stop recording"))
        self._caption(self.snapshot, self.tr("Snapshot"))
        store.changed.connect(self._name_scenes)
        self._name_scenes(store.settings)

    def all(self) -> list[QAction]:
        """Every action, in the order in which they were made."""
        return self.findChildren(QAction)

    def fill(self, bar: QMenuBar) -> None:
        """Lay the actions out as menus."""
        for title, actions in (
            (
                self.tr("&Camera"),
                (
                    self.pause,
                    self.virtual_camera,
                    None,
                    self.record,
                    self.snapshot,
                    None,
                    self.refresh_cameras,
                    self.restart,
                    None,
                    self.adapt,
                    None,
                    self.quit,
                ),
            ),
            (
                self.tr("&Background"),
                (self.add_background, None, self.next_background, self.previous_background, None, *self.scenes),
            ),
            (self.tr("&View"), (self.split, self.statistics, self.mirror, None, self.panel)),
            (self.tr("&Help"), (self.shortcuts, self.about)),
        ):
            menu = bar.addMenu(title)
            for action in actions:
                if action is None:
                    menu.addSeparator()
                else:
                    menu.addAction(action)

    def _caption(self, action: QAction, off: str, on: str = "") -> None:
        """What the action's button says: what a click would do. The menus keep the action's text and a tick."""

        def show() -> None:
            # A style sheet knows no gap between icon and text.
            action.setIconText(f" {on if on and action.isChecked() else off}")

        action.toggled.connect(show)
        show()

    def _make(self, text: str, shortcut: str, icon: str = "", checkable: bool = False, more: str = "") -> QAction:
        action = QAction(text, self)
        action.setAutoRepeat(not checkable)
        action.setCheckable(checkable)
        if shortcut:
            action.setShortcut(QKeySequence(shortcut))
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            action.setToolTip(f"{more or text.rstrip('…')} ({keys})")
        if icon:
            set_icon(action, icon)
            action.setObjectName(icon)
        action.setIconVisibleInMenu(False)
        # Menus alone would leave the shortcuts dead while the menu bar belongs to the system or is hidden.
        self._window.addAction(action)
        return action

    def _scene(self, number: int) -> QAction:
        action = self._make(self.tr("Scene {0}").format(number), f"Ctrl+{number}")
        action.triggered.connect(lambda: self._recall(number - 1))
        return action

    def _recall(self, index: int) -> None:
        names = list(self._store.settings.scenes)
        if index < len(names):
            self._store.recall_scene(names[index])

    def _name_scenes(self, settings: Settings) -> None:
        names = list(settings.scenes)
        for index, action in enumerate(self.scenes):
            action.setVisible(index < len(names))
            if index < len(names):
                action.setText(self.tr("Scene: {0}").format(names[index].replace("&", "&&")))

    def _bind(self, action: QAction, field: str) -> None:
        action.toggled.connect(lambda on: self._store.change(**{field: on}))
        self._store.changed.connect(lambda settings: action.setChecked(getattr(settings, field)))
        action.setChecked(getattr(self._store.settings, field))
