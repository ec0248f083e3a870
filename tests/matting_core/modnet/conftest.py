"""Without the extra `train` nothing here is collected; tests/conftest.py says so in the report's header."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    return Path(__file__).parents[3] / "models" / "modnet_photographic.onnx"


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """NASA's picture of Eileen Collins: uint8 512×512×3 BGR."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[..., ::-1])
