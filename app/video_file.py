"""Video files for `process`: frames with their times in, frames with the same times and the old sound out."""

import errno
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from app.settings import even
from matting_core.errors import MediaError, UsageError
from matting_core.frames import Array, Image
from matting_core.suffixes import VIDEO_SUFFIXES
from matting_core.video_decode import (
    UNREADABLE,
    FrameTimes,
    colour_matrix,
    decoded,
    frame_rate,
    open_video,
    pixel_aspect,
    to_bgr,
)

log = logging.getLogger(__name__)

FILM_SUFFIXES = VIDEO_SUFFIXES - {".gif", ".avi"}
"""The suffixes of videos that can be written: H.264 does not go into a GIF, nor do a film's own times into an AVI."""
COPIED_SOUND = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    ".m4v": {"aac", "ac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "alac"},
    ".webm": {"opus", "vorbis"},
}
"""The codecs of sound that a format takes as they are and players expect there; .mkv takes nearly any."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
SOUND_GAP_S = 0.1
NARROW = 32
"""Pixels in a row below which FFmpeg, which reads several at once, may read more than there are: measured, with room
(of BGRA it did below 16)."""
CUT_S = 0.5
"""A film that ends so much before the time that its file gives was cut short."""
RGB_CODECS = {".webm": "libvpx-vp9"}
UNTAGGED, LIMITED_RANGE = 2, 1
COLOUR_CODES = {Colorspace.ITU709: 1, Colorspace.ITU601: 6}
"""Codes of ISO/IEC 23091-2, the same for matrix, primaries and transfer."""
CODEC_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "16", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "28", "b:v": "0", "row-mt": "1", "cpu-used": "4"},
    "ffv1": {"level": "3"},
}


def keeps_film_alpha(path: Path) -> bool:
    """Whether a video of this suffix keeps transparency."""
    return path.suffix.lower() == ".webm"


class VideoReader:
    """A video file, read once from start to end. Raises MediaError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container: Any
        self.stream: Any
        self._container, self.stream = open_video(path)
        self.audio: Any = next((sound for sound in self._container.streams.audio if sound.codec_context), None)
        self.frames: int = self.stream.frames
        """How many frames the file says it has; 0 if it does not say."""
        self.rate = frame_rate(self.stream)
        self._aspect = pixel_aspect(self.stream)
        self._ends_s = 0.0

    @property
    def silenced(self) -> str:
        """What of the file's sound is left out, for people; empty if nothing is."""
        tracks = len(self._container.streams.audio)
        if tracks and self.audio is None:
            return f"The sound of {self.path} is left out: its codec is not known here."
        return f"Of the {tracks} sound tracks of {self.path} only one is kept." if tracks > 1 else ""

    @property
    def missing(self) -> str:
        """What is missing at the end of a file that has been read, for people; empty if nothing is known to be.

        A file's length is that of its longest stream, so where it gives no other, more streams than one say nothing.
        """
        film, lengths_s = self._container, []
        if self.stream.duration:
            lengths_s.append(float(self.stream.duration * self.stream.time_base))
        if film.duration and (len(film.streams) == 1 or "mp4" in film.format.name):  # an MP4's heeds its cuts
            lengths_s.append(film.duration / av.time_base)
        promised_s = min(lengths_s, default=0.0)
        counts_from_0 = "matroska" in film.format.name
        begins_s = 0.0 if counts_from_0 else float((self.stream.start_time or 0) * self.stream.time_base)
        lasted_s = self._ends_s - begins_s
        if promised_s - lasted_s < CUT_S:
            return ""
        return f"The video {self.path} ends after {lasted_s:.1f} of {promised_s:.1f} s; the rest of it is missing."

    def read(self) -> Iterator[tuple[list[Any], tuple[Image, int] | None]]:
        """In the file's own order: packets of sound, and the picture after them with its time in stream.time_base.

        None stands for a picture after the last one, if there is still sound. Pictures are uint8 H×W×3 BGR, upright.
        Raises MediaError for a file that breaks off.
        """
        return decoded(self._read(), self.path)

    def _read(self) -> Iterator[tuple[list[Any], tuple[Image, int] | None]]:
        sound: list[Any] = []
        streams = [self.stream] if self.audio is None else [self.stream, self.audio]
        times = FrameTimes(self._container, self.stream)
        for packet in self._container.demux(*streams):
            if packet.stream is self.audio:
                if packet.dts is not None:
                    sound.append(packet)
                continue
            for frame in packet.decode():
                stamp = times.next(frame)
                self._ends_s = float((stamp + max(frame.duration or 0, times.step)) * self.stream.time_base)
                yield sound, (to_bgr(frame, self._aspect), stamp)
                sound = []
        if sound:
            yield sound, None

    def close(self) -> None:
        """Free the file. Safe to call twice."""
        self._container.close()


class VideoWriter:
    """Writes H.264 (VP9 for .webm) with the sound of `reader`; or, for 'gray' pixels, mattes without sound.

    pixels: 'bgr24', 'bgra' (kept by .webm only, see `keeps_film_alpha`) or 'gray'. Mattes are lossless FFV1 in .mkv and
    H.264 elsewhere. Odd sides lose one row or column where the codec has no odd sizes. name: what errors call the file,
    if it is to have another one. Raises MediaError.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        reader: VideoReader,
        pixels: str = "bgr24",
        name: Path | None = None,
    ) -> None:
        self.path = path
        self._name = name or path
        self._sound_due: int | None = None
        self._reformatter = VideoReformatter()
        self._pixels = pixels
        self._lossless = pixels == "gray" and path.suffix.lower() == ".mkv"
        self._size = size if self._lossless else even(*size)
        if min(self._size) < 2:
            raise UsageError(f"A video of {size[0]}x{size[1]} cannot be written.", "Use a larger size.")
        self._matrix = colour_matrix(UNTAGGED, self._size[1])
        self._encoded = "gray" if self._lossless else "yuva420p" if pixels == "bgra" else "yuv420p"
        codec = "ffv1" if self._lossless else RGB_CODECS.get(path.suffix.lower(), "libx264")
        try:
            self._container: Any = av.open(f"file:{path}", "w")
            stream: Any = self._container.add_stream(codec, rate=reader.rate, options=CODEC_OPTIONS[codec])
            stream.width, stream.height = self._size
            stream.pix_fmt = self._encoded
            self._stream = stream
            codec_context = stream.codec_context
            codec_context.time_base = reader.stream.time_base
            if not self._lossless:  # or a program that does not guess as players do shows other colours
                code = COLOUR_CODES[self._matrix]
                codec_context.colorspace, codec_context.color_range = code, LIMITED_RANGE
                codec_context.color_primaries = codec_context.color_trc = code
            self._audio: Any = None
            self._copy_audio = False
            if reader.audio is not None and pixels != "gray":
                self._add_audio(reader.audio)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failed("written", error) from error

    def write(self, picture: Array, stamp: int) -> None:
        """Add one picture (uint8 H×W×3, H×W×4 or H×W, as `pixels` says) at a time stamp in the reader's time base."""
        width, height = self._size
        picture = np.ascontiguousarray(picture[:height, :width])
        # A conversion is through with borrowed pixels once it is done; but of narrow ones it reads beyond the end.
        borrows = not self._lossless and width >= NARROW
        take = av.VideoFrame.from_numpy_buffer if borrows else av.VideoFrame.from_ndarray
        frame = take(picture, format=self._pixels)
        if not self._lossless:
            frame = self._reformatter.reformat(frame, format=self._encoded, dst_colorspace=self._matrix)
        frame.pts = stamp
        frame.time_base = self._stream.codec_context.time_base
        self._mux(self._stream.encode(frame))

    def write_audio(self, packet: Any) -> None:
        """Add a packet of the reader's sound: copied as it is where the container can hold it."""
        if self._audio is None:
            return
        if self._copy_audio:
            packet.stream = self._audio
            self._mux([packet])
        else:
            for frame in self._decode_audio(packet):
                if self._put_in_step(frame):
                    self._mux(self._encode_audio(frame))

    def close(self) -> None:
        """Finish the file."""
        self._mux(self._stream.encode(None))
        if self._audio is not None and not self._copy_audio:
            self._mux(self._encode_audio(None))
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._failed("finished", error) from error

    def abandon(self) -> None:
        """Let go of the file without finishing it."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError):
            return

    def _add_audio(self, audio: Any) -> None:
        codec = audio.codec_context
        copied = COPIED_SOUND.get(self.path.suffix.lower(), self._container.supported_codecs)
        self._copy_audio = bool({codec.name, codec.codec.canonical_name} & set(copied))
        if self._copy_audio:
            self._audio = self._container.add_stream_from_template(audio)
            return
        name, rate = self._container.default_audio_codec, codec.sample_rate
        possible = av.Codec(name, "w").audio_rates or [rate]
        # Opus takes a few rates only; the encoder brings every frame to that of its stream.
        rate = rate if rate in possible else max(possible)
        self._audio = self._container.add_stream(name, rate=rate, layout="mono" if codec.channels == 1 else "stereo")

    def _decode_audio(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except UNREADABLE as error:
            log.warning("a damaged piece of sound for %s is left out: %s", self._name, error)
            return []

    def _put_in_step(self, frame: Any) -> bool:
        """Let a frame follow the one before, unless there is a gap: an encoder refuses times that only jitter.

        False for one that comes as much too early: it is left out, so that sound and picture stay together.
        """
        rate = frame.sample_rate
        at = None if frame.pts is None else round(frame.pts * frame.time_base * rate)
        due = self._sound_due if self._sound_due is not None else at or 0
        if at is not None and at < due - rate * SOUND_GAP_S:
            return False
        if at is None or at < due + rate * SOUND_GAP_S:
            at = due
        frame.pts, frame.time_base = at, Fraction(1, rate)
        self._sound_due = at + frame.samples
        return True

    def _encode_audio(self, frame: Any) -> list[Any]:
        """The packets of a frame, or with None the last ones."""
        try:
            return list(self._audio.encode(frame))
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"The sound of {self._name.name} cannot be written ({error}).",
                "Use .mkv, which keeps nearly any sound as it is.",
            ) from error

    def _mux(self, packets: list[Any]) -> None:
        try:
            self._container.mux(packets)
        except (av.FFmpegError, OSError) as error:
            raise self._failed("written", error) from error

    def _failed(self, how: str, error: Exception) -> MediaError:
        full = getattr(error, "errno", None) in DISK_FULL
        mend = "Free up disk space." if full else "Use a folder that you can write to, and .mp4 or .mkv."
        reason = getattr(error, "strerror", None) or str(error)
        return MediaError(f"The video {self._name} cannot be {how} ({reason}).", mend)
