"""AheadLoop: a VideoLoop whose pictures are decoded and fitted ahead, on a thread of their own."""

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from matting_core.errors import MediaError
from matting_core.frames import Image

log = logging.getLogger(__name__)

AHEAD = 4


class AheadLoop:
    """A PictureLoop that never makes its caller wait, so that a slow disk cannot hold up the output.

    The first picture is decoded on construction, which raises MediaError as VideoLoop does. on_broken: told, on the
    decoding thread, that no more pictures come; the last one stays.
    """

    def __init__(
        self, path: Path, fit: Callable[[Image], Image], on_broken: Callable[[MediaError], None] = lambda _error: None
    ) -> None:
        from matting_core.video_loop import VideoLoop  # brings PyAV

        self._on_broken = on_broken
        self._loop = VideoLoop(path, fit)
        self._ready: queue.Queue[tuple[Image, float]] = queue.Queue(AHEAD)
        self._ready.put(self._loop.next())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._decode, name="mattecam-background-video", daemon=True)
        self._thread.start()

    def next(self) -> tuple[Image, float] | None:
        """The next picture and its due time in seconds, or None while the decoder is behind."""
        try:
            return self._ready.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Stop decoding and free the file. Safe to call twice."""
        self._stopping.set()
        self._thread.join()

    def _decode(self) -> None:
        try:
            while not self._stopping.is_set():
                self._hand_over(self._loop.next())
        except MediaError as error:
            log.info("%s Its last picture stays.", error)
            self._on_broken(error)
        finally:
            self._loop.close()

    def _hand_over(self, item: tuple[Image, float]) -> None:
        while not self._stopping.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
