"""Keep opencv-python's private Qt away from ours: importing cv2 points Qt's plugin search at its own Qt 5."""

import importlib.util
import os
from pathlib import Path

VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")


def take_back_qt_variables() -> list[str]:
    """Unset the Qt variables that importing cv2 has set; those that the user set themself stay.

    Call before QApplication is made, whether or not cv2 has been imported, and before starting another program
    that may use Qt. Returns the names that were unset. cv2 itself is not imported.
    """
    spec = importlib.util.find_spec("cv2")
    if spec is None or not spec.origin:
        return []
    home = Path(spec.origin).resolve().parent
    taken = []
    for name in VARIABLES:
        value = os.environ.get(name)
        if value and Path(value).resolve().is_relative_to(home):
            del os.environ[name]
            taken.append(name)
    return taken
