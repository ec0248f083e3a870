"""RecorderOutput: canvases into an H.264 MP4 or MKV file that stays playable whatever ends the program."""

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from app.output import NodeWatch, check_canvas
from matting_core.errors import OutputError, OutputLost, UsageError
from matting_core.frames import Alpha, Image

TICKS = 90_000
"""Time base of the file: ticks a second."""
KEY_EVERY_S = 1.0
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mkv": "matroska"}
# A fragment is written at every key frame, and the index in front of it: what was written before a crash plays.
_MUXER = {
    "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"},
    "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
}
# zerolatency: no frames held back, so a crash loses no more than the last fragment.
_ENCODER = {"preset": "superfast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"}
_HEAD_BYTES = 16384  # more than a fragment's head takes: 8 bytes a frame, and little else
_LIMITED, _BT709, _SRGB, _BT601 = 1, 1, 13, 6  # codes of H.264's colour description (ITU-T H.273)


class RecorderOutput:
    """Writes canvases with their real times (variable frame rate) to a new file.

    Unlike every other file of the app it is written in place, not beside and renamed: it has to survive a crash.
    The picture is yuv420p, BT.601 limited range, tagged as such.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: int) -> None:
        """path: .mp4 or .mkv, must not exist. size: (width, height), both even. Raises OutputError, UsageError."""
        width, height = size
        if width % 2 or height % 2:
            raise UsageError(f"A recording cannot be {width}×{height}.", "Choose an even width and height.")
        kind = FORMATS.get(path.suffix.lower())
        if kind is None:
            raise UsageError(f"A recording cannot be written as '{path.name}'.", "End the name with .mp4 or .mkv.")
        self.name = path.name
        self._path = path.absolute()
        self._size = size
        self._i420 = np.empty((height * 3 // 2, width), np.uint8)
        self._first_s: float | None = None
        self._last_tick = -1
        self._key_tick = 0
        self._lost = False
        self._disk = _Disk(self._path, in_fragments=kind == "mp4")
        try:
            self._container: OutputContainer | None = av.open(self._disk, "w", format=kind, options=_MUXER[kind])
            self._stream = _add_stream(self._container, size, fps)
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            with contextlib.suppress(OSError):
                self._disk.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
            raise OutputError(f"The recording {path} cannot be started ({_reason(error)}).", _MEND) from error
        self._watch = NodeWatch(self._path)

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Encode one canvas at its time; alpha is not kept. Raises OutputLost; what was written stays playable."""
        check_canvas(canvas, self._size)
        if self._container is None:
            raise OutputLost(f"The recording {self.name} is closed.", _MEND)
        if self._watch.is_gone():
            raise OutputLost(f"The recording {self.name} was deleted or moved while it was being written.", _MEND)
        frame = self._frame(canvas, at_s)
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            self._lost = True
            raise OutputLost(f"The recording {self.name} cannot continue ({_reason(error)}).", _MEND) from error

    def close(self) -> None:
        """Write what is left and close the file. Safe to call twice.

        Raises OutputLost where the end cannot be written, unless `send` has told that it cannot go on.
        """
        container, self._container = self._container, None
        if container is None:
            return
        try:
            with contextlib.closing(self._disk), contextlib.closing(container):
                container.mux(self._stream.encode(None))
        except (av.error.FFmpegError, OSError) as error:
            if not self._lost:
                raise OutputLost(
                    f"The end of the recording {self.name} could not be written ({_reason(error)}).", _MEND
                ) from error

    def _frame(self, canvas: Image, at_s: float) -> av.VideoFrame:
        if self._first_s is None:
            self._first_s = at_s
        cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420, dst=self._i420)
        frame = av.VideoFrame.from_ndarray(self._i420, format="yuv420p")
        # Players want times that grow; two canvases of one moment become neighbours.
        tick = max(round((at_s - self._first_s) * TICKS), self._last_tick + 1)
        if self._last_tick < 0 or tick - self._key_tick >= KEY_EVERY_S * TICKS:
            frame.pict_type = PictureType.I
            self._key_tick = tick
        frame.pts = self._last_tick = tick
        frame.time_base = Fraction(1, TICKS)
        return frame


_MEND = "Free up disk space, or choose another folder or a shorter name; then start a new recording."


class _Disk:
    """A new file for FFmpeg to write: a write is whole or an error, also the last ones, whose errors FFmpeg keeps."""

    def __init__(self, path: Path, in_fragments: bool) -> None:
        """Create the empty file, or fail if anything of that name exists: nothing is ever overwritten."""
        self._in_fragments = in_fragments
        self._torn = False
        try:
            self._file = path.open("x+b", buffering=0)
        except FileExistsError as error:
            raise OutputError(
                f"{path} already exists.", "Choose another name; recordings never overwrite a file."
            ) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.isdir(path.parent):  # noqa: PTH112 - Path's raises
                raise OutputError(
                    f"The folder {path.parent} for {path.name} does not exist.", "Create it, or choose another folder."
                ) from error
            raise OutputError(f"The recording {path} cannot be created ({error.strerror}).", _MEND) from error

    @property
    def closed(self) -> bool:
        """Whether it is closed; PyAV asks before it writes an end."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Write all of it. Raises OSError."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._torn = True
            raise
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file. PyAV takes a file without it for one that cannot be sought in."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file. Raises OSError.

        After a write that failed, the last fragment of an MP4 is cut off if its head is torn: players refuse a whole
        file for that. One with torn pictures stays, as it plays up to there.
        """
        with self._file as file:
            if self._torn and self._in_fragments:
                end = file.seek(0, os.SEEK_END)
                start = file.seek(max(0, end - _HEAD_BYTES))
                tail = file.read()
                head = tail.rfind(b"moof") - 4  # a box: its size, its name, what it holds
                if head >= 0 and len(tail) < head + int.from_bytes(tail[head : head + 4]) <= head + _HEAD_BYTES:
                    file.truncate(start + head)


def _add_stream(container: OutputContainer, size: tuple[int, int], fps: int) -> VideoStream:
    stream: VideoStream = container.add_stream("libx264", rate=fps, options=_ENCODER)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.time_base = Fraction(1, TICKS)
    codec.gop_size = max(1, round(2 * KEY_EVERY_S * fps))
    codec.color_range, codec.color_primaries, codec.color_trc, codec.colorspace = _LIMITED, _BT709, _SRGB, _BT601
    return stream


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
