"""SettingsStore: the window's one way to change a setting: validate, apply to the pipeline, save a little later."""

import logging
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.settings import Settings, save
from app.status import Notice
from app.ui.facade import LivePipeline
from app.ui.jobs import Lane
from matting_core.errors import MattecamError

log = logging.getLogger(__name__)
SAVE_AFTER_MS = 500


class NoticeBoard(QObject):
    """What the window itself has to tell, beside the pipeline's own notices: newest last, one per key."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._notices: dict[str, Notice] = {}

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(self._notices.values())

    def post(self, notice: Notice) -> None:
        self._notices.pop(notice.key, None)
        self._notices[notice.key] = notice
        self.changed.emit()

    def post_error(self, key: str, error: Exception) -> None:
        """Say an error in its own words; the chained cause goes to the details."""
        log.debug("%s", key, exc_info=error)
        if isinstance(error, MattecamError):
            cause = error.__cause__
            detail = f"{type(cause).__name__}: {cause}" if cause else ""
            self.post(Notice(key, "error", error.problem, error.mend, detail))
        else:
            problem = self.tr("Something unexpected went wrong.")
            self.post(Notice(key, "error", problem, "", f"{type(error).__name__}: {error}"))

    def dismiss(self, key: str) -> bool:
        """Drop the notice; False if it was not one of these."""
        if self._notices.pop(key, None) is None:
            return False
        self.changed.emit()
        return True


class SettingsStore(QObject):
    """Holds the current snapshot. `changed` carries every new one, whoever changed it, so that widgets follow."""

    changed = Signal(object)

    def __init__(
        self, settings: Settings, pipeline: LivePipeline, board: NoticeBoard, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._saved = settings
        self._pipeline = pipeline
        self._board = board
        self._lane = Lane("save", self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_AFTER_MS)
        self._timer.timeout.connect(self._save)

    @property
    def settings(self) -> Settings:
        return self._settings

    def change(self, **changes: Any) -> None:
        """Set these fields; a value that does not fit becomes a notice, and the widgets go back."""
        try:
            settings = self._settings.changed(**changes)
        except MattecamError as error:
            self._board.post_error("settings-value", error)
            self.changed.emit(self._settings)
            return
        if settings == self._settings:
            return
        self._settings = settings
        self._pipeline.apply(settings)
        self._timer.start()
        self.changed.emit(settings)

    def recall_scene(self, name: str) -> None:
        """Take the looks of a saved scene."""
        self.change(**self._settings.scenes[name].model_dump())

    def save_scene(self, name: str) -> None:
        """Keep the looks of now under that name, in place of an older scene of the same name."""
        self.change(scenes={**self._settings.scenes, name: self._settings.scene()})
        if self._settings.shows_the_room:
            told = self.tr("The scene {0} blurs the background: a scene never shows your room.").format(name)
            self._board.post(Notice("scene", "info", told))

    def delete_scene(self, name: str) -> None:
        self.change(scenes={key: scene for key, scene in self._settings.scenes.items() if key != name})

    def close(self) -> Lane:
        """Hand unsaved changes to the saving thread, and return that thread for the caller to join."""
        self._timer.stop()
        self._save()
        self._lane.close()
        return self._lane

    def _save(self) -> None:
        settings = self._settings
        if settings == self._saved:
            return

        def done(_: None) -> None:
            self._saved = settings
            self._board.dismiss("settings-save")

        def failed(error: Exception) -> None:
            self._board.post_error("settings-save", error)

        self._lane.submit(lambda: save(settings), done, failed)
