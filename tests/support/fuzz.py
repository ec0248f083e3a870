"""Bytes as they may come from outside, for Hypothesis.

MATTECAM_FUZZ=N tries N examples a loader instead of a few, and other ones each time.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = int(os.environ.get("MATTECAM_FUZZ", "0"))
few = settings(
    max_examples=LONG or 25,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them changed, or cut short, or nothing but noise."""
    changes = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)

    def change(given: tuple[list[tuple[int, int]], int]) -> bytes:
        out = bytearray(data)
        for at, value in given[0]:
            out[at] = value
        return bytes(out[: given[1]])

    return st.tuples(changes, st.integers(len(data) // 2, len(data))).map(change) | st.binary(max_size=200)
