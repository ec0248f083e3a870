"""The virtual camera gets its native format, bit for bit; what is missing or goes away is said with the mend."""

import enum
import gc
import sys
import threading
from types import SimpleNamespace
from typing import ClassVar

import cv2
import numpy as np
import pytest

from app import output, virtual_camera
from app.virtual_camera import VirtualCameraOutput
from matting_core.errors import OutputError, OutputLost, UsageError

SIZE = (64, 48)


class PixelFormat(enum.Enum):
    I420 = "I420"
    UYVY = "UYVY"
    RGBA = "ABGR"


class FakeCamera:
    """pyvirtualcam.Camera with memory: what it was opened with and what it was sent.

    refuse: backend → the exception its opening raises. node: the device it 'finds'.
    """

    refuse: ClassVar[dict] = {}
    node = "Fake Camera"
    opened: ClassVar[list] = []
    sent: ClassVar[list] = []
    closed = 0

    def __init__(self, *, width, height, fps, fmt, device, backend):
        FakeCamera.opened.append((width, height, fps, fmt.name, device, backend))
        if backend in FakeCamera.refuse:
            raise FakeCamera.refuse[backend]
        self._backend = object()
        self.device = device or FakeCamera.node

    def send(self, frame):
        FakeCamera.sent.append(frame.copy())

    def close(self):
        if self._backend is not None:
            FakeCamera.closed += 1
            self._backend = None

    def __del__(self):
        self.close()  # as pyvirtualcam's: fails where __init__ did not get to set _backend


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=FakeCamera, PixelFormat=PixelFormat))
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: "Linux")
    monkeypatch.setattr(virtual_camera, "loopback_nodes", list)
    monkeypatch.setattr(FakeCamera, "refuse", {})
    monkeypatch.setattr(FakeCamera, "opened", [])
    monkeypatch.setattr(FakeCamera, "sent", [])
    monkeypatch.setattr(FakeCamera, "closed", 0)
    return FakeCamera


def canvas():
    return np.random.default_rng(5).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


def test_linux_is_sent_i420_of_bt601(fake):
    camera = VirtualCameraOutput(SIZE, 30)
    picture = canvas()
    camera.send(picture, None, 0.0)
    assert fake.opened == [(64, 48, 30, "I420", None, "v4l2loopback")]
    assert (fake.sent[0] == cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)).all()
    assert camera.name == "Fake Camera"


def test_white_and_black_are_limited_range(fake):
    camera = VirtualCameraOutput(SIZE, 30)
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 255
    camera.send(picture, None, 0.0)
    assert fake.sent[0][0, 0] == 235
    assert fake.sent[0][47, 0] == 16
    assert (fake.sent[0][48:] == 128).all()


def test_macos_is_sent_uyvy(fake, monkeypatch):
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: "Darwin")
    camera = VirtualCameraOutput(SIZE, 30)
    camera.send(np.full((48, 64, 3), 255, np.uint8), None, 0.0)
    assert fake.opened[0][3] == "UYVY"
    assert fake.sent[0].size == 64 * 48 * 2
    assert (fake.sent[0].reshape(-1, 2) == (128, 235)).all()


def test_windows_tries_obs_then_unity_capture_which_gets_real_alpha(fake, monkeypatch):
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: "Windows")
    fake.refuse["obs"] = RuntimeError("OBS Virtual Camera device not found!")
    camera = VirtualCameraOutput(SIZE, 30)
    picture = canvas()
    camera.send(picture, np.full((48, 64), 255, np.uint8), 0.0)
    camera.send(picture, None, 0.0)
    assert [each[3:] for each in fake.opened] == [("I420", None, "obs"), ("RGBA", None, "unitycapture")]
    for sent in fake.sent:
        assert (sent[:, :, :3] == picture[:, :, ::-1]).all()
        assert (sent[:, :, 3] == 255).all()


def test_a_cut_out_carries_no_chroma_colour(fake, monkeypatch):
    """Blended anew by its reader over any colour, the picture is the person's own colour at that alpha."""
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: "Windows")
    fake.refuse["obs"] = RuntimeError("OBS Virtual Camera device not found!")
    camera = VirtualCameraOutput(SIZE, 30)
    own, behind = canvas().astype(np.float64), np.array([255.0, 0.0, 128.0])
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    share = alpha[:, :, None] / 255
    chroma = np.array([0x40, 0xB1, 0x00])
    camera.send(np.rint(share * own + (1 - share) * chroma).astype(np.uint8), alpha, 0.0)
    sent = fake.sent[0]
    assert (sent[:, :, 3] == alpha).all()
    seen = share * sent[:, :, 2::-1] + (1 - share) * behind
    assert np.abs(seen - (share * own + (1 - share) * behind))[:, 1:].max() <= 1.0


@pytest.mark.parametrize("size", [(63, 48), (64, 47)])
def test_odd_sizes_are_wrong_use(fake, size):
    with pytest.raises(UsageError, match="even"):
        VirtualCameraOutput(size, 30)
    assert fake.opened == []


def test_a_canvas_of_another_size_is_refused(fake):
    camera = VirtualCameraOutput(SIZE, 30)
    with pytest.raises(ValueError, match="64×48"):
        camera.send(np.zeros((48, 66, 3), np.uint8), None, 0.0)


@pytest.mark.parametrize(
    ("system", "mend"),
    [("Linux", "sudo apt install v4l2loopback-dkms"), ("Windows", "OBS Studio"), ("Darwin", "system extension")],
)
def test_a_missing_driver_names_the_mend_of_this_system(fake, monkeypatch, system, mend):
    monkeypatch.setattr(virtual_camera.platform, "system", lambda: system)
    fake.refuse.update(dict.fromkeys(("v4l2loopback", "obs", "unitycapture"), RuntimeError("not found")))
    with pytest.raises(OutputError) as caught:
        VirtualCameraOutput(SIZE, 30)
    assert mend in caught.value.mend
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert ("modprobe v4l2loopback exclusive_caps=1 card_label=Mattecam" in caught.value.mend) == (system == "Linux")
    assert ("Secure Boot" in caught.value.mend) == (system == "Linux")


def test_a_backend_that_pyvirtualcam_lacks_is_told_too(fake):
    fake.refuse["v4l2loopback"] = KeyError("v4l2loopback")
    with pytest.raises(OutputError, match="no virtual camera on this computer"):
        VirtualCameraOutput(SIZE, 30)


def test_a_busy_device_says_how_to_free_it(fake, monkeypatch, tmp_path):
    node = tmp_path / "video10"
    node.touch()
    monkeypatch.setattr(virtual_camera, "loopback_nodes", lambda: [node])
    fake.refuse["v4l2loopback"] = RuntimeError("Device is not a video output device.")
    with pytest.raises(OutputError, match="in use, or does not open again") as caught:
        VirtualCameraOutput(SIZE, 30, str(node))
    assert "modprobe -r v4l2loopback" in caught.value.mend


def test_a_named_device_that_is_absent_lists_those_there_are(fake, monkeypatch, tmp_path):
    node = tmp_path / "video10"
    node.touch()
    monkeypatch.setattr(virtual_camera, "loopback_nodes", lambda: [node])
    fake.refuse["v4l2loopback"] = RuntimeError("does not exist")
    with pytest.raises(OutputError, match="There is no virtual camera /dev/video99") as caught:
        VirtualCameraOutput(SIZE, 30, "/dev/video99")
    assert str(node) in caught.value.mend


def test_a_device_without_write_permission_names_the_group(fake, monkeypatch, tmp_path):
    node = tmp_path / "video10"
    node.touch()
    monkeypatch.setattr(virtual_camera, "loopback_nodes", lambda: [node])
    monkeypatch.setattr(virtual_camera.os, "access", lambda path, mode: False)
    fake.refuse["v4l2loopback"] = RuntimeError("missing permissions")
    with pytest.raises(OutputError, match="no permission") as caught:
        VirtualCameraOutput(SIZE, 30)
    assert "usermod -aG video" in caught.value.mend


def test_without_pyvirtualcam_the_mend_is_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match="pyvirtualcam cannot be loaded") as caught:
        VirtualCameraOutput(SIZE, 30)
    assert "pip install pyvirtualcam" in caught.value.mend


def test_a_failed_opening_leaves_nothing_on_standard_error(fake, capfd):
    fake.refuse["v4l2loopback"] = RuntimeError("no device")
    with pytest.raises(OutputError):
        VirtualCameraOutput(SIZE, 30)
    gc.collect()
    assert capfd.readouterr().err == ""


def test_the_real_library_with_no_device_is_our_error_and_quiet(capfd):
    if virtual_camera.loopback_nodes() or virtual_camera.platform.system() != "Linux":
        pytest.skip("this machine may have a virtual camera")
    pytest.importorskip("pyvirtualcam")
    with pytest.raises(OutputError, match="no virtual camera on this computer"):
        VirtualCameraOutput(SIZE, 30)
    gc.collect()
    assert capfd.readouterr().err == ""


def test_a_device_that_vanishes_is_lost(fake, monkeypatch, tmp_path):
    monkeypatch.setattr(output, "LOOK_EVERY_S", 0.0)
    node = tmp_path / "video10"
    node.touch()
    camera = VirtualCameraOutput(SIZE, 30, str(node))
    camera._watch = output.NodeWatch(node)  # as for a name under /dev
    camera.send(canvas(), None, 0.0)
    node.unlink()
    with pytest.raises(OutputLost, match="has disappeared"):
        camera.send(canvas(), None, 0.1)
    assert len(fake.sent) == 1


def test_a_backend_error_while_sending_is_lost(fake, monkeypatch):
    camera = VirtualCameraOutput(SIZE, 30)

    def fail(frame):
        raise RuntimeError("Stream does not exist.")

    monkeypatch.setattr(camera._camera, "send", fail)
    with pytest.raises(OutputLost, match="Stream does not exist"):
        camera.send(canvas(), None, 0.0)


def test_closing_twice_frees_once_and_sending_after_is_lost(fake):
    camera = VirtualCameraOutput(SIZE, 30)
    camera.close()
    camera.close()
    assert fake.closed == 1
    with pytest.raises(OutputLost):
        camera.send(canvas(), None, 0.0)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("YU12:640x480@30/1\n", "holds the virtual camera Fake Camera at 640x480"),
        (f"YUYV:{SIZE[0]}x{SIZE[1]}@30/1\n", "in use by another program, which feeds it YUYV pictures"),
    ],
)
def test_a_device_held_at_another_size_or_format_is_refused(fake, monkeypatch, tmp_path, told, problem):
    (tmp_path / "Fake Camera").mkdir()
    (tmp_path / "Fake Camera" / "format").write_text(told)
    monkeypatch.setattr(virtual_camera, "SYS_VIRTUAL", tmp_path)
    with pytest.raises(OutputError, match=problem):
        VirtualCameraOutput(SIZE, 30)
    assert fake.closed == 1


@pytest.mark.virtualcam
@pytest.mark.skipif(not virtual_camera.loopback_nodes(), reason="no v4l2loopback device")
def test_a_real_device_gives_back_what_was_sent():
    """Reads a v4l2loopback device as another program would, while it is fed."""
    camera = VirtualCameraOutput((640, 480), 30)
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[:, :320] = (200, 100, 50)
    picture[:, 320:] = (40, 160, 220)
    done = threading.Event()

    def feed():
        while not done.is_set():
            camera.send(picture, None, 0.0)
            done.wait(1 / 30)

    camera.send(picture, None, 0.0)  # with exclusive_caps=1 the device is a camera from its first picture on
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        reader = cv2.VideoCapture(camera.name, cv2.CAP_V4L2)
        good, seen = reader.read()
        reader.release()
    finally:
        done.set()
        feeder.join()
        camera.close()
    assert good
    assert np.abs(seen[240, [160, 480]].astype(int) - picture[240, [160, 480]]).max() <= 4
