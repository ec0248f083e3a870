"""The doctor: each check against a machine that is made wrong in one way, and against the real one."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app import doctor, doctor_devices, doctor_packages, doctor_probe, system_libraries
from app.doctor import Finding
from app.doctor_probe import PACKAGES
from matting_core.errors import MattecamError
from tests.support.findings import only

ROOT = Path(__file__).resolve().parents[2]


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
    with pytest.raises(MattecamError, match=r"PySide6-Essentials 6\.12\.0 miscounts references on Python 3") as told:
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
        ({}, "wrong"),
        ({"onnxruntime": "1.20", "onnxruntime-gpu": "1.21"}, "wrong"),
    ],
)
def test_two_builds_of_onnxruntime_clash(monkeypatch: pytest.MonkeyPatch, builds: dict[str, str], state: str) -> None:
    monkeypatch.setattr(doctor_packages, "_version", lambda name: builds.get(name, ""))
    finding = only(doctor_packages.check_onnxruntime())
    assert finding.state == state
    if not builds:
        assert f"{sys.executable} -m pip install onnxruntime" in finding.mend
    elif state == "wrong":
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
    assert "killed by signal" in finding.what


def test_a_probe_that_crashes_blames_what_it_was_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    said = '{"trying": "a"}\n{"name": "a", "ok": true, "text": "1", "mend": ""}\nnoise\n{"trying": "b"}\n'
    done = subprocess.CompletedProcess([], -11, said, "bad instruction\n")
    monkeypatch.setattr(doctor_packages.subprocess, "run", lambda *_, **__: done)
    assert doctor_packages.probe("packages", ("a", "b", "c")) == {
        "a": (True, "1", ""),
        "b": (False, "the process was killed by signal 11; bad instruction", ""),
        "c": (False, "not tried, because b ended the check", ""),
    }


def test_a_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("x", 180, output=b'{"trying": "a"}\n')

    monkeypatch.setattr(doctor_packages.subprocess, "run", hang)
    assert doctor_packages.probe("engines", ("a",)) == {"a": (False, "no answer within 180 s", "")}


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
