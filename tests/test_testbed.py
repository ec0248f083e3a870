"""How the testbed judges a guest machine, without one: nothing may pass that did not say that it did."""

import json
from pathlib import Path

import pytest

from tests.testbed.machine import Ended, exit_code
from tests.testbed.run import driver_crashed, judge

HELD = {"name": "a", "ok": True}
FAILED = {"name": "b", "ok": False}


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("", None),
        ("testbed: up\n", None),
        ("testbed: up\nMATTECAM-TESTBED-EXIT=0\n", 0),
        ("MATTECAM-TESTBED-EXIT=1 \nreboot\n", 1),
        ("echo MATTECAM-TESTBED-EXIT=0\n", None),
        ("MATTECAM-TESTBED-EXIT=0\nMATTECAM-TESTBED-EXIT=3\n", 3),
    ],
)
def test_the_exit_code_is_what_a_line_of_its_own_says(log: str, code: int | None) -> None:
    assert exit_code(log) == code


@pytest.mark.parametrize(
    ("code", "scenarios", "failed"),
    [
        (0, [HELD], []),
        (1, [HELD, FAILED], ["b"]),
        (0, [HELD, FAILED], ["b"]),
        (1, [HELD], ["exit code 1"]),
        (None, [HELD], ["the guest ended early"]),
        (0, [], ["nothing ran"]),
        (None, None, ["the guest ended early"]),
    ],
)
def test_a_guest_passes_only_by_its_exit_code_and_its_report(
    code: int | None, scenarios: list[dict[str, object]] | None, failed: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    if scenarios is not None:
        path.write_text(json.dumps({"scenarios": scenarios}))
    assert judge(Ended(True, code, 1.0, ""), path)["failed"] == failed


@pytest.mark.parametrize(
    ("log", "crashed"),
    [
        (
            "kernel BUG at lib/list_debug.c:53!\n buffer_written+0x69/0xe0 [v4l2loopback]\nKernel panic - not syncing",
            True,
        ),
        ("kernel BUG at lib/list_debug.c:53!\n vb2_core_qbuf+0x1/0x2 [videobuf2_common]\nKernel panic", False),
        ("Modules linked in: [v4l2loopback]\nKernel panic - not syncing: Attempted to kill init!", False),
        ("testbed: up", False),
    ],
)
def test_only_the_drivers_own_crash_is_no_verdict_on_mattecam(log: str, crashed: bool) -> None:
    assert driver_crashed(log) is crashed
