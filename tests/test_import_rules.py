"""What really gets loaded, seen from a fresh process; the written imports are held by import-linter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("torch", "onnxruntime", "openvino")


def modules_of(package: str, leave_out: str = "-") -> list[str]:
    """Dotted names of every module of a package, but for one subpackage."""
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return [name for name in names if not name.startswith(leave_out)]


def loaded_after(imports: list[str]) -> set[str]:
    """The top-level modules, and two levels of our own, that a fresh Python holds after these imports."""
    code = f"import {', '.join(imports)}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.split()
    return {name.partition(".")[0] for name in names} | {".".join(name.split(".")[:2]) for name in names}


def test_the_library_loads_no_app_no_qt_no_torch() -> None:
    loaded = loaded_after(modules_of("matting_core", leave_out="matting_core.modnet"))
    assert "matting_core" in loaded
    assert not loaded & {"app", "PySide6", "torch", "pyvirtualcam"}


def test_the_app_without_its_window_loads_no_qt() -> None:
    loaded = loaded_after(modules_of("app", leave_out="app.ui"))
    assert "app.cli" in loaded
    assert not loaded & {"app.ui", "PySide6", "torch", "pyvirtualcam"}


def test_the_window_opens_without_a_network_library() -> None:
    loaded = loaded_after(modules_of("app/ui"))
    assert "PySide6" in loaded
    assert not loaded & {*NETWORKS, "pyvirtualcam"}


def test_a_live_picture_without_videos_loads_no_pyav() -> None:
    loaded = loaded_after(["app.pipeline", "app.run_command", "app.ui.main_window", "app.ui.application"])
    assert {"app.output_stage", "app.sinks", "matting_core.background"} <= loaded
    assert "av" not in loaded


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry would make ~/intel before it sends: no such folder, nothing sent."""
    code = (
        "import sys; from matting_core.openvino_import import import_openvino; import_openvino().Core();"
        "print([name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module])"
    )
    home = {name: str(tmp_path) for name in ("HOME", "LOCALAPPDATA", "USERPROFILE")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **home}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry keeps an id and a queue in the cache folder before it sends: no such files, nothing sent."""
    code = (
        "import numpy as np; from pathlib import Path; from matting_core.engine_onnxruntime import OnnxRuntimeEngine;"
        "engine = OnnxRuntimeEngine('cpu', Path('models/mattecam_fast.onnx'));"
        "engine.predict(np.zeros((1, 3, 64, 64), np.float32)); engine.close()"
    )
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE")}
    bare = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**bare, **home}, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_help_and_the_doctor_start_with_the_standard_library_alone() -> None:
    loaded = loaded_after(["app.cli", "app.doctor", "app.doctor_packages", "app.doctor_devices", "app.doctor_probe"])
    assert not loaded & {*NETWORKS, "numpy", "cv2", "pydantic", "platformdirs", "PySide6"}


@pytest.mark.parametrize("package", ["app", "matting_core"])
def test_modules_keep_to_their_size(package: str) -> None:
    too_long = [file.name for file in (ROOT / package).rglob("*.py") if len(file.read_text("utf-8").splitlines()) > 320]
    assert not too_long
