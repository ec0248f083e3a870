"""Tries what may crash, in a process of its own: python -m app.doctor_probe packages|engines|window.

Prints one JSON line before each try, {"trying": name}, and one after it, {"name", "ok", "text", "mend"}. If the
process dies (a library for another processor, Qt without a display), the last name tried is to blame.
"""

import importlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matting_core.openvino_import import import_openvino

PACKAGES = {
    "numpy": "numpy",
    "opencv-python": "cv2",
    "PySide6-Essentials": "PySide6.QtWidgets",
    "openvino": "openvino",
    "av": "av",
    "cv2-enumerate-cameras": "cv2_enumerate_cameras",
    "simplejpeg": "simplejpeg",
    "pydantic": "pydantic",
    "platformdirs": "platformdirs",
    "tqdm": "tqdm",
    "tomli-w": "tomli_w",
    "psutil": "psutil",
}
"""Distribution → the module that is imported to try it. pyvirtualcam is looked for without importing it."""

CALLS = 100
TIMED = 5
"""Frames, of which the quickest counts: the first ones also load what the later ones reuse."""
PROBED_ENGINES = ("cuda", "openvino", "cpu")

Try = tuple[str, Callable[[], str]]
"""A name, and what tries it: gives a text, or raises."""


def main(arguments: list[str]) -> int:
    """Try all of one kind; 0 unless the process dies on the way."""
    from matting_core.errors import MattecamError, first_line

    kinds = {"packages": _packages, "engines": _engines, "window": _window}
    for name, attempt in kinds[arguments[0]]():
        _say(trying=name)
        try:
            _say(name=name, ok=True, text=attempt(), mend="")
        except MattecamError as error:
            _say(name=name, ok=False, text=error.problem, mend=error.mend)
        except Exception as error:  # whatever a broken library raises is the finding
            _say(name=name, ok=False, text=first_line(error), mend="")
    return 0


def _packages() -> Iterator[Try]:
    for distribution, module in PACKAGES.items():
        yield distribution, partial(_import, distribution, module)


def _import(distribution: str, module: str) -> str:
    if module == "openvino":
        import_openvino()
    importlib.import_module(module)
    version = importlib.metadata.version(distribution)
    if module.startswith("PySide6"):
        _count_none(f"{distribution} {version}")
    return version


def _count_none(package: str) -> None:
    """PySide6 6.12.0 on Python 3.11 drops a reference to None at every call that returns nothing."""
    from matting_core.errors import MattecamError
    from matting_core.own_command import PIP

    thing = importlib.import_module("PySide6.QtCore").QObject()
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        thing.setObjectName("counted")
    if before - sys.getrefcount(None) > CALLS // 2:
        python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        raise MattecamError(
            f"{package} miscounts references on {python}, so the window crashes after a minute or two.",
            f'{PIP} install "PySide6-Essentials<6.12"',
        )


def _engines() -> Iterator[Try]:
    for name in PROBED_ENGINES:
        yield name, partial(_infer, name)


def _infer(name: str) -> str:
    """Run the shipped network once on a small picture: an engine that only loads is not yet one that works."""
    from matting_core.engine import ENGINES, try_empty
    from matting_core.model_store import SHIPPED

    engine = ENGINES[name](Path(SHIPPED) / "modnet_photographic.onnx")
    try:
        spent_ms = []
        for _ in range(TIMED):
            started = time.perf_counter()
            try_empty(engine, (288, 512))
            spent_ms.append((time.perf_counter() - started) * 1e3)
        more = "; presets use int8 where it is faster" if name == "openvino" else ""
        return f"{engine.provider}, {min(spent_ms):.0f} ms per frame at 512×288{more}"
    finally:
        engine.close()


def _window() -> Iterator[Try]:
    yield "window", _open_display


def _open_display() -> str:
    from app.qt_guard import take_back_qt_variables

    take_back_qt_variables()
    # By name, because only app.ui may import Qt: this looks whether it works, and uses nothing of it.
    qt = importlib.import_module("PySide6.QtGui")
    application = qt.QGuiApplication([])
    size = application.primaryScreen().size()
    return f"{application.platformName()}, {size.width()}×{size.height()}"


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
