"""Opens the chosen background off the output thread, and keeps the one in use until the next is ready."""

import logging
import threading

from app.ahead_loop import AheadLoop
from app.board import Board
from app.settings import Settings
from matting_core.background import Background, open_background
from matting_core.background_spec import parse_spec
from matting_core.errors import MattecamError
from matting_core.fit import FitMode

log = logging.getLogger(__name__)

Key = tuple[str, FitMode]


class BackgroundLoader:
    """Answers, once a frame, with the background to use. Its methods are called on the output thread only.

    Until a new choice is open the old one stays in use, except 'none': who leaves it must not be seen in their room
    for one more frame, so there the answer is None, which means a slate. A file that cannot be opened leaves the
    old choice in use likewise and is told on the board.
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
        if self._thread is None and self._wanted != self._tried:
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
        self._thread = threading.Thread(target=self._open, args=(key,), name="mattecam-background", daemon=True)
        self._thread.start()

    def _open(self, key: Key) -> None:
        spec_text, fit = key
        opened: Background | None = None
        try:
            opened = open_background(parse_spec(spec_text), *self._size, fit, open_loop=AheadLoop)
            self._board.clear("background")
        except MattecamError as error:
            self._board.say("background", error)
        except Exception as error:
            log.debug("background", exc_info=True)
            self._board.say(
                "background", f"The background {spec_text} cannot be shown ({error}).", mend="Choose another."
            )
        with self._lock:
            self._loaded = (key, opened)

    def _adopt(self) -> None:
        with self._lock:
            loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        self._thread = None
        key, background = loaded
        if background is None:
            return
        if key != self._wanted:
            background.close()
            return
        self._drop()
        self._current, self._current_spec = background, key[0]

    def _drop(self) -> None:
        if self._current is not None:
            self._current.close()
        self._current, self._current_spec = None, ""
