"""Memory that was freed is given back, also where the C library would keep it."""

import platform

import numpy as np
import psutil
import pytest

from app import network_loader
from app.memory import give_back
from app.network_loader import NetworkLoader, Plan
from matting_core.presets import PRESETS


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have a rule of their own")
def test_freed_memory_goes_back_to_the_system() -> None:
    held = [np.ones(3000) for _ in range(4000)]
    last = held.pop()  # what lies on top keeps glibc from giving the rest back
    held.clear()
    before = psutil.Process().memory_info().rss
    give_back()
    assert before - psutil.Process().memory_info().rss > 50e6
    assert last.all()


def test_it_is_given_back_before_a_network_is_loaded_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(network_loader, "give_back", lambda: order.append("given back"))
    loader = NetworkLoader(lambda plan: order.append("loaded"))  # type: ignore[arg-type, func-returns-value]
    loader.begin(Plan(PRESETS["fast"], "cpu"))
    loader.close()
    assert order == ["given back", "loaded", "given back"]
