"""For the tests of the live pipeline: a rig that is stopped and checked after each of them."""

from collections.abc import Iterator

import pytest

from tests.support.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.finish()
