"""Latency as a user feels it: from a flash in the source to the same flash read back from the virtual camera."""

import itertools
from typing import Any

import numpy as np

from tests.testbed import checks
from tests.testbed.app_run import go_live, no_room
from tests.testbed.rig import Rig, check
from tests.testbed.scenario import Scenario

FLASH_PICTURES = 6
FPS = 8


def flash_to_flash(rig: Rig) -> dict[str, Any]:
    """A person who flashes, through `run`; every change of the flash is one measurement.

    The guest is emulated: the figures compare with other runs in it, and are no promise for a real machine.
    """
    player, app, reader, _ = go_live(rig, "--fps", FPS, "--flash-every", FLASH_PICTURES)
    wanted = 12 if rig.short else 120
    seen: list[dict[str, Any]] = []
    while _changes(seen) < wanted:
        seen.append(reader.json())
    no_room(seen)
    report = app.stop()
    times = delays_ms(player.rest(), seen)
    check(len(times) >= wanted // 2, f"only {len(times)} of {wanted} flashes came through")
    p50, p95, p99 = (round(float(value), 1) for value in np.percentile(times, (50, 95, 99)))
    latency = {"flashes": len(times), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
    return {"flash_to_flash": latency, "reader_pacing": checks.intervals(seen), "run_says": report["latency_ms"],
            "emulated": True}  # fmt: skip


def delays_ms(played: list[dict[str, Any]], seen: list[dict[str, Any]]) -> list[float]:
    """For every change of the flash that was played: milliseconds until it was first seen, before the next change."""
    pairs = itertools.pairwise(played)
    changes = [(after["at_s"], after["flash"]) for before, after in pairs if before["flash"] != after["flash"]]
    ends = [at_s for at_s, _ in changes[1:]] + [float("inf")]
    delays = []
    for (began_s, flash), end_s in zip(changes, ends, strict=True):
        # A change long before the reader came would count the reader's own start.
        if not seen or began_s < seen[0]["at_s"]:
            continue
        came = [each["at_s"] for each in seen if began_s <= each["at_s"] < end_s and each["flash"] == flash]
        if came:
            delays.append((came[0] - began_s) * 1e3)
    return delays


def _changes(seen: list[dict[str, Any]]) -> int:
    return sum(a["flash"] != b["flash"] for a, b in itertools.pairwise(seen))


SCENARIOS = (Scenario("latency, flash to flash", flash_to_flash, short=True, limit_s=400.0),)
