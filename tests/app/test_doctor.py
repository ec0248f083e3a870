"""The doctor: each check against a machine that is made wrong in one way, and against the real one."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app import camera_list, doctor, doctor_devices, doctor_packages, doctor_probe, system_libraries, virtual_camera
from app.camera_list import CameraInfo
from app.doctor import Finding
from app.doctor_probe import PACKAGES
from app.settings import Settings, save, settings_path
from matting_core import model_store
from matting_core.errors import MattecamError
from matting_core.model_store import ModelStore

ROOT = Path(__file__).resolve().parents[2]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1
    return findings[0]


def give(monkeypatch: pytest.MonkeyPatch, *checks: doctor.Check) -> None:
    """Let the doctor run these checks and no others."""
    monkeypatch.setattr(doctor_packages, "CHECKS", checks)
    monkeypatch.setattr(doctor_devices, "CHECKS", ())


def test_wrong_is_exit_code_1_and_names_the_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, lambda: [Finding("a", "ok", "fine"), Finding("b", "wrong", "broken", "mend it")])
    assert doctor.run() == 1
    text = capsys.readouterr().out
    assert "wrong  b: broken\n       → mend it" in text
    assert text.rstrip().endswith("One thing is wrong.")


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


def test_a_note_is_no_failure_and_json_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, lambda: [Finding("a", "note", "no camera", "plug one in")])
    assert doctor.run(as_json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    finding = {"key": "a", "state": "note", "what": "no camera", "mend": "plug one in"}
    assert [json.loads(line) for line in lines] == [{"ok": True, "findings": [finding]}]


def test_a_check_that_breaks_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_one() -> list[Finding]:
        raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

    def check_two() -> list[Finding]:
        raise ValueError("surprise")

    give(monkeypatch, check_one, check_two, lambda: [Finding("c", "ok", "")])
    assert [(finding.key, finding.state) for finding in doctor.examine()] == [
        ("one", "note"),
        ("two", "wrong"),
        ("c", "ok"),
    ]


def test_every_package_that_we_depend_on_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {text.split(">=")[0] for text in project["dependencies"]}
    assert needed == {*PACKAGES, "pyvirtualcam"}


def test_the_packages_of_this_environment_load() -> None:
    findings = {finding.key: finding for finding in doctor_packages.check_packages()}
    assert findings["package_numpy"].state == "ok"
    assert all(finding.ok for finding in findings.values()), findings


def test_a_package_that_does_not_load_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    results = dict.fromkeys(PACKAGES, (True, "1.0", ""))
    results["av"] = (False, "No module named 'av'", "")
    monkeypatch.setattr(doctor_packages, "probe", lambda kind, names: results)
    monkeypatch.setattr(doctor_packages, "_version", lambda name: "")
    wrong = only([finding for finding in doctor_packages.check_packages() if not finding.ok])
    assert wrong.key == "package_av"
    assert wrong.mend == f"{sys.executable} -m pip install av"


def test_a_qt_that_does_not_count_right_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PySide6 6.12.0 on Python 3.11, where every call that answers nothing takes a reference from None."""
    left = iter((5000, 4900))
    monkeypatch.setattr(doctor_probe.sys, "getrefcount", lambda _thing: next(left))
    with pytest.raises(MattecamError, match=r"PySide6-Essentials 6\.12\.0 does not count right on Python 3") as told:
        doctor_probe._count_none("PySide6-Essentials 6.12.0")
    results = dict.fromkeys(PACKAGES, (True, "1.0", ""))
    results["PySide6-Essentials"] = (False, told.value.problem, told.value.mend)
    monkeypatch.setattr(doctor_packages, "probe", lambda kind, names: results)
    wrong = only([finding for finding in doctor_packages.check_packages() if not finding.ok])
    assert (wrong.what, wrong.mend) == (told.value.problem, told.value.mend)


@pytest.mark.parametrize(
    ("builds", "state"),
    [
        ({"onnxruntime": "1.20"}, "ok"),
        ({"onnxruntime-gpu": "1.21"}, "ok"),
        ({}, "note"),
        ({"onnxruntime": "1.20", "onnxruntime-gpu": "1.21"}, "wrong"),
    ],
)
def test_two_builds_of_onnxruntime_clash(monkeypatch: pytest.MonkeyPatch, builds: dict[str, str], state: str) -> None:
    monkeypatch.setattr(doctor_packages, "_version", lambda name: builds.get(name, ""))
    finding = only(doctor_packages.check_onnxruntime())
    assert finding.state == state
    if state == "wrong":
        assert "uninstall -y onnxruntime onnxruntime-gpu" in finding.mend
        assert 'install "onnxruntime-gpu[cuda,cudnn]"' in finding.mend


@pytest.mark.parametrize(
    ("path", "state"), [("", "ok"), ("/x/site-packages/cv2/qt/plugins", "wrong"), ("/usr/lib/qt6/plugins", "note")]
)
def test_a_path_into_opencvs_qt_is_wrong(monkeypatch: pytest.MonkeyPatch, path: str, state: str) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM_PLUGIN_PATH", path)
    assert only(doctor_packages.check_qt_plugins()).state == state


def test_libraries_are_really_loaded() -> None:
    assert system_libraries.missing({"libnothing-of-the-kind.so.7": "libnothing7"}) == ("libnothing7",)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's shared libraries")
def test_missing_libraries_are_named_by_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_libraries, "missing", lambda libraries: tuple(libraries.values())[:2])
    monkeypatch.delenv("DISPLAY", raising=False)
    always, window = doctor_packages.check_libraries()
    assert (always.state, always.mend) == ("wrong", "sudo apt-get install libglib2.0-0 libgl1")
    assert (window.state, window.mend) == ("note", "sudo apt-get install libxkbcommon-x11-0 libxcb-cursor0")
    monkeypatch.setenv("DISPLAY", ":0")
    assert doctor_packages.check_libraries()[1].state == "wrong"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's displays")
def test_no_display_names_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    finding = only(doctor_packages.check_display())
    assert finding.state == "note"
    assert finding.mend.endswith("start.py run --help")


@pytest.mark.gui
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's displays")
def test_qt_is_tried_and_may_die_without_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert only(doctor_packages.check_display()).what.startswith("offscreen")
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setenv("DISPLAY", ":7654")
    finding = only(doctor_packages.check_display())
    assert finding.state == "wrong"
    assert "died of signal" in finding.what


def test_a_probe_that_crashes_blames_what_it_was_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"trying": "a"}\n{"name": "a", "ok": true, "text": "1", "mend": ""}\nnoise\n{"trying": "b"}\n'
    done = subprocess.CompletedProcess([], -11, said, "bad instruction\n")
    monkeypatch.setattr(doctor_packages.subprocess, "run", lambda *_, **__: done)
    assert doctor_packages.probe("packages", ("a", "b", "c")) == {
        "a": (True, "1", ""),
        "b": (False, "the process died of signal 11; bad instruction", ""),
        "c": (False, "not tried, because b ended the check", ""),
    }


def test_a_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("x", 180, output=b'{"trying": "a"}\n')

    monkeypatch.setattr(doctor_packages.subprocess, "run", hang)
    assert doctor_packages.probe("engines", ("a",)) == {"a": (False, "no answer in 180 s", "")}


def test_the_shipped_network_runs_on_this_processor() -> None:
    findings = {finding.key: finding for finding in doctor_packages.check_engines()}
    assert findings["engine_openvino"].state == "ok"
    assert findings["engine_openvino"].what.startswith("OpenVINO CPU")


def engines(monkeypatch: pytest.MonkeyPatch, driver: bool, **works: bool) -> dict[str, str]:
    results = {name: (ok, "text", "mend") for name, ok in works.items()}
    monkeypatch.setattr(doctor_packages, "probe", lambda kind, names: results)
    monkeypatch.setattr(doctor_packages, "has_driver", lambda: driver)
    return {finding.key: finding.state for finding in doctor_packages.check_engines()}


def test_a_gpu_that_is_there_and_not_used_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines(monkeypatch, True, cuda=False, cpu=True) == {"engine_cuda": "wrong", "engine_cpu": "ok"}
    assert engines(monkeypatch, False, cuda=False, cpu=True) == {"engine_cuda": "note", "engine_cpu": "ok"}


def test_no_engine_at_all_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    one = engines(monkeypatch, False, openvino=True, cpu=False)
    none = engines(monkeypatch, False, openvino=False, cpu=False)
    assert one == {"engine_openvino": "ok", "engine_cpu": "note"}
    assert none == {"engine_openvino": "wrong", "engine_cpu": "wrong"}


@pytest.mark.skipif(os.name == "nt", reason="paths under /dev")
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


def test_a_python_without_any_package_still_gets_a_report(tmp_path: Path) -> None:
    """Run in an environment made a moment ago, which has nothing but the standard library."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = subprocess.run(
        [python, "main.py", "doctor", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    states = {finding["key"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}
    assert states["python"] == "ok"
    assert states["package_numpy"] == "wrong"
    assert states["folders"] == states["models"] == "note"
