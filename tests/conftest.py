"""For every test: folders of its own, no thread left behind."""

import importlib.util
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import matting_core  # noqa: F401 before any test imports OpenCV, which it bounds


def pytest_report_header() -> str:
    """Whether the tests of the network in PyTorch are among these."""
    if importlib.util.find_spec("torch") is None:
        return "without PyTorch: tests/matting_core/modnet is left out; with it: python3 scripts/test.py --train"
    return "with PyTorch"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, models and pictures of whoever runs the tests are neither read nor written."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A thread of ours that outlives its test fails it."""
    yield
    deadline = time.monotonic() + 2.0
    while left := [thread.name for thread in threading.enumerate() if thread.name.startswith("mattecam-")]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left running: {left}")
        time.sleep(0.01)
