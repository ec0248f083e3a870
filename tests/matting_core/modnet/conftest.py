"""Without the extra `train` nothing here is collected; tests/conftest.py says so in the report's header."""

import importlib.util
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*"]


@pytest.fixture(autouse=True)
def children_end_unheard() -> Iterator[None]:
    """Undo the SIGCHLD handler that PyTorch's loading processes leave behind.

    Python runs it on the thread's alternate signal stack, which is broken once networks have been exported: the next
    child that ended, much later, took this process with it.
    """
    number = getattr(signal, "SIGCHLD", None)
    before = number and signal.getsignal(number)
    yield
    if number:
        signal.signal(number, before)


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    return Path(__file__).parents[3] / "models" / "modnet_photographic.onnx"


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """NASA's picture of Eileen Collins: uint8 512×512×3 BGR."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[..., ::-1])
