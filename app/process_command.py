"""`process`: an image, a folder of images or a video in, the same kind out."""

import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app.overlap import Behind, ahead
from app.process_paths import beside, check_paths, spare_background
from app.settings import Scene
from app.studio import Studio
from app.video_file import VideoReader, VideoWriter
from matting_core.background_spec import BackgroundSpec, existing_spec
from matting_core.command_line import ended_like_ctrl_c
from matting_core.engine import MattingEngine, create_engine
from matting_core.errors import MediaError, UsageError
from matting_core.fit import fit_image
from matting_core.frames import Alpha, Array, Frame, Image, MattedFrame
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image, write_image
from matting_core.predictor import Predictor, matte_still
from matting_core.preprocess import input_size
from matting_core.presets import Preset, find_preset
from matting_core.suffixes import ALPHA_SUFFIXES, COLOUR_SUFFIXES, IMAGE_SUFFIXES


@dataclass(slots=True)
class Job:
    """What one call of `process` works with, and what it has done so far."""

    engine: MattingEngine
    preset: Preset
    background: BackgroundSpec
    output: Path | None
    alpha: Path | None
    frames: int = 0
    input_size: str = ""
    skipped: list[str] = field(default_factory=list)
    missing: str = ""


@ended_like_ctrl_c()
def process(
    source: Path,
    output: Path | None,
    alpha: Path | None,
    background: str,
    preset: str,
    engine: str,
    as_json: bool,
    model: str | None = None,
) -> int:
    """Process one input; returns the exit code. model: by default the preset's own.

    Raises UsageError and MediaError, with nothing half-written.
    """
    spec = existing_spec(background)
    kind = check_paths(source, output, alpha, spec)
    chosen = find_preset(preset)
    model = chosen.model_for(model)
    network = ModelStore().network(model, chosen.int8)
    job = Job(
        create_engine(engine, network),
        chosen,
        spec,
        output,
        alpha,
    )
    began_s = time.monotonic()
    try:
        if kind == "folder":
            _process_folder(job, source)
        elif kind == "image":
            _process_images(job, [(source, output, alpha)])
        else:
            _process_video(job, source)
    finally:
        job.engine.close()
    seconds = time.monotonic() - began_s
    result = {
        "frames": job.frames,
        "seconds": round(seconds, 3),
        "fps": round(job.frames / seconds, 2),
        "provider": job.engine.provider,
        "model": model,
        "input_size": job.input_size,
        "skipped": job.skipped,
        "missing": job.missing,
    }
    print(json.dumps(result) if as_json else _summary(job, seconds))
    if job.skipped:
        files = "1 file" if len(job.skipped) == 1 else f"{len(job.skipped)} files"
        raise MediaError(f"{files} could not be read: {', '.join(job.skipped)}.", "The rest was processed.")
    if job.missing:
        raise MediaError(job.missing, "What there is was processed.")
    return 0


def _summary(job: Job, seconds: float) -> str:
    where = ", ".join(str(path) for path in (job.output, job.alpha) if path is not None)
    room = ". The room is shown as it is." if job.background.kind == "none" and job.output is not None else ""
    return f"{took(job.frames, seconds, job.engine, job.preset, job.input_size)}: {where}{room}"


def took(frames: int, seconds: float, engine: MattingEngine, preset: Preset, input_size: str) -> str:
    """How many frames took how long, and with what."""
    count = "1 frame" if frames == 1 else f"{frames} frames"
    return f"{count} in {seconds:.1f} s with {engine.provider} ({preset.name}, {input_size})"


def _process_folder(job: Job, folder: Path) -> None:
    images = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not images:
        raise UsageError(
            f"The folder {folder} has no images.",
            "Give one with JPEG, PNG or WebP files; those in its folders do not count.",
        )
    work = [
        (
            path,
            None if job.output is None else job.output / _result_name(path, job.background),
            None if job.alpha is None else job.alpha / f"{path.stem}.png",
        )
        for path in images
    ]
    makers: dict[Path, Path] = {}
    for path, *targets in work:
        for target in filter(None, targets):
            twin = makers.setdefault(target, path)
            if twin is not path:
                raise UsageError(f"{twin.name} and {path.name} would both become {target}.", "Rename one of them.")
    spare_background(job.background, makers)
    _process_images(job, work)


def _result_name(path: Path, background: BackgroundSpec) -> str:
    """The picture's own name; as PNG where its own format is not written, or cannot be transparent."""
    keeps = path.suffix.lower() in (ALPHA_SUFFIXES if background.kind == "transparent" else COLOUR_SUFFIXES)
    return path.name if keeps else f"{path.stem}.png"


def _process_images(job: Job, work: list[tuple[Path, Path | None, Path | None]]) -> None:
    """Each (source, result, matte) in turn; in a folder an unreadable one is skipped and named."""
    studio: Studio | None = None
    for source, result, matte in tqdm(work, unit="image", disable=len(work) == 1 or None):
        try:
            image = read_image(source)
        except MediaError:
            if len(work) == 1:
                raise
            job.skipped.append(source.name)
            continue
        height, width = image.shape[:2]
        alpha = matte_still(job.engine, job.preset, image)
        job.input_size = input_size(height, width, job.preset.long_side)
        if matte is not None:
            write_image(matte, alpha)
        if result is not None:
            if studio is None or studio.size != (width, height):
                studio = Studio(job.background, (width, height))
            matted = MattedFrame(Frame(image, 0.0, job.frames), alpha)
            if job.background.kind == "transparent":
                write_image(result, studio.cut_out(matted))
            else:
                write_image(result, studio.compose(matted, 0.0))
        job.frames += 1


def _process_video(job: Job, source: Path) -> None:
    reader = VideoReader(source)
    with contextlib.closing(reader), beside(job.output) as picture_path, beside(job.alpha) as matte_path:
        if job.output is not None and reader.silenced:
            print(f"mattecam: {reader.silenced}", file=sys.stderr)
        predictor = Predictor(job.engine, job.preset, Scene().smoothing)
        film: Film | None = None
        with (
            tqdm(total=reader.frames or None, unit="frame", disable=None) as progress,
            contextlib.closing(ahead(reader.read())) as steps,
        ):
            try:
                for sound, picture in steps:
                    if picture is not None:
                        image, stamp = picture
                        if film is None:
                            film = Film(job, reader, (image.shape[1], image.shape[0]), picture_path, matte_path)
                        film.add(predictor, sound, image, stamp)
                        progress.update()
                    elif film is not None:
                        film.add_sound(sound)
                if film is None:
                    raise MediaError(f"The video {source} has no readable picture.", "Give another file.")
                film.finish()
                job.missing = reader.missing
            finally:
                if film is not None:
                    film.close()


class Film:
    """The results of one video: the composited film with the old sound, the mattes, or both.

    They are written on another thread, so what goes wrong there is raised by a later call.
    """

    def __init__(
        self, job: Job, reader: VideoReader, size: tuple[int, int], picture: Path | None, matte: Path | None
    ) -> None:
        self._job = job
        self._size = size
        self._time_base = reader.stream.time_base
        self._cut_out = picture is not None and job.background.kind == "transparent"
        self._studio = Studio(job.background, size)
        pixels = "bgra" if self._cut_out else "bgr24"
        self._picture = None if picture is None else VideoWriter(picture, size, reader, pixels, job.output)
        self._matte = None if matte is None else VideoWriter(matte, size, reader, "gray", job.alpha)
        self._behind = Behind()
        job.input_size = input_size(size[1], size[0], job.preset.long_side)

    def add(self, predictor: Predictor, sound: list[Any], image: Image, stamp: int) -> None:
        """Matte and write one frame at its time stamp, after packets of the old sound."""
        image = fit_image(image, *self._size, "cover")
        matted = predictor.predict(Frame(image, float(stamp * self._time_base), self._job.frames))
        assert matted is not None, "this stabiliser holds no frame back"
        done = None
        if self._picture is not None:
            studio = self._studio
            done = studio.cut_out(matted) if self._cut_out else studio.compose(matted, matted.frame.captured_at)
        self._behind.call(self._write, sound, done, matted.alpha, stamp)
        self._job.frames += 1

    def add_sound(self, packets: list[Any]) -> None:
        """Carry packets of the old sound over."""
        self._behind.call(self._write_sound, packets)

    def finish(self) -> None:
        """Complete the files."""
        self._behind.finish()
        for writer in (self._picture, self._matte):
            if writer is not None:
                writer.close()

    def close(self) -> None:
        """Free everything, finished or not."""
        with contextlib.ExitStack() as last:
            for writer in (self._picture, self._matte):
                if writer is not None:
                    last.callback(writer.abandon)
            last.callback(self._studio.close)
            last.callback(self._behind.close)  # comes first, and whatever happens to it, the rest follows

    def _write(self, sound: list[Any], done: Array | None, alpha: Alpha, stamp: int) -> None:
        self._write_sound(sound)
        if self._matte is not None:
            self._matte.write(alpha, stamp)
        if self._picture is not None and done is not None:
            self._picture.write(done, stamp)

    def _write_sound(self, packets: list[Any]) -> None:
        if self._picture is not None:
            for packet in packets:
                self._picture.write_audio(packet)
