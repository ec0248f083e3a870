"""VideoLoop: an endless sequence of pictures from a video file, each with the time at which it is due."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from matting_core.errors import MediaError
from matting_core.frames import Image
from matting_core.video_decode import UNREADABLE, FrameTimes, decoded, frame_rate, open_video, pixel_aspect, to_bgr


class VideoLoop:
    """Decodes a video over and over, on the caller's thread. `fps` is the file's own rate; `fit` shapes each picture.

    Raises MediaError where the file is missing, is not a video, or yields no picture.
    """

    def __init__(self, path: Path, fit: Callable[[Image], Image] = lambda image: image) -> None:
        self.path = path
        self._fit = fit
        self._offset_s = 0.0
        self._end_s = 0.0
        self._container: Any
        self._container, self._stream = open_video(path)
        self.fps = float(frame_rate(self._stream))
        self._frames = self._decode_once()
        self._first: tuple[Image, float] | None = self._pull()
        if self._first is None:
            self.close()
            raise MediaError(f"The video {path} has no readable picture.", "Choose another file.")

    def next(self) -> tuple[Image, float]:
        """The next picture (uint8 H×W×3 BGR, upright, fitted) and its due time in seconds since the first.

        Raises MediaError when the file can no longer be decoded at all.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        item = self._pull()
        if item is None:
            self._rewind()
            item = self._pull()
        if item is None:
            raise MediaError(f"The video {self.path} can no longer be read.", "Choose another file.")
        return item

    def close(self) -> None:
        """Free the file. Safe to call twice."""
        self._container.close()

    def _pull(self) -> tuple[Image, float] | None:
        try:
            return next(self._frames)
        except (StopIteration, MediaError):
            # A damaged tail ends the round; what came before is still good to loop.
            return None

    def _decode_once(self) -> Iterator[tuple[Image, float]]:
        times, aspect = FrameTimes(self._container, self._stream), pixel_aspect(self._stream)
        frames = (
            (to_bgr(frame, aspect), times.next(frame), frame.duration or times.step)
            for frame in self._container.decode(self._stream)
        )
        start: int | None = None
        for image, stamp, lasts in decoded(frames, self.path):
            start = stamp if start is None else start
            yield self._fit(image), self._offset_s + float((stamp - start) * self._stream.time_base)
            self._end_s = self._offset_s + float((stamp - start + lasts) * self._stream.time_base)

    def _rewind(self) -> None:
        self._offset_s = self._end_s
        try:
            self._container.seek(0)
        except UNREADABLE:
            self._container.close()
            self._container, self._stream = open_video(self.path)
        self._frames = self._decode_once()
