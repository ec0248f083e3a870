"""Opens the chosen background off the output thread, and keeps the one in use until the next is ready."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.ahead_loop import AheadLoop
from app.board import Board
from app.settings import Settings
from matting_core.background import Background, open_background
from matting_core.background_spec import parse_spec
from matting_core.errors import MattecamError, MediaError
from matting_core.fit import FitMode
from matting_core.frames import Image

log = logging.getLogger(__name__)

RETRY_S = 5.0
STAND_IN = "color:#3b4252"
"""Instead of a background that cannot be opened, where there is none before it: it hides the room, too."""

Key = tuple[str, FitMode]


class BackgroundLoader:
    """Answers, once a frame, with the background to use. Its methods are called on the output thread only.

    Until a new choice is open the old one stays in use, except 'none': who leaves it must not be seen in their room
    for one more frame, so there the answer is None, which means a slate. A file that cannot be opened leaves the
    old choice in use likewise, or STAND_IN, is told on the board, and is tried again every RETRY_S seconds; so is a
    video that breaks while it plays.
    """

    def __init__(self, width: int, height: int, board: Board) -> None:
        self._size = (width, height)
        self._board = board
        self._wanted: Key | None = None
        self._tried: Key | None = None
        self._current: Background | None = None
        self._current_spec = ""
        self._lock = threading.Lock()
        self._loaded: tuple[Key, Background | None] | None = None
        self._thread: threading.Thread | None = None
        self._retry_at_s: float | None = None
        self._told: tuple[Key, str] | None = None

    @property
    def spec(self) -> str:
        """The SPEC of the background that `current` answered with."""
        return self._current_spec

    def current(self, settings: Settings) -> Background | None:
        """The background to composite on now, or None where only a slate is safe."""
        wanted = (settings.background, settings.fit)
        if wanted != self._wanted:
            self._wanted = wanted
            if self._current_spec == "none":
                self._drop()
        self._adopt()
        due = self._retry_at_s is not None and time.monotonic() >= self._retry_at_s
        if self._thread is None and (due or self._wanted != self._tried):
            self._load(self._wanted)
        return self._current

    def close(self) -> None:
        """Free the background, and wait for one that is being opened."""
        if self._thread is not None:
            self._thread.join()
        self._adopt()
        self._drop()

    def _load(self, key: Key) -> None:
        self._tried = key
        self._retry_at_s = None
        self._thread = threading.Thread(target=self._open, args=(key,), name="mattecam-background", daemon=True)
        self._thread.start()

    def _open(self, key: Key) -> None:
        spec_text, fit = key

        def ahead(path: Path, fitted: Callable[[Image], Image]) -> AheadLoop:
            return AheadLoop(path, fitted, lambda error: self._failed(key, error))

        opened: Background | None = None
        try:
            opened = open_background(parse_spec(spec_text), *self._size, fit, open_loop=ahead)
            self._told = None
            self._board.clear("background")
        except MattecamError as error:
            self._failed(key, error, opening=True)
        except Exception as error:
            log.debug("background", exc_info=True)
            told = MediaError(f"The background {spec_text} cannot be shown ({error}).", "Choose another background.")
            told.__cause__ = error
            self._failed(key, told, opening=True)
        with self._lock:
            self._loaded = (key, opened)

    def _failed(self, key: Key, error: MattecamError, opening: bool = False) -> None:
        """Tell it, once for each file and fault, and try again later. Called on a loading or decoding thread."""
        if key != self._wanted:
            return
        self._retry_at_s = time.monotonic() + RETRY_S
        if self._told != (key, error.problem):
            self._told = (key, error.problem)
            if opening and (self._current is None or self._current_spec == STAND_IN):
                error.mend = f"{error.mend} Until it can be shown, a plain colour stands in.".lstrip()
            self._board.say("background", error)

    def _adopt(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        self._thread = None
        key, background = loaded
        if background is None:
            if self._current is None:
                self._current = open_background(parse_spec(STAND_IN), *self._size)
                self._current_spec = STAND_IN
            return
        if key != self._wanted:
            background.close()
            return
        self._drop()
        self._current, self._current_spec = background, key[0]
        if self._current_spec == "none":
            self._board.say("room", "Your room is shown as it is.", "warning", "Choose a background to hide it.")

    def _drop(self) -> None:
        if self._current is not None:
            self._current.close()
        if self._current_spec == "none":
            self._board.clear("room")
        self._current, self._current_spec = None, ""
