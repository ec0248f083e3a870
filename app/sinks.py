"""Sinks: the set of outputs that are open now, opened, retried and closed on the output thread."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.board import Board
from app.film import Film
from app.output import Output
from app.pulse import Pulse
from app.settings import Settings
from app.slate import OFF, draw_slate
from app.virtual_camera import VirtualCameraOutput
from matting_core.errors import MattecamError, OutputError
from matting_core.frames import Alpha, Image

log = logging.getLogger(__name__)

RETRY_S = 5.0

VirtualFactory = Callable[[tuple[int, int], int, str], Output]


@dataclass(slots=True)
class _Recording:
    path: Path
    film: Film


class Sinks:
    """Fans a canvas out to the virtual camera, to fixed outputs and to a recording.

    The virtual camera is opened once and then kept to the end: a closed loopback device may not open again. Switched
    off in the settings it is sent a slate. must_open: a virtual camera that cannot be opened ends the stage. pulse:
    entered while the virtual camera is fed; a file may be slow, and is waited for.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: int,
        board: Board,
        fixed: tuple[Output | Film, ...] = (),
        must_open: bool = False,
        virtual_factory: VirtualFactory = VirtualCameraOutput,
        pulse: Pulse | None = None,
    ) -> None:
        self._size = size
        self._fps = fps
        self._board = board
        self._fixed = list(fixed)
        self._must_open = must_open
        self._virtual_factory = virtual_factory
        self._pulse = pulse or Pulse()
        self._virtual: Output | None = None
        self._virtual_on = False
        self._retry_at_s = 0.0
        self._recording: _Recording | None = None
        self._told = ""
        self._off_slate = draw_slate(*size, OFF)
        self._tell()

    def refresh(self, settings: Settings) -> None:
        """Open the virtual camera when it is wanted and due for a try."""
        self._virtual_on = settings.virtual_camera
        if not self._virtual_on:
            self._board.clear("virtual-camera")
            self._told = ""
            self._retry_at_s = 0.0
        elif self._virtual is None and time.monotonic() >= self._retry_at_s:
            self._retry_at_s = time.monotonic() + RETRY_S
            try:
                self._virtual = self._virtual_factory(self._size, self._fps, settings.virtual_camera_device)
            except MattecamError as error:
                if self._must_open:
                    raise
                if str(error) != self._told:  # who took the notice down knows it
                    self._told = str(error)
                    self._board.say("virtual-camera", error)
            else:
                self._told = ""
                self._board.clear("virtual-camera")
            self._tell()

    @property
    def take_all(self) -> bool:
        """Whether an output is open that wants every canvas, whoever watches: a recording, or one that `run` named."""
        return bool(self._fixed) or self._recording is not None

    @property
    def virtual_is_on(self) -> bool:
        """Whether the virtual camera is open and shows the picture."""
        return self._virtual is not None and self._virtual_on

    def send(
        self,
        canvas: Image,
        alpha: Alpha | None,
        at_s: float,
        slate: bool = False,
        withheld: Callable[[], bool] = lambda: False,
    ) -> None:
        """Give one canvas to every output. slate: it is one, and the caller's for good.

        withheld: asked before each output, any of which may block; once it says so the rest get nothing. A virtual
        camera or a recording that is lost is closed and told, and the others go on. Raises OutputLost of a fixed one.
        """
        if self._virtual is not None and not withheld():
            shown = (canvas, alpha) if self._virtual_on else (self._off_slate, None)
            try:
                with self._pulse:
                    self._virtual.send(*shown, at_s)
            except OutputError as error:
                self._board.say("virtual-camera", error)
                self._virtual.close()
                self._virtual = None
                self._tell()
        for output in list(self._fixed):
            if not withheld():
                _feed(output, canvas, alpha, at_s, slate)
        if self._recording is not None and not withheld():
            try:
                _feed(self._recording.film, canvas, alpha, at_s, slate)
            except OutputError as error:
                self.stop_recording()
                self._board.say("recording", error)

    def start_recording(self, path: Path) -> None:
        """Begin a new recording; what goes wrong is told on the board."""
        from app.recorder import RecorderOutput  # brings PyAV, which Pipeline.start_recording has loaded

        self.stop_recording()
        try:
            self._recording = _Recording(path, Film(RecorderOutput(path, self._size, self._fps)))
            self._board.clear("recording")
        except MattecamError as error:
            self._board.say("recording", error)
        self._tell()

    def stop_recording(self) -> None:
        """Finish the recording, if there is one."""
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.film.close()
                shown = "" if recording.film.shows_a_picture else " It shows a slate only: no picture was sent."
                self._board.say("recording", f"The recording was saved as {recording.path}.{shown}", "info")
            except OutputError as error:
                log.warning("%s", error)  # where the window is closing nobody reads the board any more
                self._board.say("recording", error)
        self._tell()

    def close(self) -> None:
        """Close every output. Raises OutputLost where the end of a fixed one is lost."""
        if self._recording is not None:
            self.stop_recording()
        lost: OutputError | None = None
        for output in (self._virtual, *self._fixed):
            try:
                if output is not None:
                    output.close()
            except OutputError as error:
                lost = error
        self._virtual, self._fixed = None, []
        self._tell()
        if lost is not None:
            raise lost

    def _tell(self) -> None:
        outputs = (self._virtual, *self._fixed, self._recording.film if self._recording else None)
        self._board.set(
            outputs=tuple(output.name for output in outputs if output is not None),
            recording=str(self._recording.path) if self._recording else "",
        )


def _feed(output: Output | Film, canvas: Image, alpha: Alpha | None, at_s: float, slate: bool) -> None:
    if slate and isinstance(output, Film):
        output.send_slate(canvas, at_s)
    else:
        output.send(canvas, alpha, at_s)
