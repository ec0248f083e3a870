"""The doctor's checks of cameras, virtual camera, settings, folders, models and disk, each made wrong in one way."""

from pathlib import Path

import pytest

from app import camera_list, doctor_devices, virtual_camera
from app.camera_list import CameraInfo
from app.settings import Settings, save, settings_path
from matting_core import model_store
from matting_core.model_store import ModelStore
from tests.support.findings import only

ROOT = Path(__file__).resolve().parents[2]


def test_settings_that_cannot_be_used_are_found_and_left_alone() -> None:
    assert only(doctor_devices.check_settings()).ok
    path = settings_path()
    save(Settings(background="/gone/beach.jpg"))
    found = only(doctor_devices.check_settings())
    assert (found.state, "/gone/beach.jpg does not exist" in found.what) == ("wrong", True)
    path.write_text('{"edge_feather": 99, "cam')
    found = only(doctor_devices.check_settings())
    assert (found.state, "cannot be read" in found.what, str(path) in found.mend) == ("wrong", True, True)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "nothing is written"


def test_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_list, "list_cameras", lambda: ())
    assert only(doctor_devices.check_cameras()).state == "note"
    monkeypatch.setattr(camera_list, "list_cameras", lambda: (CameraInfo(0, "HD Webcam", "/dev/video0", 200),))
    monkeypatch.setattr(doctor_devices.os, "access", lambda path, mode: True)
    assert only(doctor_devices.check_cameras()).state == "ok"
    monkeypatch.setattr(doctor_devices.os, "access", lambda path, mode: False)
    finding = only(doctor_devices.check_cameras())
    assert finding.state == "wrong"
    assert "usermod -aG video" in finding.mend


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two loopback devices; the file that this gives holds the driver's exclusive_caps."""
    monkeypatch.setattr(doctor_devices.platform, "system", lambda: "Linux")
    monkeypatch.setattr(virtual_camera, "loopback_nodes", lambda: [Path("/dev/video10"), Path("/dev/video11")])
    monkeypatch.setattr(doctor_devices, "LOOPBACK_PARAMETERS", tmp_path)
    monkeypatch.setattr(doctor_devices.os, "access", lambda path, mode: True)
    return tmp_path / "exclusive_caps"


def test_a_loopback_device_that_browsers_do_not_see_is_noted(loopback: Path) -> None:
    loopback.write_text("Y,N,N,N\n")
    first, second = doctor_devices.check_virtual_camera()
    assert (first.state, second.state) == ("ok", "note")
    assert "exclusive_caps=1" in second.mend


def test_a_driver_that_does_not_tell_is_trusted(loopback: Path) -> None:
    assert [finding.state for finding in doctor_devices.check_virtual_camera()] == ["ok", "ok"]


def test_a_loopback_device_without_permission_is_wrong(loopback: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_devices.os, "access", lambda path, mode: False)
    assert [finding.state for finding in doctor_devices.check_virtual_camera()] == ["wrong", "wrong"]


@pytest.mark.parametrize(("installed", "mend"), [(True, "sudo modprobe"), (False, "sudo apt-get install")])
def test_no_loopback_device_names_the_next_step(
    loopback: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, mend: str
) -> None:
    monkeypatch.setattr(virtual_camera, "loopback_nodes", list)
    monkeypatch.setattr(doctor_devices, "_module_is_installed", lambda: installed)
    finding = only(doctor_devices.check_virtual_camera())
    assert finding.state == "note"
    assert finding.mend.startswith(mend)


@pytest.mark.parametrize("system", ["Windows", "Darwin"])
def test_elsewhere_obs_is_looked_for(monkeypatch: pytest.MonkeyPatch, system: str, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor_devices.platform, "system", lambda: system)
    monkeypatch.setattr(doctor_devices, "_obs_on_windows", lambda: False)
    monkeypatch.setattr(doctor_devices, "_obs_on_macos", lambda: False)
    finding = only(doctor_devices.check_virtual_camera())
    assert finding.state == "note"
    assert "OBS Studio" in finding.mend


def test_folders_that_cannot_be_written_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {finding.state for finding in doctor_devices.check_folders()} == {"ok"}
    monkeypatch.setattr(doctor_devices.os, "access", lambda path, mode: False)
    assert {finding.state for finding in doctor_devices.check_folders()} == {"wrong"}


def test_a_damaged_model_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {finding.state for finding in doctor_devices.check_models()} == {"ok"}
    (tmp_path / "manifest.toml").write_bytes((ROOT / "models" / "manifest.toml").read_bytes())
    (tmp_path / "modnet_photographic.onnx").write_bytes(b"cut")
    monkeypatch.setattr(model_store, "ModelStore", lambda: ModelStore(tmp_path, tmp_path / "user"))
    findings = {finding.key: finding for finding in doctor_devices.check_models()}
    assert {finding.state for finding in findings.values()} == {"wrong"}  # one is damaged, the others are not there
    assert "git checkout" in findings["model_modnet_photographic"].mend


@pytest.mark.parametrize(("free", "state"), [(5e9, "ok"), (1e9, "note"), (1e7, "wrong")])
def test_a_full_disk_is_told_before_it_hurts(monkeypatch: pytest.MonkeyPatch, free: float, state: str) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor_devices.shutil, "disk_usage", lambda path: usage)
    assert only(doctor_devices.check_disk()).state == state
