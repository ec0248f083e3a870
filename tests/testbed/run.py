"""Runs Mattecam on real devices in a guest machine: python3 tests/testbed/run.py [--short] [--only NAME …] [--json]

Exit 0 if every scenario held, or if this machine cannot run the guest, which is said loudly; 1 if one failed.
"""

import argparse
import json
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.testbed import machine  # noqa: E402
from tests.testbed.build import Guest, build  # noqa: E402
from tests.testbed.packages import CannotRun  # noqa: E402

FOLDER = ROOT / "build" / "testbed"
PYTHON = ROOT / ".venv" / "bin" / "python"
SHORT_LIMIT_S, LONG_LIMIT_S = 420.0, 2400.0


def main(arguments: list[str] | None = None) -> int:
    """Build, start, judge; see the module's own words."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    try:
        _check_machine()
        guest = build(FOLDER / "guest", anew=options.rebuild)
        built_s = time.monotonic() - began
        report = _run(guest, options)
    except CannotRun as why:
        print(f"testbed skipped: {why}", flush=True)
        if options.json:
            print(json.dumps({"skipped": str(why)}))
        return 0
    report["build_s"] = round(built_s, 1)
    (FOLDER / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    _tell(report)
    if options.json:
        print(json.dumps(report))
    return 1 if report["failed"] else 0


def _check_machine() -> None:
    if not sys.platform.startswith("linux"):
        raise CannotRun("this is not Linux")
    if not PYTHON.exists():
        raise CannotRun("there is no .venv; run scripts/test.py first")


def _run(guest: Guest, options: argparse.Namespace) -> dict[str, Any]:
    """One start of the guest; its report, with what became of it. Raises CannotRun if it never came up."""
    out = FOLDER / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    script = [str(PYTHON), "-B", "-m", "tests.testbed.guest", "--out", "/out", "--loopback", str(guest.loopback)]
    script += ["--short"] if options.short else []
    script += [word for name in options.only for word in ("--only", name)]
    job = f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(script)}\n"
    limit_s = options.limit or (SHORT_LIMIT_S if options.short else LONG_LIMIT_S)

    def tell(line: str) -> None:
        if options.verbose or line.startswith("testbed:"):
            print(line, flush=True)

    ended = machine.run(guest, out, job, limit_s, tell)
    if not ended.up:
        raise CannotRun(f"the guest did not start ({ended.log.strip()[-300:] or 'its log is empty'})")
    report = judge(ended, out / "report.json")
    if driver_crashed(ended.log) and all(each["ok"] for each in report["scenarios"]):
        held = len(report["scenarios"])
        raise CannotRun(
            f"v4l2loopback crashed the guest's kernel, after {held} scenarios that held; see {out}/serial.log"
        )
    return report


def driver_crashed(log: str) -> bool:
    """Whether the guest's kernel died in v4l2loopback: its 0.12.7 may lose its list of buffers (its issue 532)."""
    _, bug, trace = log.partition("kernel BUG at")
    return bool(bug) and "[v4l2loopback]" in trace and "Kernel panic" in trace


def judge(ended: machine.Ended, path: Path) -> dict[str, Any]:
    """The guest's report with the names of what failed; a guest that ended without one is a failure of its own."""
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        report = {"scenarios": []}
    failed = [each["name"] for each in report["scenarios"] if not each["ok"]]
    if ended.exit_code != 0 and not failed:
        failed = ["the guest ended early" if ended.exit_code is None else f"exit code {ended.exit_code}"]
    if not report["scenarios"] and not failed:
        failed = ["nothing ran"]
    return {**report, "failed": failed, "guest_s": round(ended.seconds, 1)}


def _tell(report: dict[str, Any]) -> None:
    good = sum(each["ok"] for each in report["scenarios"])
    print(f"testbed: {good} of {len(report['scenarios'])} scenarios held, {report['guest_s']} s in the guest")
    for name in report["failed"]:
        print(f"testbed: FAILED: {name}")
    if report["failed"]:
        print(f"testbed: look at {FOLDER}/report.json and {FOLDER}/out")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="what CI runs: some minutes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="scenarios whose name has NAME")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object on the last line")
    parser.add_argument("--rebuild", action="store_true", help="build the guest from nothing")
    parser.add_argument("--verbose", action="store_true", help="show the guest's whole log")
    parser.add_argument("--limit", type=float, metavar="S", help="end the guest after S seconds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
