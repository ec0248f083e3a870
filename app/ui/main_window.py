"""The main window: the picture with its notices and buttons on the left, the panel on the right."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs
from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QIcon
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QSystemTrayIcon,
    QVBoxLayout,
    QWidget,
)

from app.new_file import new_file
from app.room_recording import sweep
from app.settings import Settings
from app.status import Notice, Status
from app.ui import statistics
from app.ui.actions import Actions
from app.ui.adapting import Adapting
from app.ui.button_bar import ButtonBar
from app.ui.devices import NamedCamera, system_cameras
from app.ui.facade import LivePipeline
from app.ui.focus import chain_focus
from app.ui.help import about_dialog, shortcuts_dialog
from app.ui.icons import refresh_icons
from app.ui.jobs import Lane
from app.ui.library import BackgroundLibrary
from app.ui.notices import NoticeBar
from app.ui.panel import Panel
from app.ui.preview import BADGE_RED, PreviewWidget
from app.ui.store import NoticeBoard, SettingsStore
from app.ui.theme import ASSETS
from app.ui.tray import Tray
from app.ui.widgets import ElidedLabel, is_palette_change
from matting_core.errors import MediaError

PREVIEW_MS, STATUS_MS = 33, 250
LANES_S = 2.0
RECORDING_GRACE_S = 3.0


class MainWindow(QMainWindow):
    """Polls the pipeline and shows it; changes go to it through the store. `ended` comes after the last thread."""

    ended = Signal()

    def __init__(
        self,
        pipeline: LivePipeline,
        settings: Settings,
        notices: Sequence[str] = (),
        library: BackgroundLibrary | None = None,
        list_cameras: Callable[[], Sequence[NamedCamera]] = system_cameras,
    ) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._closing: threading.Thread | None = None
        self._recording_since: float | None = None
        self._recording_wanted: tuple[bool, float] | None = None
        self.board = NoticeBoard(self)
        self.store = SettingsStore(settings, pipeline, self.board, self)
        self._pictures, self._devices = Lane("pictures", self), Lane("devices", self)
        self.actions_ = Actions(self, self.store)
        self.adapting = Adapting(self, self.store)
        self.panel = Panel(
            self.store, self.board, library or BackgroundLibrary(), self._pictures, self._devices, list_cameras
        )
        self._build()
        self._connect()
        for number, text in enumerate(notices):
            self.board.post(Notice(f"start-{number}", "warning", text))
        self.show_status(pipeline.status())

    def _build(self) -> None:
        self.setWindowTitle(self.tr("Mattecam"))
        self.setWindowIcon(QIcon(str(ASSETS / "icon.svg")))
        self.setAcceptDrops(True)
        self.resize(1180, 740)
        self.setMinimumSize(760, 480)
        self.notices = NoticeBar()
        self.preview = PreviewWidget()
        self.status_label = ElidedLabel()
        left = QVBoxLayout()
        left.setSpacing(10)
        left.setContentsMargins(0, 0, 0, 12)
        left.addWidget(self.notices)
        left.addWidget(self.preview, 1)
        actions = self.actions_
        spelt, icons = (
            (actions.pause, actions.record, actions.snapshot),
            (actions.split, actions.statistics, actions.panel),
        )
        self.buttons = ButtonBar(spelt, icons)
        left.addWidget(self.buttons)
        left.addWidget(self.status_label)
        centre = QWidget()
        row = QHBoxLayout(centre)
        row.setContentsMargins(16, 8, 4, 0)
        row.setSpacing(16)
        row.addLayout(left, 1)
        row.addWidget(self.panel)
        self._body = centre
        self.setCentralWidget(centre)
        self.drop_hint = QLabel(self.tr("Drop to add as a background"), centre)
        self.drop_hint.setObjectName("drop")
        self.drop_hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.drop_hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.drop_hint.hide()
        self.actions_.fill(self.menuBar())
        self.tray = Tray(self, self.actions_) if QSystemTrayIcon.isSystemTrayAvailable() else None
        if self.tray:
            self.tray.show()
        chain_focus(centre)

    def _connect(self) -> None:
        actions, gallery = self.actions_, self.panel.gallery
        actions.add_background.triggered.connect(gallery.choose_files)
        actions.next_background.triggered.connect(lambda: gallery.step(1))
        actions.previous_background.triggered.connect(lambda: gallery.step(-1))
        actions.refresh_cameras.triggered.connect(self.panel.camera.refresh)
        actions.restart.triggered.connect(self._pipeline.restart)
        actions.pause.toggled.connect(self._pipeline.pause)
        actions.record.triggered.connect(self._toggle_recording)
        actions.snapshot.triggered.connect(self._take_snapshot)
        actions.panel.toggled.connect(self.panel.setVisible)
        actions.adapt.triggered.connect(self.adapting.open)
        self.adapting.adapted.connect(lambda: self.panel.quality.list_models(self._devices))
        actions.quit.triggered.connect(self.close)
        actions.shortcuts.triggered.connect(lambda: shortcuts_dialog(actions.all(), self).show())
        actions.about.triggered.connect(lambda: about_dialog(self).show())
        self.notices.dismissed.connect(self._dismiss)
        self.board.changed.connect(lambda: self.show_status(self._pipeline.status()))
        self.store.changed.connect(lambda _: chain_focus(self._body))
        self._preview_timer, self._status_timer = QTimer(self), QTimer(self)
        self._preview_timer.timeout.connect(self._poll_preview)
        self._status_timer.timeout.connect(lambda: self.show_status(self._pipeline.status()))

    def start(self) -> None:
        """Start the pipeline, watch it, and look for cameras and models; nothing once the window is being closed."""
        if self.is_closing:
            return
        self._pipeline.start()
        self.show_status(self._pipeline.status())
        self._preview_timer.start(PREVIEW_MS)
        self._status_timer.start(STATUS_MS)
        self._devices.submit(sweep)  # first: a camera's driver may hang
        self.panel.camera.refresh()
        self.panel.quality.list_models(self._devices)
        self.panel.quality.measure.look(self._devices)

    @property
    def is_closing(self) -> bool:
        """Whether the window was closed and only its threads are still being joined."""
        return self._closing is not None

    def show_status(self, status: Status) -> None:
        """Bring everything that tells of the pipeline in line with this status."""
        self.panel.show_status(status)
        self.notices.show_notices((*status.notices, *self.board.notices))
        self.status_label.say(statistics.status_line(status))
        self.preview.say(statistics.headline(status))
        if self.actions_.pause.isChecked() != status.paused:
            self.actions_.pause.setChecked(status.paused)
        self._show_recording(status)
        badges = []
        if status.paused:
            badges.append((self.tr("Hidden: nobody sees you"), BADGE_RED))
        elif self.store.settings.shows_the_room:
            badges.append((self.tr("Your room is visible"), BADGE_RED))
        if self._recording_since is not None:
            minutes, seconds = divmod(int(time.monotonic() - self._recording_since), 60)
            badges.append((f"● {minutes}:{seconds:02}", BADGE_RED))
        self.preview.show_badges(badges)
        shown = self.store.settings.show_statistics
        self.preview.show_overlay(statistics.overlay_texts(status) if shown else ())
        if self.tray:
            self.tray.say(statistics.headline(status))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self.drop_hint.setGeometry(self._body.rect().adjusted(12, 8, -12, -12))
            self.drop_hint.raise_()
            self.drop_hint.show()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        self.drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        self.drop_hint.hide()
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.panel.gallery.add_files(paths)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        super().changeEvent(event)
        if is_palette_change(event):
            refresh_icons(self)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Go at once; the threads are joined behind the scenes, bounded, and `ended` tells when."""
        event.accept()
        if self._closing is not None:
            return
        for timer in (self._preview_timer, self._status_timer):
            timer.stop()
        adapting = self.adapting.close()
        self.panel.quality.measure.close_process()
        if self.tray:
            self.tray.hide()
        for lane in (self._pictures, self._devices):
            lane.close()
        lanes = [self.store.close(), *adapting, self._pictures, self._devices]
        self._closing = threading.Thread(target=self._stop, args=(lanes,), name="mattecam-closing", daemon=True)
        self._closing.start()
        watch = QTimer(self)
        watch.timeout.connect(lambda: self._watch_closing(watch))
        watch.start(20)

    def _stop(self, lanes: list[Lane]) -> None:
        self._pipeline.stop()
        until_s = time.monotonic() + LANES_S
        for lane in lanes:
            lane.join(max(0.2, until_s - time.monotonic()))

    def _watch_closing(self, watch: QTimer) -> None:
        if self._closing is not None and not self._closing.is_alive():
            watch.stop()
            self.ended.emit()

    def _poll_preview(self) -> None:
        on_show = self.isVisible() and not self.isMinimized()
        if not on_show and not self.adapting.is_open:
            return  # whoever asks for previews keeps the camera open
        preview = self._pipeline.preview(self.preview.space)
        if preview is not None:
            self.adapting.offer(preview)
        if preview is not None and on_show:
            self.preview.show_preview(preview)

    def _toggle_recording(self, on: bool) -> None:
        path = self._new_file(platformdirs.user_videos_path(), ".mp4") if on else None
        if path is not None:
            self._pipeline.start_recording(path)
        elif on:
            self.actions_.record.setChecked(False)
            return
        else:
            self._pipeline.stop_recording()
        self._recording_wanted = (on, time.monotonic() + RECORDING_GRACE_S)

    def _take_snapshot(self) -> None:
        path = self._new_file(platformdirs.user_pictures_path(), ".png")
        if path is not None:
            self._pipeline.snapshot(path)

    def _new_file(self, folder: Path, suffix: str) -> Path | None:
        try:
            return new_file(folder, suffix)
        except MediaError as error:
            self.board.post_error("folder", error)
            return None

    def _show_recording(self, status: Status) -> None:
        recording = bool(status.recording)
        if recording and self._recording_since is None:
            self._recording_since = time.monotonic()
        elif not recording:
            self._recording_since = None
        # Starting and stopping take a moment: until the pipeline has followed, the button shows what was asked.
        if self._recording_wanted:
            wanted, until_s = self._recording_wanted
            if wanted != recording and time.monotonic() < until_s:
                return
            self._recording_wanted = None
        self.actions_.record.setChecked(recording)

    def _dismiss(self, key: str) -> None:
        if not self.board.dismiss(key):
            self._pipeline.dismiss(key)
            self.show_status(self._pipeline.status())
