"""One door for video files, and one rule for turning a frame into a picture: its own colour matrix, upright, BGR."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace

from matting_core.errors import MediaError
from matting_core.frames import Image
from matting_core.inputs import check_readable

HD_HEIGHT = 720
"""From this height on untagged video is BT.709, below it BT.601, as players assume."""
LARGEST_FRAME = 1 << 26
"""Pixels of a frame that is still decoded, about 67 million: twice 8K."""
NEARLY_SQUARE, WIDEST_PIXEL = 0.02, 4
FALLBACK_FPS = 25
FASTEST_FPS = 1000

_TAGS = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}
# Containers of pictures only: a playlist or a script of FFmpeg's could name other files, and addresses.
_CONTAINERS = (
    "mov,mp4,matroska,webm,avi,gif,apng,webp_pipe,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,ogg,flv,asf,mxf,nut,dv,"
    "yuv4mpegpipe,wav,mp3,flac"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
# Besides FFmpeg's own errors: what a file's odd values make PyAV raise while it turns them into Python's.
UNREADABLE = (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, MemoryError)


def open_video(path: Path) -> tuple[Any, Any]:
    """The av container of a video file and its picture stream, neither of which can reach another file.

    Raises MediaError for what is missing, not a regular file, or not a video.
    """
    check_readable(path)
    container = None
    try:
        # Named by the protocol, or 'http:…' would be an address, and a plain 'a:b.mp4' not a file.
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
        stream: Any = container.streams.best("video")  # not a cover picture
        if stream is None or stream.codec_context is None:
            raise ValueError("no known codec")
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(LARGEST_FRAME)}
        if not stream.time_base:
            raise ValueError("no time base")
    except UNREADABLE as error:
        if container is not None:
            container.close()
        raise MediaError(
            f"The file {path} is not a readable video.",
            "Choose another file, or download or record it again if it was cut off.",
        ) from error
    return container, stream


class FrameTimes:
    """The time of each frame of a stream, in its time base, in the order in which they are decoded: always growing.

    A frame without a time, or with one that does not grow, comes `step` after the one before: 1 / the mean rate.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.step = max(1, round(1 / (frame_rate(stream) * stream.time_base)))
        # AVI has no times of its own: where frames refer to later ones, only those of decoding are in order.
        self._of_decoding = container.format.name == "avi"
        self._start = stream.start_time or 0
        self._delay: int | None = None
        self._last: int | None = None

    def next(self, frame: Any) -> int:
        """That of the next decoded frame."""
        time = frame.dts if self._of_decoding else frame.pts
        if time is not None and self._of_decoding:
            if self._delay is None:
                self._delay = time - self._start  # of the decoder, before its first picture
            time -= self._delay
        if time is None or (self._last is not None and time <= self._last):
            time = self._start if self._last is None else self._last + self.step
        self._last = time
        return int(time)


def frame_rate(stream: Any) -> Fraction:
    """A stream's mean rate in frames a second; FALLBACK_FPS where it gives none, or one that no video has."""
    rate = Fraction(stream.average_rate or FALLBACK_FPS)
    return rate if 0 < rate <= FASTEST_FPS else Fraction(FALLBACK_FPS)


def decoded(frames: Iterator[Any], path: Path) -> Iterator[Any]:
    """The same frames, with everything that a damaged file makes the decoder raise turned into MediaError."""
    try:
        yield from frames
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise MediaError(
            f"The video {path} is damaged ({reason}).", "Repair it, or cut the damaged part off."
        ) from error


def colour_matrix(tag: int, height: int) -> Colorspace:
    """The YUV matrix of a frame with the stream's colour tag (ISO/IEC 23091-2 matrix coefficients) and height."""
    return _TAGS.get(tag, Colorspace.ITU709 if height >= HD_HEIGHT else Colorspace.ITU601)


def pixel_aspect(stream: Any) -> float:
    """How much wider than high the stream's pixels are; 1 where it is nearly that, or is what no video has."""
    aspect = float(stream.sample_aspect_ratio or 1)
    odd = abs(aspect - 1) < NEARLY_SQUARE or not 1 / WIDEST_PIXEL <= aspect <= WIDEST_PIXEL
    return 1.0 if odd else aspect


def to_bgr(frame: Any, aspect: float = 1.0) -> Image:
    """A decoded av.VideoFrame as a new picture: uint8 H×W×3 BGR, turned as its rotation metadata says.

    aspect: of its pixels; the picture's are square. Raises what `decoded` translates.
    """
    width = max(1, round(frame.width * aspect))
    if width * frame.height > LARGEST_FRAME:
        raise ValueError("the frame has too many pixels")
    matrix = colour_matrix(int(frame.colorspace), frame.height)
    # More threads would be started for every frame, which takes longer than they save.
    image: Image = frame.reformat(width=width, format="bgr24", src_colorspace=matrix, threads=1).to_ndarray()
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
