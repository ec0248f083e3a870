"""The cameras of this machine: names that tell them apart, and which of them are virtual."""

import logging
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

log = logging.getLogger(__name__)

# Tried in this order; a camera that an earlier one lists is not listed again.
BACKENDS = {
    "Linux": (cv2.CAP_V4L2,),
    "Windows": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "Darwin": (cv2.CAP_AVFOUNDATION,),
}
OWN_NAME = "Mattecam"
VIRTUAL_NAMES = ("OBS Virtual Camera", "OBS-Camera", "Unity Video Capture", OWN_NAME)


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """One camera as the system lists it.

    index: what OpenCV opens. name: unique in the list. path: '/dev/video0' on Linux, else the system's own
    identifier, or empty. backend: an OpenCV CAP_ constant. virtual: fed by a program, not by a lens.
    """

    index: int
    name: str
    path: str
    backend: int
    virtual: bool = False


def list_cameras() -> tuple[CameraInfo, ...]:
    """Every camera that can capture, real ones first; our own virtual camera is left out.

    Takes some milliseconds and asks each device: call it off the window's thread. Never raises; what cannot be
    listed is logged.
    """
    found: dict[str, CameraInfo] = {}
    for backend in default_backends():
        for camera in sorted(_ask(backend), key=lambda camera: camera.index):
            # DirectShow and Media Foundation give one device paths that differ only after '#{'.
            found.setdefault(camera.path.lower().partition("#{")[0] or camera.name, camera)
    cameras = [camera for camera in found.values() if not camera.name.startswith(OWN_NAME)]
    cameras.sort(key=lambda camera: camera.virtual)
    return _with_unique_names(cameras)


def find_camera(text: str, cameras: tuple[CameraInfo, ...]) -> CameraInfo | None:
    """The camera that a setting means: an index, a name (any case), or a path; None if it is none of them."""
    for camera in cameras:
        if text in (str(camera.index), camera.path) or text.casefold() == camera.name.casefold():
            return camera
    if text.isdecimal():
        return unlisted_camera(int(text))
    if text.startswith("/dev/"):
        node = Path(text).resolve()
        digits = node.name.removeprefix("video")
        return replace(
            unlisted_camera(int(digits) if digits.isdecimal() else -1),
            name=text,
            path=text,
            virtual=is_virtual(text, text),
        )
    return None


def unlisted_camera(index: int) -> CameraInfo:
    """A camera that only its index names: opening it tells whether it is there."""
    path = f"/dev/video{index}" if platform.system() == "Linux" else ""
    return CameraInfo(index, f"camera {index}", path, default_backends()[0])


def default_backends() -> tuple[int, ...]:
    """OpenCV's capture backends for this system, the preferred one first."""
    return BACKENDS.get(platform.system(), (cv2.CAP_ANY,))


def _ask(backend: int) -> list[CameraInfo]:
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        listed = enumerate_cameras(backend)
    except Exception as error:  # a system helper is missing or refused; the camera may still open by its index
        log.warning("cameras cannot be listed (%s: %s)", type(error).__name__, error)
        return []
    return [
        CameraInfo(each.index, name, path, backend, is_virtual(name, path))
        for each in listed
        for name, path in [((each.name or f"camera {each.index}").strip(), each.path or "")]
    ]


def is_virtual(name: str, path: str) -> bool:
    """Whether a program feeds this camera: by well-known names, on Linux by having no hardware behind the node."""
    if name.startswith(VIRTUAL_NAMES):
        return True
    node = Path("/sys/class/video4linux") / Path(path).name
    return path.startswith("/dev/video") and "/devices/virtual/" in str(node.resolve())


def _with_unique_names(cameras: list[CameraInfo]) -> tuple[CameraInfo, ...]:
    """Two cameras of one make become 'HD Webcam' and 'HD Webcam (2)', so that a saved name means one of them."""
    taken: set[str] = set()
    unique = []
    for camera in cameras:
        name, number = camera.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{camera.name} ({number})"
        taken.add(name.casefold())
        unique.append(replace(camera, name=name))
    return tuple(unique)
