"""The doctor's checks of what is around the program: cameras, virtual camera, settings, folders, models, the disk."""

import os
import platform
import shutil
from pathlib import Path

from app.doctor import Check, Finding

OBS = "https://obsproject.com"
# The COM class that OBS registers for its virtual camera on Windows.
OBS_CLASS = r"CLSID\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
LOOPBACK_PARAMETERS = Path("/sys/module/v4l2loopback/parameters")
JOIN_VIDEO = "sudo usermod -aG video $USER   (then log out and in again)"


def check_cameras() -> list[Finding]:
    """Cameras that the system lists; none is opened, so no light goes on."""
    from app.camera_list import list_cameras

    cameras = list_cameras()
    if not cameras:
        return [Finding("camera", "note", "No camera is connected; the demo source works.", "Plug one in.")]
    findings = []
    for camera in cameras:
        device = Path(camera.path)
        if device.is_relative_to("/dev") and not os.access(device, os.R_OK | os.W_OK):
            what = f"You have no permission to open the camera {camera.name} ({device})."
            findings.append(Finding("camera", "wrong", what, JOIN_VIDEO))
        else:
            findings.append(Finding("camera", "ok", f"{camera.name} {camera.path}".rstrip()))
    return findings


def check_settings() -> list[Finding]:
    """What the window was set to: read as at a start, and nothing is written."""
    from app.settings import load, settings_path
    from matting_core.background_spec import existing_spec
    from matting_core.errors import UsageError

    settings, notices = load(keep_aside=False)
    findings = [Finding("settings", "wrong", notice, f"Fix or delete {settings_path()}.") for notice in notices]
    try:
        existing_spec(settings.background)
    except UsageError as error:
        findings.append(Finding("settings", "wrong", error.problem, "Choose another background in the window."))
    return findings or [Finding("settings", "ok", str(settings_path()))]


def check_virtual_camera() -> list[Finding]:
    """The driver through which other programs see Mattecam."""
    system = platform.system()
    if system == "Linux":
        return _check_loopback()
    there = _obs_on_windows() if system == "Windows" else _obs_on_macos()
    if there:
        return [Finding("virtual_camera", "ok", "OBS and its virtual camera are installed.")]
    mend = f"Install OBS Studio from {OBS} and start its virtual camera once."
    return [Finding("virtual_camera", "note", "No virtual camera: OBS Studio is not installed.", mend)]


def _check_loopback() -> list[Finding]:
    from app.virtual_camera import MODPROBE, loopback_nodes

    nodes = loopback_nodes()
    if not nodes:
        mend = MODPROBE if _module_is_installed() else f"sudo apt-get install v4l2loopback-dkms && {MODPROBE}"
        return [Finding("virtual_camera", "note", "No virtual camera: v4l2loopback is not loaded.", mend)]
    findings = []
    exclusive = _exclusive_caps()
    for number, node in enumerate(nodes):
        if not os.access(node, os.R_OK | os.W_OK):
            findings.append(Finding("virtual_camera", "wrong", f"You have no permission to open {node}.", JOIN_VIDEO))
        elif number < len(exclusive) and not exclusive[number]:
            mend = f"sudo modprobe -r v4l2loopback && {MODPROBE}"
            findings.append(Finding("virtual_camera", "note", f"Browsers do not see {node}.", mend))
        else:
            findings.append(Finding("virtual_camera", "ok", f"{node} is ready."))
    return findings


def _exclusive_caps() -> list[bool]:
    """One entry a device, in the order of their numbers; empty if the driver does not say."""
    try:
        return [flag == "Y" for flag in (LOOPBACK_PARAMETERS / "exclusive_caps").read_text().strip().split(",")]
    except OSError:
        return []


def _module_is_installed() -> bool:
    folder = Path("/lib/modules") / platform.release()
    return any(folder.glob("**/v4l2loopback.ko*"))


def _obs_on_windows() -> bool:
    try:
        import winreg

        winreg.CloseKey(winreg.OpenKey(winreg.HKEY_CLASSES_ROOT, OBS_CLASS))  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, OSError):
        return False
    return True


def _obs_on_macos() -> bool:
    return any((folder / "OBS.app").exists() for folder in (Path("/Applications"), Path.home() / "Applications"))


def check_folders() -> list[Finding]:
    """Whether settings, models and backgrounds can be saved."""
    findings = []
    for key, folder in _own_folders().items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            findings.append(Finding(key, "ok", str(folder)))
        else:
            mend = "Fix the folder's permissions." if os.name == "nt" else f"sudo chown -R $USER '{existing}'"
            findings.append(Finding(key, "wrong", f"{folder} cannot be written to.", mend))
    return findings


def check_models() -> list[Finding]:
    """Every installed model's SHA-256."""
    from matting_core.errors import MattecamError
    from matting_core.model_store import ModelStore

    try:
        results = ModelStore().verify()
    except MattecamError as error:
        return [Finding("models", "wrong", error.problem, error.mend)]
    return [
        Finding(f"model_{result.entry.name}", "ok", f"{result.entry.file} is intact.")
        if result.ok
        else Finding(f"model_{result.entry.name}", "wrong", result.problem, result.mend)
        for result in results
    ]


def check_disk() -> list[Finding]:
    """Room for recordings and models."""
    folder = _own_folders()["data_folder"]
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    what = f"{free / 1e9:.1f} GB free at {existing}"
    if free > 2e9:
        return [Finding("disk", "ok", what)]
    return [Finding("disk", "note" if free > 2e8 else "wrong", f"Only {what}.", "Free up disk space.")]


CHECKS: tuple[Check, ...] = (
    check_cameras,
    check_virtual_camera,
    check_settings,
    check_folders,
    check_models,
    check_disk,
)


def _own_folders() -> dict[str, Path]:
    import platformdirs

    return {
        "settings_folder": platformdirs.user_config_path("mattecam", appauthor=False),
        "data_folder": platformdirs.user_data_path("mattecam", appauthor=False),
    }
