"""What the tests of whole frames begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from matting_core.engine_recorded import ALONE
from tests.support.plain_networks import write_red_network
from tests.support.whole_live import Live


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_red_network(tmp_path / "red.onnx")


@pytest.fixture
def live(network: Path) -> Iterator[Live]:
    made = Live(network)
    yield made
    made.predictor.close()
    made.predictor.close()
    assert not ALONE.locked()
