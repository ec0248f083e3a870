"""Names tell cameras apart, doubles and our own camera are left out, real cameras come first."""

import sys
from types import SimpleNamespace

import pytest

from app import camera_list
from app.camera_list import CameraInfo, find_camera, list_cameras


@pytest.fixture
def system(monkeypatch):
    """Fakes the system: which backends it has, and what each lists as (index, name, path)."""

    def has(listed):
        module = SimpleNamespace(
            enumerate_cameras=lambda backend: [
                SimpleNamespace(index=index, name=name, path=path) for index, name, path in listed[backend]
            ]
        )
        monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", module)
        monkeypatch.setattr(camera_list, "default_backends", lambda: tuple(listed))

    return has


def test_two_of_one_make_get_different_names_in_index_order(system):
    system({1: [(2, "HD Webcam", "/dev/video2"), (0, "HD Webcam", "/dev/video0"), (10, "hd webcam", "/dev/video10")]})
    assert [(each.index, each.name) for each in list_cameras()] == [
        (0, "HD Webcam"),
        (2, "HD Webcam (2)"),
        (10, "hd webcam (3)"),
    ]


def test_one_camera_seen_by_two_backends_is_listed_once_with_the_first(system):
    system(
        {
            7: [(0, "Cam", r"\\?\usb#vid_1#{65e8773d}\global")],
            14: [(0, "Infrared", r"\\?\usb#vid_2#{e5323777}\global"), (1, "Cam", r"\\?\USB#VID_1#{e5323777}\global")],
        }
    )
    assert [(each.name, each.backend, each.index) for each in list_cameras()] == [("Cam", 7, 0), ("Infrared", 14, 0)]


def test_virtual_cameras_come_last_and_our_own_does_not_come(system):
    system({1: [(0, "OBS Virtual Camera", "a"), (1, "Mattecam", "b"), (2, "Lens", "c")]})
    assert [(each.name, each.virtual) for each in list_cameras()] == [("Lens", False), ("OBS Virtual Camera", True)]


def test_a_failing_enumeration_is_an_empty_list_and_a_log_line(monkeypatch, caplog):
    def fail(backend):
        raise OSError("no such helper")

    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", SimpleNamespace(enumerate_cameras=fail))
    assert list_cameras() == ()
    assert "no such helper" in caplog.text


CAMERAS = (CameraInfo(0, "Front", "/dev/video0", 200), CameraInfo(4, "Desk Cam", "/dev/video4", 200))


@pytest.mark.parametrize("text", ["4", "Desk Cam", "desk cam", "/dev/video4"])
def test_a_camera_is_found_by_index_name_or_path(text):
    assert find_camera(text, CAMERAS) is CAMERAS[1]


def test_an_index_that_is_not_listed_may_still_be_tried(monkeypatch):
    monkeypatch.setattr(camera_list.platform, "system", lambda: "Linux")
    found = find_camera("7", CAMERAS)
    assert found is not None
    assert (found.index, found.path) == (7, "/dev/video7")


def test_a_device_link_keeps_its_path():
    found = find_camera("/dev/v4l/by-id/usb-cam", CAMERAS)
    assert found is not None
    assert found.path == "/dev/v4l/by-id/usb-cam"


def test_anything_else_is_no_camera():
    assert find_camera("kitchen", CAMERAS) is None
