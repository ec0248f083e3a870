"""FrameSource: where frames come from. The contract, the kinds there are, and the one way to open one."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app import camera_list, sources, webcam
from app.settings import Settings
from matting_core.errors import MediaError, SourceError
from matting_core.frames import Frame
from matting_core.inputs import is_file, is_folder
from matting_core.media_kind import media_kind

log = logging.getLogger(__name__)


class FrameSource(Protocol):
    """Delivers frames at its own pace. Opened, read and closed on one thread."""

    description: str
    """What is really delivered, e.g. 'HD Webcam, 1280×720 MJPG at 30 fps'."""
    live: bool
    """Whether a lens feeds it: then a picture that stands still means that the camera has hung."""

    def read(self) -> Frame:
        """The next frame; waits for it. Raises SourceLost when the source stopped delivering.

        The image is read-only, and its size may change from one frame to the next.
        """
        ...

    def close(self) -> None:
        """Free the device. Safe to call twice."""
        ...


Factory = Callable[[str, Settings], FrameSource]
SOURCES: dict[str, Factory] = {
    "camera": lambda target, settings: webcam.Webcam(_camera(target), settings),
    "image": lambda target, settings: sources.StillSource(Path(target), settings.camera_fps),
    "video": lambda target, settings: sources.VideoSource(Path(target)),
    "demo": lambda target, settings: sources.DemoSource(settings.camera_size, settings.camera_fps, note=target),
}


def open_source(settings: Settings, *, demo_if_none: bool = True) -> FrameSource:
    """Open what `settings.camera` names; call it on the thread that will read.

    'auto' is the first real camera, and the demo where there is none. With demo_if_none=False 'auto' never becomes
    the demo: for waiting until a lost camera is back. Opening a camera may take some seconds. Raises SourceError.
    """
    kind, target = _resolve(settings.camera, demo_if_none)
    source = SOURCES[kind](target, settings)
    log.info("opened %s", source.description)
    return source


def camera_path(text: str) -> Path:
    """The path that a camera setting means if it is a file; '~' of nobody stays as it is."""
    return Path(os.path.expanduser(text.strip()))  # noqa: PTH111 - Path.expanduser raises where there is no such user


def _resolve(text: str, demo_if_none: bool) -> tuple[str, str]:
    """The kind in SOURCES that a camera setting means, and what to hand to its factory."""
    text = text.strip()
    if text == "demo":
        return "demo", ""
    if text == "auto":
        real = [camera for camera in camera_list.list_cameras() if not camera.virtual]
        if real:
            return "camera", real[0].name
        if demo_if_none:
            return "demo", "no camera found"
        raise SourceError("No camera is connected.", "Plug one in; Mattecam will find it automatically.")
    path = camera_path(text)
    if is_file(path):
        try:
            return media_kind(path), str(path)
        except MediaError as error:
            raise SourceError(error.problem, error.mend) from error
    return "camera", text


def _camera(text: str) -> camera_list.CameraInfo:
    cameras = camera_list.list_cameras()
    camera = camera_list.find_camera(text, cameras)
    if camera is None:
        names = [f"'{each.name}'" for each in cameras]
        choices = ", ".join([*names, "an index, a picture or video file, or 'demo'"])
        if is_folder(camera_path(text)):
            raise SourceError(f"'{text}' is a folder, not a camera.", f"Choose: {choices}.")
        raise SourceError(
            f"There is no camera or file '{text}'.", f"Check the name, plug the camera in, or choose: {choices}."
        )
    return camera
