"""opencv-python and PySide6 in one process, imported in either order, open a window."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gui
OPEN = (
    "from app.qt_guard import take_back_qt_variables\ntake_back_qt_variables()\n"
    "from PySide6.QtWidgets import QApplication, QLabel\napp = QApplication([])\n"
    "label = QLabel('good'); label.show(); app.processEvents(); print(app.platformName())\n"
)
ORDERS = {"opencv first": "import cv2, PySide6.QtWidgets\n", "qt first": "import PySide6.QtWidgets, cv2\n"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("platform", ["offscreen", "xcb"])
def test_a_window_opens_in_either_order(order: str, platform: str) -> None:
    command = [sys.executable, "-c", ORDERS[order] + OPEN]
    environment = {**os.environ, "QT_QPA_PLATFORM": platform}
    if platform == "xcb" and not os.environ.get("DISPLAY"):
        if shutil.which("xvfb-run") is None:
            pytest.skip("no display and no xvfb-run")
        command = ["xvfb-run", "-a", *command]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == platform
