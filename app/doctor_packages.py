"""The doctor's checks of what is installed: Python, packages, clashes, shared libraries, inference engines."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app import system_libraries
from app.doctor import Check, Finding, State
from app.doctor_probe import PACKAGES, PROBED_ENGINES
from matting_core.nvidia import has_driver
from matting_core.own_command import PIP, own_command

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
PROBE_TIMEOUT_S = 180.0
QT_PLUGINS = "QT_QPA_PLATFORM_PLUGIN_PATH"


def check_python() -> list[Finding]:
    """Python itself."""
    what = f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return [Finding("python", "wrong", f"{what} is too old.", "Install Python 3.11 or newer.")]
    return [Finding("python", "ok", what)]


def check_packages() -> list[Finding]:
    """Every package that Mattecam needs, by importing it in a process of its own."""
    findings = []
    for name, (ok, text, mend) in probe("packages", tuple(PACKAGES)).items():
        key = f"package_{name.lower().replace('-', '_')}"
        if ok:
            findings.append(Finding(key, "ok", f"{name} {text}"))
        elif mend:
            findings.append(Finding(key, "wrong", text, mend))
        else:
            findings.append(Finding(key, "wrong", f"{name} cannot be loaded ({text}).", _mend_package(name, text)))
    if importlib.util.find_spec("pyvirtualcam") is None:
        mend = f"{PIP} install pyvirtualcam"
        findings.append(
            Finding("package_pyvirtualcam", "note", "pyvirtualcam is missing, so there is no virtual camera.", mend)
        )
    else:
        findings.append(Finding("package_pyvirtualcam", "ok", f"pyvirtualcam {_version('pyvirtualcam')}"))
    return findings


def check_onnxruntime() -> list[Finding]:
    """Exactly one build of ONNX Runtime: they write into one folder, and the second breaks the first."""
    builds = {name: _version(name) for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")}
    found = [f"{name} {version}" for name, version in builds.items() if version]
    if len(found) > 1:
        wanted = "onnxruntime-gpu[cuda,cudnn]" if builds["onnxruntime-gpu"] else "onnxruntime-directml"
        mend = f'{PIP} uninstall -y {" ".join(builds)} && {PIP} install "{wanted}"'
        return [Finding("onnxruntime", "wrong", f"{' and '.join(found)} overwrite each other's files.", mend)]
    if not found:
        mend = f"{PIP} install onnxruntime"
        return [
            Finding("onnxruntime", "wrong", "ONNX Runtime is missing; only OpenVINO is left to run the network.", mend)
        ]
    return [Finding("onnxruntime", "ok", found[0])]


def check_qt_plugins() -> list[Finding]:
    """Whether the environment sends our Qt 6 to another Qt's plugins, such as opencv-python's Qt 5."""
    path = os.environ.get(QT_PLUGINS)
    if not path:
        return [Finding("qt_plugins", "ok", "Qt uses its own plugins.")]
    unset = f"set {QT_PLUGINS}=" if os.name == "nt" else f"unset {QT_PLUGINS}"
    if "cv2" in Path(path).parts:
        return [Finding("qt_plugins", "wrong", f"{QT_PLUGINS} points to opencv-python's Qt 5: {path}", unset)]
    return [Finding("qt_plugins", "note", f"{QT_PLUGINS} is set: {path}", unset)]


def check_libraries() -> list[Finding]:
    """Shared libraries that pip cannot bring, by loading them (Linux)."""
    if not sys.platform.startswith("linux"):
        return []
    always = system_libraries.missing(system_libraries.ALWAYS)
    window = system_libraries.missing(system_libraries.WINDOW)
    findings = []
    if always:
        what = f"opencv-python and Qt need system libraries that are missing: {', '.join(always)}."
        findings.append(Finding("libraries", "wrong", what, f"sudo apt-get install {' '.join(always)}"))
    if window:
        what = f"A window on X11 needs system libraries that are missing: {', '.join(window)}."
        state: State = "wrong" if os.environ.get("DISPLAY") else "note"
        findings.append(Finding("window_libraries", state, what, f"sudo apt-get install {' '.join(window)}"))
    return findings or [Finding("libraries", "ok", "Every shared library loads.")]


def check_display() -> list[Finding]:
    """Whether a window can open, by opening Qt's connection in a process of its own."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in variables):
        return [
            Finding("display", "note", "There is no display, so the window cannot open.", own_command("run --help"))
        ]
    ok, text, _ = probe("window", ("window",))["window"]
    if ok:
        return [Finding("display", "ok", text)]
    return [
        Finding(
            "display", "wrong", f"Qt cannot open a window ({text}).", f"Check DISPLAY, or use: {own_command('run')}"
        )
    ]


def check_engines() -> list[Finding]:
    """Inference engines, by running the shipped network once on each."""
    results = probe("engines", PROBED_ENGINES)
    any_works = any(ok for ok, _, _ in results.values())
    findings = []
    for name, (ok, text, mend) in results.items():
        if ok:
            findings.append(Finding(f"engine_{name}", "ok", text))
        elif name == "cuda" and not has_driver():
            findings.append(
                Finding(
                    f"engine_{name}", "note", "There is no NVIDIA GPU with a driver; the processor runs the network."
                )
            )
        else:
            state: State = "wrong" if name == "cuda" or not any_works else "note"
            findings.append(Finding(f"engine_{name}", state, text, mend))
    return findings


CHECKS: tuple[Check, ...] = (
    check_python,
    check_packages,
    check_onnxruntime,
    check_qt_plugins,
    check_libraries,
    check_display,
    check_engines,
)


def probe(kind: str, names: tuple[str, ...]) -> dict[str, tuple[bool, str, str]]:
    """Run app.doctor_probe; for each name whether it works, a text, and a mend. What crashed it is blamed by name."""
    command = [sys.executable, "-m", "app.doctor_probe", kind]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=PROBE_TIMEOUT_S, check=False
        )
        output, errors, ending = done.stdout, done.stderr, _ending(done.returncode)
    except subprocess.TimeoutExpired as error:
        output, errors, ending = _text(error.stdout), _text(error.stderr), f"no answer within {PROBE_TIMEOUT_S:.0f} s"
    results: dict[str, tuple[bool, str, str]] = {}
    trying = ""
    for line in _json_lines(output):
        trying = str(line.get("trying", ""))
        if not trying:
            results[str(line["name"])] = (bool(line["ok"]), str(line["text"]), str(line["mend"]))
    crash = "; ".join(filter(None, (ending, _last_words(errors))))
    for name in names:
        blamed = crash if name == trying or not trying else f"not tried, because {trying} ended the check"
        results.setdefault(name, (False, blamed, ""))
    return {name: results[name] for name in names}


def _json_lines(output: str) -> Iterator[dict[str, object]]:
    for line in output.splitlines():
        if line.startswith("{"):  # libraries print to standard output, too
            yield json.loads(line)


def _last_words(errors: str) -> str:
    """The line of a dying process that says why: Qt puts 'could not connect' before its general advice."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return next((line for line in lines if "could not" in line.lower()), lines[-1] if lines else "")


def _ending(code: int) -> str:
    return f"the process was killed by signal {-code}" if code < 0 else f"the process ended with exit code {code}"


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _mend_package(name: str, text: str) -> str:
    if "cannot open shared object" in text:
        return "See the line `libraries` below."
    return f"{PIP} install --force-reinstall {name}" if _version(name) else f"{PIP} install {name}"
