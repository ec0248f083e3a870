"""The soak's arithmetic against its definitions, and the audit's rules."""

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.status import Stats
from tests.benchmarks.soak_report import FIGURES, Sample, fit_slope, unaccounted, write_report

STATS = Stats(
    captured=10, matted=7, failed=1, dropped_unmatted=2, shown=6, dropped_unsent=1, repeated=3, slates=2, sent=11
)


def samples(rise_mb_an_hour: float) -> list[Sample]:
    return [Sample(s * 10.0, 300 + rise_mb_an_hour * s / 360 + s % 2, 11, 9, 30, 40, 0) for s in range(120)]


def test_a_straight_line_is_found_without_error() -> None:
    slope = fit_slope(FIGURES[0], [0, 1800, 3600], [5, 6, 7])
    assert (slope.at_start, slope.per_hour, slope.error) == pytest.approx((5, 2, 0))
    assert not slope.too_steep


def test_the_sums_are_those_of_the_architecture() -> None:
    assert unaccounted(STATS, 10, 11) == []
    assert len(unaccounted(dataclasses.replace(STATS, shown=5), 10, 12)) == 3


@pytest.mark.parametrize(("rise", "fails"), [(0.0, False), (60.0, True)])
def test_a_report_fails_on_what_grows(tmp_path: Path, rise: float, fails: bool) -> None:
    failures = write_report(tmp_path, samples(rise), 60.0, STATS, [], {})
    assert bool(failures) == fails
    assert json.loads((tmp_path / "soak.json").read_text())["failures"] == failures
    ElementTree.parse(tmp_path / "soak.svg")


def test_the_audit_refuses_an_unknown_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "scripts"))
    import audit

    assert audit.problem("x", "MIT License") == ""
    assert audit.problem("pyvirtualcam", "GPLv2") == ""
    assert "not in the allowed list" in audit.problem("x", "Proprietary")
    assert audit.problem("x", "MPL-2.0 AND MIT") == ""
    assert audit.problem("x", "LGPL-3.0-only OR GPL-3.0-only") == ""
    assert "not in the allowed list" in audit.problem("x", "GPL-3.0-only AND MIT")
    assert "no licence" in audit.problem("x", "")
    assert {"numpy", "pydantic-core"} <= set(audit.pulled_in(["numpy", "pydantic>=2"]))
