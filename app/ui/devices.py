"""The two devices of a call: the camera that is read, and the virtual camera that the call sees."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import platformdirs
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QWidget

from app.settings import Settings
from app.status import Status
from app.ui.bindings import bind_button, bind_combo, fill_combo
from app.ui.jobs import Lane
from app.ui.store import NoticeBoard, SettingsStore
from app.ui.widgets import Card, Combo, MutedLabel, Section, Switch, flat_button, labelled
from matting_core.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

CAMERA_SIZES = ("640x360", "640x480", "1280x720", "1920x1080", "2560x1440", "3840x2160")
CAMERA_RATES = (15, 24, 25, 30, 50, 60)
CHOOSE_FILE = object()


class NamedCamera(Protocol):
    """What the choice needs of a camera; app.camera_list.CameraInfo has it."""

    @property
    def name(self) -> str: ...

    @property
    def virtual(self) -> bool: ...


def system_cameras() -> Sequence[NamedCamera]:
    """The cameras of this machine; slow on some systems, so never called on the window's thread."""
    from app.camera_list import list_cameras

    return list_cameras()


class CameraCard(Card):
    """Which camera, and whether the picture is mirrored."""

    def __init__(
        self,
        store: SettingsStore,
        board: NoticeBoard,
        lane: Lane,
        list_cameras: Callable[[], Sequence[NamedCamera]] = system_cameras,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._store, self._board, self._lane, self._list_cameras = store, board, lane, list_cameras
        self._names: list[str] = []
        self.set_title(self.tr("Camera"))
        self.camera = Combo()
        self.camera.setAccessibleName(self.tr("Camera"))
        self.refresh_button = flat_button("refresh", self.tr("Look for cameras again"))
        self.refresh_button.clicked.connect(self.refresh)
        row = QHBoxLayout()
        row.addWidget(self.camera, 1)
        row.addWidget(self.refresh_button)
        self.body.addLayout(row)
        self.source = MutedLabel()
        self.body.addWidget(self.source)
        self.mirror = Switch(self.tr("Mirror the picture"))
        self.mirror.setToolTip(self.tr("Others see it mirrored, too"))
        bind_button(store, self.mirror, "mirror")
        self.body.addWidget(self.mirror)
        self.camera.activated.connect(self._chosen)
        store.changed.connect(self._show)
        self._show(store.settings)

    def refresh(self) -> None:
        """List the cameras again, off the window's thread."""
        self.refresh_button.setEnabled(False)
        self._lane.submit(self._list_cameras, self._listed, self._not_listed)

    def show_status(self, status: Status) -> None:
        """Say what the camera really gives, or why it gives nothing: the line is never empty, so nothing jumps."""
        states = {
            "starting": self.tr("Opening…"),
            "waiting": self.tr("Waiting for the camera"),
            "resting": self.tr("Closed while nobody is watching"),
        }
        no_break = status.source.replace(" fps", "\u00a0fps")
        self.source.say(no_break or states.get(status.capture, self.tr("Not running")))

    def _listed(self, cameras: Sequence[NamedCamera]) -> None:
        self.refresh_button.setEnabled(True)
        # Reading our own virtual camera, or another program's, would put a picture into itself.
        self._names = [camera.name for camera in cameras if not camera.virtual]
        self._show(self._store.settings)

    def _not_listed(self, error: Exception) -> None:
        self.refresh_button.setEnabled(True)
        self._board.post_error("camera-list", error)

    def _show(self, settings: Settings) -> None:
        items: list[tuple[str, object]] = [(self.tr("Automatic"), "auto")]
        items += [(name, name) for name in self._names]
        items += [(self.tr("Demo (no camera needed)"), "demo")]
        if settings.camera not in [value for _, value in items]:
            items.append((settings.camera, settings.camera))
        items.append((self.tr("Picture or video file…"), CHOOSE_FILE))
        fill_combo(self.camera, items, settings.camera)

    def _chosen(self, index: int) -> None:
        value = self.camera.itemData(index)
        if value is not CHOOSE_FILE:
            self._store.change(camera=value)
            return
        self._show(self._store.settings)
        dialog = QFileDialog(self, self.tr("Use a file as the camera"), str(platformdirs.user_videos_path()))
        patterns = " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        dialog.setNameFilter(self.tr("Pictures and videos") + f" ({patterns})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self._store.change(camera=name))
        dialog.open()


class CameraFormatSection(Section):
    """The size, rate and transport asked of the camera."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.set_title(self.tr("Camera format"))
        self.frame_size, self.rate = Combo(), Combo()
        fill_combo(
            self.frame_size, [(size.replace("x", "×"), size) for size in CAMERA_SIZES], store.settings.camera_size
        )
        fill_combo(self.rate, [(f"{rate} fps", rate) for rate in CAMERA_RATES], store.settings.camera_fps)
        bind_combo(store, self.frame_size, "camera_size")
        bind_combo(store, self.rate, "camera_fps")
        self.mjpeg = Switch(self.tr("Compressed transfer (MJPEG)"))
        bind_button(store, self.mjpeg, "camera_mjpeg")
        for row in (labelled(self.tr("Size"), self.frame_size), labelled(self.tr("Frame rate"), self.rate), self.mjpeg):
            self.body.addWidget(row)
        note = self.tr("A camera may deliver something else; what it delivers is shown under its name.")
        self.body.addWidget(MutedLabel(note))


class VirtualCameraCard(Card):
    """On or off, and the name to look for in the call."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self.setAccessibleName(self.tr("Virtual camera"))
        self.switch = Switch(self.tr("Virtual camera"))
        font = self.switch.font()
        font.setWeight(font.Weight.DemiBold)
        self.switch.setFont(font)
        bind_button(store, self.switch, "virtual_camera")
        self.device = MutedLabel()
        self.body.addWidget(self.switch)
        self.body.addWidget(self.device)

    def show_status(self, status: Status) -> None:
        """Name the device, or say why there is none."""
        recording = Path(status.recording).name
        names = [name for name in status.outputs if name != recording]
        if not self._store.settings.virtual_camera:
            self.device.say(self.tr("Off. Video calls cannot see you."))
        elif names:
            self.device.say(self.tr("In your call, choose the camera “{0}”.").format(", ".join(names)))
        elif status.output in ("starting", "running"):
            self.device.say(self.tr("Not connected."))
        else:
            self.device.say("")
