"""The background gallery: one click chooses what stands behind you; what suits that choice appears below it."""

from functools import partial
from pathlib import Path

import platformdirs
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QListView, QListWidget, QListWidgetItem, QWidget

from app.settings import Settings
from app.shipped_backgrounds import SUFFIXES
from app.ui.backdrop import BackdropOptions
from app.ui.jobs import Lane
from app.ui.library import BackgroundLibrary, LibraryEntry
from app.ui.store import NoticeBoard, SettingsStore
from app.ui.thumbnails import load_thumbnail
from app.ui.tiles import COLUMNS, KIND, PICTURE, SPEC, THUMBNAIL, TILE, TileDelegate
from app.ui.widgets import Card, flat_button
from matting_core.background_spec import DEFAULT_BLUR, parse_spec
from matting_core.pictures import read_image

DEFAULT_COLOUR = "#00b140"


class TileList(QListWidget):
    """A grid of tiles, as high as its content: the panel around it scrolls, not the grid."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setFixedWidth(COLUMNS * TILE.width() + 1)

    def fit(self) -> None:
        rows = -(-self.count() // COLUMNS)
        self.setFixedHeight(rows * TILE.height() + 4)


class Gallery(Card):
    """Shows the library and the four backgrounds that need no file; choosing one sets `background`."""

    added = Signal(str)
    """A file was added; carries its path."""

    def __init__(
        self,
        store: SettingsStore,
        board: NoticeBoard,
        library: BackgroundLibrary,
        lane: Lane,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent=parent)
        self._store, self._board, self._library, self._lane = store, board, library, lane
        self._thumbnails: dict[Path, QImage] = {}
        self._own: dict[str, LibraryEntry] = {}
        self._last_blur, self._last_colour = str(DEFAULT_BLUR), DEFAULT_COLOUR
        self._build()
        self.reload()
        store.changed.connect(self._show)
        self._show(store.settings)

    def _build(self) -> None:
        self.set_title(self.tr("Background"))
        self.body.setContentsMargins(14, 6, 14, 14)  # the buttons make the head high already
        self.add_button = flat_button("add", self.tr("Add a picture or video"))
        self.remove_button = flat_button("remove", self.tr("Move this background to the bin"))
        self.add_button.clicked.connect(self.choose_files)
        self.remove_button.clicked.connect(self.remove_current)
        self.head.addWidget(self.add_button)
        self.head.addWidget(self.remove_button)
        self.tiles = TileList()
        self.tiles.setAccessibleName(self.tr("Backgrounds"))
        self._delegate = TileDelegate(self.tiles)
        self.tiles.setItemDelegate(self._delegate)
        self.tiles.currentItemChanged.connect(self._reached)
        self.tiles.itemClicked.connect(self._chosen)
        self.tiles.installEventFilter(self)
        self.body.addWidget(self.tiles)
        self.options = BackdropOptions(self._store)
        self.body.addWidget(self.options)

    def reload(self) -> None:
        """List the library again and make the thumbnails that are missing."""
        self.tiles.blockSignals(True)
        self.tiles.clear()
        self._own.clear()
        keyed = self.tr("Green, for other programs to key out: a virtual camera has no transparency")
        for text, spec, kind, tip in (
            (self.tr("Blur"), f"blur:{self._last_blur}", "blur", ""),
            (self.tr("Colour"), f"color:{self._last_colour}", "color", ""),
            (self.tr("Transparent"), "transparent", "transparent", keyed),
        ):
            self._add_tile(text, spec, kind).setToolTip(tip)
        for entry in self._library.entries():
            item = self._add_tile(entry.name, str(entry.path), "video" if entry.is_video else "file")
            item.setToolTip(entry.path.name)
            if entry.own:
                self._own[str(entry.path)] = entry
            if entry.path in self._thumbnails:
                item.setData(PICTURE, self._thumbnails[entry.path])
            else:
                self._request_thumbnail(entry)
        self._add_tile(self.tr("None"), "none", "none").setToolTip(self.tr("Your room is visible as it is"))
        self.tiles.fit()
        self.tiles.blockSignals(False)
        self._show(self._store.settings)

    def add_files(self, paths: list[Path]) -> None:
        """Check, copy and list these files; the last one that could be added is chosen."""
        for path in paths:
            self._lane.submit(partial(self._check_and_copy, path), self._added, partial(self._add_failed, path))

    def choose_files(self) -> None:
        """Ask for files without holding up the window."""
        patterns = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
        start = str(platformdirs.user_pictures_path())
        dialog = QFileDialog(self, self.tr("Add backgrounds"), start, self.tr("Pictures and videos") + f" ({patterns})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: self.add_files([Path(name) for name in names]))
        dialog.open()

    def remove_current(self) -> None:
        """Put the chosen background into the bin, if it is the user's own, and choose blur in its place."""
        entry = self._own.get(self._store.settings.background)
        if entry is None:
            return
        # The background goes first: on Windows an open video cannot be deleted, and nobody should be seen without.
        self._store.change(background=f"blur:{self._last_blur}")
        self._lane.submit(
            partial(self._library.remove, entry),
            lambda _: self.reload(),
            lambda error: self._board.post_error("background-remove", error),
        )

    def step(self, by: int) -> None:
        """Choose the next (1) or previous (-1) background, going round and past the one that shows the room."""
        count = self.tiles.count()
        row = next(row for row, item in enumerate(self._items()) if self._is_chosen(item))
        row = (row + by) % count
        if _shows_the_room(self.tiles.item(row)):
            row = (row + by) % count
        self.tiles.setCurrentRow(row)

    def eventFilter(self, watched: object, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if watched is self.tiles and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            current = self.tiles.currentItem()
            if event.key() == Qt.Key.Key_Delete:
                if current is not None and self._is_chosen(current):
                    self.remove_current()
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and current is not None:
                self._chosen(current)  # Qt on macOS has no such key in a list
                return True
            if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
                row = self.tiles.currentRow() + (1 if event.key() == Qt.Key.Key_Right else -1)
                self.tiles.setCurrentRow(max(0, min(self.tiles.count() - 1, row)))
                return True
        return False

    def _add_tile(self, text: str, spec: str, kind: str) -> QListWidgetItem:
        item = QListWidgetItem(text, self.tiles)
        item.setData(SPEC, spec)
        item.setData(KIND, kind)
        return item

    def _request_thumbnail(self, entry: LibraryEntry) -> None:
        ratio = self.devicePixelRatioF()
        size = QSize(round(THUMBNAIL.width() * ratio), round(THUMBNAIL.height() * ratio))
        self._lane.submit(
            lambda: load_thumbnail(entry.path, size, entry.is_video), partial(self._thumbnail_made, entry.path)
        )

    def _thumbnail_made(self, path: Path, image: QImage) -> None:
        self._thumbnails[path] = image
        for item in self._items():
            if item.data(SPEC) == str(path):
                item.setData(PICTURE, image)

    def _check_and_copy(self, path: Path) -> LibraryEntry:
        entry = LibraryEntry(path, own=True)
        if path.suffix.lower() in SUFFIXES:
            load_thumbnail(path, THUMBNAIL, entry.is_video)
            if not entry.is_video:
                read_image(path)  # to its end, as the picture behind the person will be
        return self._library.add(path)

    def _added(self, entry: LibraryEntry) -> None:
        self._store.change(background=str(entry.path))
        self.reload()
        self.added.emit(str(entry.path))

    def _add_failed(self, path: Path, error: Exception) -> None:
        self._board.post_error(f"background-add {path}", error)  # each in a notice of its own: several may be dropped

    def _is_chosen(self, item: QListWidgetItem) -> bool:
        return bool(item.data(SPEC) == self._delegate.chosen)

    def _reached(self, item: QListWidgetItem | None) -> None:
        """Walking over the tiles chooses at once; not to show the room, which takes a click or Enter."""
        if item is not None and not _shows_the_room(item):
            self._chosen(item)

    def _chosen(self, item: QListWidgetItem) -> None:
        self._store.change(background=item.data(SPEC))

    def _show(self, settings: Settings) -> None:
        spec = parse_spec(settings.background)
        if spec.kind == "blur":
            self._last_blur = spec.value
        elif spec.kind == "color":
            self._last_colour = spec.value
        self._delegate.colour = QColor(self._last_colour)
        own = str(Path(settings.background)) in self._own
        self.remove_button.setEnabled(own)
        chosen = None
        for item in self._items():
            kind = item.data(KIND)
            if kind == "blur":
                item.setData(SPEC, f"blur:{self._last_blur}")
            elif kind == "color":
                item.setData(SPEC, f"color:{self._last_colour}")
            if (kind == spec.kind and kind not in ("file", "video")) or item.data(SPEC) == spec.value:
                chosen = item
        if chosen is None:
            chosen = self._add_file_from_elsewhere(Path(spec.value))
        self._delegate.chosen = chosen.data(SPEC)
        self.tiles.blockSignals(True)
        self.tiles.setCurrentItem(chosen)
        self.tiles.blockSignals(False)
        self.tiles.viewport().update()

    def _add_file_from_elsewhere(self, path: Path) -> QListWidgetItem:
        """A file named on the command line or in the settings is shown too, so that the choice is always visible."""
        entry = LibraryEntry(path, own=False)
        item = self._add_tile(entry.name, str(path), "video" if entry.is_video else "file")
        item.setToolTip(str(path))
        self._request_thumbnail(entry)
        self.tiles.fit()
        return item

    def _items(self) -> list[QListWidgetItem]:
        return [self.tiles.item(row) for row in range(self.tiles.count())]


def _shows_the_room(item: QListWidgetItem) -> bool:
    return bool(item.data(KIND) == "none")
