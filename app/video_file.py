"""Video files for `process`: frames with their times in, frames with the same times and the old sound out."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from matting_core.errors import MediaError, UsageError
from matting_core.frames import Array, Image
from matting_core.suffixes import VIDEO_SUFFIXES
from matting_core.video_decode import UNREADABLE, colour_matrix, decoded, frame_rate, open_video, to_bgr

log = logging.getLogger(__name__)

FILM_SUFFIXES = VIDEO_SUFFIXES - {".gif"}
"""The suffixes of videos that can be written: H.264 does not go into a GIF."""
RGB_CODECS = {".webm": "libvpx-vp9"}
UNTAGGED = 2
CODEC_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "medium"},
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

    def read(self) -> Iterator[tuple[Image, int] | Any]:
        """In the file's own order: (picture, time stamp in stream.time_base) of a frame, or a packet of sound.

        Pictures are uint8 H×W×3 BGR, upright. Raises MediaError for a file that breaks off.
        """
        return decoded(self._read(), self.path)

    def _read(self) -> Iterator[tuple[Image, int] | Any]:
        streams = [self.stream] if self.audio is None else [self.stream, self.audio]
        step = max(1, round(1 / (self.rate * self.stream.time_base)))
        stamp = -step
        for packet in self._container.demux(*streams):
            if packet.stream is self.audio:
                if packet.dts is not None:
                    yield packet
                continue
            for frame in packet.decode():
                stamp = frame.pts if frame.pts is not None and frame.pts > stamp else stamp + step
                yield to_bgr(frame), stamp

    def close(self) -> None:
        """Free the file. Safe to call twice."""
        self._container.close()


class VideoWriter:
    """Writes H.264 (VP9 for .webm) with the sound of `reader`; or, for 'gray' pixels, mattes without sound.

    pixels: 'bgr24', 'bgra' (kept by .webm only, see `keeps_film_alpha`) or 'gray'. Mattes are lossless FFV1 in .mkv and
    H.264 elsewhere. Odd sides lose one row or column where the codec has no odd sizes. Raises MediaError.
    """

    def __init__(self, path: Path, size: tuple[int, int], reader: VideoReader, pixels: str = "bgr24") -> None:
        self.path = path
        self._pixels = pixels
        self._lossless = pixels == "gray" and path.suffix.lower() == ".mkv"
        self._size = size if self._lossless else (size[0] - size[0] % 2, size[1] - size[1] % 2)
        if min(self._size) < 2:
            raise UsageError(f"A video of {size[0]}x{size[1]} cannot be written.", "Use a larger size.")
        self._matrix = colour_matrix(UNTAGGED, self._size[1])
        self._encoded = "gray" if self._lossless else "yuva420p" if pixels == "bgra" else "yuv420p"
        codec = "ffv1" if self._lossless else RGB_CODECS.get(path.suffix.lower(), "libx264")
        try:
            self._container: Any = av.open(str(path), "w")
            stream: Any = self._container.add_stream(codec, rate=reader.rate, options=CODEC_OPTIONS[codec])
            stream.width, stream.height = self._size
            stream.pix_fmt = self._encoded
            self._stream = stream
            self._stream.codec_context.time_base = reader.stream.time_base
            self._audio: Any = None
            self._copy_audio = False
            if reader.audio is not None and pixels != "gray":
                self._add_audio(reader.audio)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"The video {path} cannot be written ({error}).",
                "Use a folder that you can write to, and .mp4 or .mkv.",
            ) from error

    def write(self, picture: Array, stamp: int) -> None:
        """Add one picture (uint8 H×W×3, H×W×4 or H×W, as `pixels` says) at a time stamp in the reader's time base."""
        width, height = self._size
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format=self._pixels)
        if not self._lossless:
            frame = frame.reformat(format=self._encoded, dst_colorspace=self._matrix)
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
                self._mux(self._encode_audio(frame))

    def close(self) -> None:
        """Finish the file."""
        self._mux(self._stream.encode(None))
        if self._audio is not None and not self._copy_audio:
            self._mux(self._encode_audio(None))
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"The video {self.path} cannot be finished ({error}).", "Free up disk space.") from error

    def abandon(self) -> None:
        """Let go of the file without finishing it."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError):
            return

    def _add_audio(self, audio: Any) -> None:
        self._copy_audio = audio.codec_context.name in self._container.supported_codecs
        if self._copy_audio:
            self._audio = self._container.add_stream_from_template(audio)
        else:
            codec, rate = self._container.default_audio_codec, audio.codec_context.sample_rate
            possible = av.Codec(codec, "w").audio_rates or [rate]
            # Opus takes a few rates only; the encoder brings every frame to that of its stream.
            self._audio = self._container.add_stream(codec, rate=rate if rate in possible else max(possible))

    def _decode_audio(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except UNREADABLE as error:
            log.warning("a damaged piece of sound for %s is left out: %s", self.path, error)
            return []

    def _encode_audio(self, frame: Any) -> list[Any]:
        """The packets of a frame, or with None the last ones."""
        try:
            return list(self._audio.encode(frame))
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"The sound of {self.path.name} cannot be written ({error}).",
                "Use .mkv, which keeps the sound as it is.",
            ) from error

    def _mux(self, packets: list[Any]) -> None:
        try:
            self._container.mux(packets)
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"The video {self.path} cannot be written ({error}).", "Free up disk space.") from error
