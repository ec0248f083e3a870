"""The side panel: camera, background and virtual camera first; everything else folded below."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.status import Status
from app.ui.devices import CameraCard, CameraFormatSection, NamedCamera, VirtualCameraCard
from app.ui.gallery import Gallery
from app.ui.jobs import Lane
from app.ui.library import BackgroundLibrary
from app.ui.scenes import ScenesSection
from app.ui.sections import EdgesSection, OutputSection, QualitySection
from app.ui.store import NoticeBoard, SettingsStore

WIDTH = 374
SCROLL_BAR = 10


class Panel(QScrollArea):
    """Scrolls when the window is lower than its content."""

    def __init__(
        self,
        store: SettingsStore,
        board: NoticeBoard,
        library: BackgroundLibrary,
        pictures: Lane,
        devices: Lane,
        list_cameras: Callable[[], Sequence[NamedCamera]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Settings"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedWidth(WIDTH)
        self.camera = CameraCard(store, board, devices, list_cameras)
        self.gallery = Gallery(store, board, library, pictures)
        self.virtual_camera = VirtualCameraCard(store)
        self.scenes = ScenesSection(store)
        self.edges = EdgesSection(store)
        self.quality = QualitySection(store)
        self.format = CameraFormatSection(store)
        self.output = OutputSection(store)
        content = QWidget()
        content.setObjectName("panel")
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 12, 12)
        # The same with and without the scroll bar, so that nothing shifts when it comes.
        content.setFixedWidth(WIDTH - SCROLL_BAR)
        layout.setSpacing(10)
        for part in (
            self.camera,
            self.gallery,
            self.virtual_camera,
            self.scenes,
            self.edges,
            self.quality,
            self.format,
            self.output,
        ):
            layout.addWidget(part)
        layout.addStretch(1)
        self.setWidget(content)

    def show_status(self, status: Status) -> None:
        """Hand the status to the parts that tell something of it."""
        self.camera.show_status(status)
        self.virtual_camera.show_status(status)
        self.quality.show_status(status)
