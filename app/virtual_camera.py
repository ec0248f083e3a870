"""VirtualCameraOutput: the one place that talks to pyvirtualcam (GPL), imported only when it is opened."""

import logging
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.output import NodeWatch, check_canvas
from matting_core.background import CHROMA_GREEN, colour_canvas
from matting_core.errors import OutputError, OutputLost, UsageError
from matting_core.frames import Alpha, Array, Image
from matting_core.own_command import PIP

log = logging.getLogger(__name__)

MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=Mattecam"
SYS_VIRTUAL = Path("/sys/devices/virtual/video4linux")
LOOPBACK_FORMAT = "YU12"
"""What v4l2loopback calls the I420 that we feed it."""
_MEND_MISSING = {
    "Linux": f"Install its driver: 'sudo apt install v4l2loopback-dkms', then '{MODPROBE}'. The README has "
    "details, also for Secure Boot.",
    "Windows": "Install OBS Studio from https://obsproject.com: it brings the 'OBS Virtual Camera'.",
    "Darwin": "Install OBS Studio 30 or later from https://obsproject.com, press 'Start Virtual Camera' in it once, "
    "allow its system extension, then quit OBS.",
}


@dataclass(frozen=True, slots=True)
class _Sink:
    """A pyvirtualcam backend and the pixel format to hand it: native, or the nearest it takes without colour maths.

    pixel_format: a name in pyvirtualcam.PixelFormat. convert: (canvas, alpha, buffer) → the pixels to send.
    """

    backend: str
    pixel_format: str
    shape: Callable[[int, int], tuple[int, ...]]
    convert: Callable[[Image, Alpha | None, Array], Array]


def _to_i420(canvas: Image, alpha: Alpha | None, buffer: Array) -> Array:
    return cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420, dst=buffer)


def _to_uyvy(canvas: Image, alpha: Alpha | None, buffer: Array) -> Array:
    return cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_UYVY, dst=buffer)


def _to_rgba(canvas: Image, alpha: Alpha | None, buffer: Array) -> Array:
    cv2.cvtColor(canvas, cv2.COLOR_BGR2RGBA, dst=buffer)
    if alpha is not None:
        buffer[:, :, 3] = alpha
        _take_out_chroma(buffer)
    return buffer


def _take_out_chroma(rgba: Array) -> None:
    """Solve C = αF + (1 − α)K for the person's own colour F, in place: the reader blends by α once more."""
    chroma = np.array(colour_canvas(CHROMA_GREEN, 1, 1)[0, 0, ::-1], np.float32)
    pixels = rgba.reshape(-1, 4)
    at = np.flatnonzero((pixels[:, 3] > 0) & (pixels[:, 3] < 255))
    alpha = pixels[at, 3:].astype(np.float32) / 255
    own = (pixels[at, :3] - (1 - alpha) * chroma) / alpha
    pixels[at, :3] = np.clip(np.rint(own), 0, 255)


# All YUV is BT.601 in limited range, which is what readers of these devices expect. OBS on Windows keeps NV12: from
# I420 its two chroma planes are only interleaved.
_I420_SHAPE = lambda width, height: (height * 3 // 2, width)  # noqa: E731
SINKS: dict[str, tuple[_Sink, ...]] = {
    "Linux": (_Sink("v4l2loopback", "I420", _I420_SHAPE, _to_i420),),
    "Darwin": (_Sink("obs", "UYVY", lambda width, height: (height, width, 2), _to_uyvy),),
    "Windows": (
        _Sink("obs", "I420", _I420_SHAPE, _to_i420),
        _Sink("unitycapture", "RGBA", lambda width, height: (height, width, 4), _to_rgba),
    ),
}


class VirtualCameraOutput:
    """A camera that other programs see, fed with canvases.

    One stays open for the app's whole life: a closed v4l2loopback device with exclusive_caps=1 does not open again
    until its module is reloaded. With device '' the first free one is taken. pyvirtualcam keeps quiet when a device
    goes away, so its node is watched.
    """

    def __init__(self, size: tuple[int, int], fps: int, device: str = "") -> None:
        """size: (width, height), both even. Raises UsageError for odd sizes, OutputError with the mend otherwise."""
        width, height = size
        if width % 2 or height % 2:
            raise UsageError(
                f"A virtual camera cannot be {width}×{height}.", "Choose an even width and height, like 1280x720."
            )
        self._size = size
        self._camera, self._sink = _open(size, fps, device)
        self.name: str = self._camera.device
        self._buffer = np.empty(self._sink.shape(width, height), np.uint8)
        self._watch = NodeWatch(self.name) if self.name.startswith("/dev/") else None
        try:
            _check_format(self.name, size)
        except OutputError:
            self.close()
            raise

    def send(self, canvas: Image, alpha: Alpha | None, at_s: float) -> None:
        """Convert once and hand over; at_s is not used: readers see a frame when it comes. Raises OutputLost."""
        check_canvas(canvas, self._size)
        if self._camera is None or (self._watch is not None and self._watch.is_gone()):
            raise OutputLost(f"The virtual camera {self.name} has disappeared.", _mend_gone())
        try:
            self._camera.send(self._sink.convert(canvas, alpha, self._buffer))
        except (RuntimeError, OSError) as error:
            raise OutputLost(
                f"The virtual camera {self.name} no longer takes pictures ({error}).", _mend_gone()
            ) from error

    def close(self) -> None:
        """Free the device. Safe to call twice."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def _open(size: tuple[int, int], fps: int, device: str) -> tuple[Any, _Sink]:
    try:
        import pyvirtualcam
    except ImportError as error:
        raise OutputError(
            f"The package pyvirtualcam cannot be loaded ({error}).", f"Install it with: {PIP} install pyvirtualcam"
        ) from error

    class Camera(pyvirtualcam.Camera):  # type: ignore[misc]
        """Has `_backend` from the start: the destructor of a camera that failed to open looks for it."""

        _backend = None

    causes: list[Exception] = []
    for sink in SINKS.get(platform.system(), ()):
        try:
            camera = Camera(
                width=size[0],
                height=size[1],
                fps=fps,
                fmt=pyvirtualcam.PixelFormat[sink.pixel_format],
                device=device or None,
                backend=sink.backend,
            )
        except (RuntimeError, KeyError, ValueError, OSError) as error:
            causes.append(error)
        else:
            return camera, sink
    raise _why_not(device, causes) from (causes[0] if causes else None)


def _why_not(device: str, causes: list[Exception]) -> OutputError:
    """The sentence and the mend for a sink that did not open."""
    system = platform.system()
    if system != "Linux":
        named = f" '{device}'" if device else ""
        return OutputError(
            f"The virtual camera{named} cannot be opened ({_first_line(causes)}).", _MEND_MISSING.get(system, "")
        )
    nodes = [Path(device)] if device else loopback_nodes()
    if device and not Path(device).exists():
        return OutputError(f"There is no virtual camera {device}.", _mend_absent())
    if not nodes:
        return OutputError("There is no virtual camera on this computer.", _MEND_MISSING["Linux"])
    if not all(os.access(node, os.W_OK) for node in nodes):
        return OutputError(
            f"You have no permission to write to {', '.join(map(str, nodes))}.",
            "Run 'sudo usermod -aG video $USER', then log out and in again.",
        )
    if device and Path(device) not in loopback_nodes():
        return OutputError(f"{device} is not a virtual camera.", _mend_absent())
    return OutputError(
        f"The virtual camera {', '.join(map(str, nodes))} is in use, or does not open again after its last use "
        f"({_first_line(causes)}).",
        f"Close the other program, or reload the driver: 'sudo modprobe -r v4l2loopback && {MODPROBE}'.",
    )


def loopback_nodes() -> list[Path]:
    """The video device nodes of a Linux system, by number: those with no hardware behind them."""
    links = SYS_VIRTUAL.glob("video*")
    return [Path("/dev") / link.name for link in sorted(links, key=lambda link: (len(link.name), link.name))]


def is_v4l2loopback(node: Path) -> bool:
    """Whether a node of `loopback_nodes` belongs to that very driver, and not to another of its kind."""
    return (SYS_VIRTUAL / node.name / "format").exists()


def _mend_absent() -> str:
    nodes = loopback_nodes()
    return f"Use one of: {', '.join(map(str, nodes))}." if nodes else _MEND_MISSING["Linux"]


def _mend_gone() -> str:
    return f"Load its driver again: '{MODPROBE}'." if platform.system() == "Linux" else "Restart Mattecam."


def _first_line(causes: list[Exception]) -> str:
    return str(causes[0]).splitlines()[0] if causes and str(causes[0]) else "no driver for this system"


def _check_format(name: str, size: tuple[int, int]) -> None:
    """v4l2loopback keeps what another program set, without an error; pictures would come out as noise, or sheared."""
    try:
        told = (SYS_VIRTUAL / Path(name).name / "format").read_text(encoding="ascii")
    except (OSError, ValueError):
        return
    held = re.search(r"(?:(\w{4}):)?(\d+)x(\d+)", told)
    if held is None:
        return
    if held[1] not in (None, LOOPBACK_FORMAT):
        raise OutputError(
            f"The virtual camera {name} is in use by another program, which feeds it {held[1]} pictures.",
            "Close the other program, or choose another virtual camera.",
        )
    if (int(held[2]), int(held[3])) != size:
        wanted = f"{held[2]}x{held[3]}"
        raise OutputError(
            f"Another program holds the virtual camera {name} at {wanted}.",
            f"Close the program that uses it, or set the output size to {wanted}.",
        )
