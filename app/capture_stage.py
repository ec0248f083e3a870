"""The capture thread: opens the source while it is wanted, hands its newest frame on, waits for a lost camera."""

import logging
import threading
from typing import Protocol

from app.board import Board
from app.camera import FrameSource
from app.camera_watch import CameraWatch
from app.mailbox import Mailbox
from app.pulse import Pulse
from app.settings import Settings
from app.sources import DemoSource
from app.stats import StatsRecorder
from matting_core.errors import SourceError
from matting_core.frames import Frame

log = logging.getLogger(__name__)

RETRY_S = 1.0
STOP_LOOK_S = 0.2


class SourceOpener(Protocol):
    """What opens a source; see app.camera.open_source."""

    def __call__(self, settings: Settings, *, demo_if_none: bool) -> FrameSource: ...


class CaptureStage:
    """Body of the capture worker. Everything here runs on that worker's thread.

    must_open: a source that cannot be opened at the start ends the stage instead of being waited for. wanted: the
    source is closed while this is not set.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Mailbox[Frame],
        board: Board,
        stats: StatsRecorder,
        must_open: bool,
        opener: SourceOpener,
        wanted: threading.Event,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._board = board
        self._stats = stats
        self._must_open = must_open
        self._opener = opener
        self._wanted = wanted
        self.pulse = Pulse()

    def run(self, stopping: threading.Event) -> None:
        """Deliver frames until told to stop. Raises what makes waiting pointless (wrong use, a bug)."""
        self._board.set(capture="starting")
        never_open = True
        demo_if_none = True  # a camera that was lost must not be replaced by the demo
        while not stopping.is_set():
            if not self._wanted.is_set():
                self._rest(stopping)
                continue
            try:
                source = self._opener(self._settings, demo_if_none=demo_if_none)
            except SourceError as error:
                if self._must_open and never_open:
                    raise
                self._wait_for_camera(error, stopping)
                continue
            never_open = False
            demo_if_none = isinstance(source, DemoSource)
            try:
                self._board.set(capture="running", source=source.description)
                self._board.clear("camera")
                self._deliver(source, stopping)
            except SourceError as error:
                self._wait_for_camera(error, stopping)
            finally:
                source.close()

    def _rest(self, stopping: threading.Event) -> None:
        """Wait, with the camera closed, until somebody wants its picture."""
        self._board.set(capture="resting", source="")
        while not stopping.is_set() and not self._wanted.wait(STOP_LOOK_S):
            pass
        if not stopping.is_set():
            self._board.set(capture="starting")

    def _deliver(self, source: FrameSource, stopping: threading.Event) -> None:
        watch = CameraWatch(self._board, source.live)
        lap = self._stats.lap()
        try:
            while not stopping.is_set() and self._wanted.is_set():
                with self.pulse:
                    frame = source.read()
                lap("capture")
                self._stats.count("captured")
                if watch.passes(frame):
                    self._outbox.put(frame)
                else:
                    self._stats.count("dropped_unmatted")
        finally:
            watch.close()

    def _wait_for_camera(self, error: SourceError, stopping: threading.Event) -> None:
        if stopping.is_set():
            return  # another stage may have taken over already, and tells its own state
        self._board.set(capture="waiting", source="")
        self._board.say("camera", error)
        stopping.wait(RETRY_S)
