"""Runs in the guest: each scenario on fresh devices, in bounded time; writes report.json. Exit 1 if one failed."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.testbed import cameras, faults, latency, live, outputs
from tests.testbed.rig import CheckFailed, Rig, at_most
from tests.testbed.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *outputs.SCENARIOS,
    *live.SCENARIOS,
    *cameras.SCENARIOS,
    *faults.SCENARIOS,
    *latency.SCENARIOS,
)


def main() -> int:
    """Run what was asked for; a line of progress for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--loopback", type=Path, required=True, help="v4l2loopback.ko")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    chosen = [
        each
        for each in SCENARIOS
        if (any(name in each.name for name in options.only) if options.only else each.short or not options.short)
    ]
    results: list[dict[str, Any]] = []
    for scenario in chosen:
        results.append(_run(scenario, options.loopback, options.short))
        (options.out / "report.json").write_text(json.dumps({"short": options.short, "scenarios": results}))
    return 0 if all(result["ok"] for result in results) else 1


def _run(scenario: Scenario, loopback: Path, short: bool) -> dict[str, Any]:
    began = time.monotonic()
    result: dict[str, Any] = {"name": scenario.name, "ok": False}
    with tempfile.TemporaryDirectory(prefix="testbed-", ignore_cleanup_errors=True) as folder:
        rig = Rig(Path(folder), loopback, short)
        try:
            with at_most(scenario.limit_s):
                rig.fresh_devices()
                result["facts"] = scenario.play(rig)
            result["ok"] = True
        except CheckFailed as error:
            result["problem"] = str(error)
        except Exception:  # a scenario's own bug must not keep the others from running
            result["problem"] = traceback.format_exc()
        finally:
            rig.close()
    result["seconds"] = round(time.monotonic() - began, 1)
    told = "held" if result["ok"] else f"FAILED: {result['problem']}"
    print(f"testbed: {scenario.name}: {told} ({result['seconds']} s)", flush=True)
    if "facts" in result:
        print(f"facts: {json.dumps(result['facts'])}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
