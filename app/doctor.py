"""The command `doctor`: what this machine has, what is wrong, and the command that fixes it.

Three states. ok: works. note: Mattecam runs, but without something that a person may want (no camera, no virtual
camera, no display). wrong: a part that should work does not; the exit code is 1. Nothing outside the standard library
is imported before it has been tried, so that a doctor can be asked on a machine where packages are missing.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

log = logging.getLogger(__name__)

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. key: snake_case, stable. what: a sentence or a fact. mend: the command, or empty."""

    key: str
    state: State
    what: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """False only for what is wrong; a note is not a failure."""
        return self.state != "wrong"


Check = Callable[[], list[Finding]]


def examine() -> tuple[Finding, ...]:
    """Run every check; a check that breaks becomes a finding of its own and stops no other. Takes some seconds."""
    from app import doctor_devices, doctor_packages

    findings: list[Finding] = []
    for check in (*doctor_packages.CHECKS, *doctor_devices.CHECKS):
        findings += _guarded(check)
    return tuple(findings)


def run(as_json: bool = False) -> int:
    """Print the report; 0 if nothing is wrong, else 1.

    as_json: one object instead, {ok, findings: [{key, state, what, mend}]}.
    """
    findings = examine()
    wrong = [finding for finding in findings if not finding.ok]
    if as_json:
        report = {"ok": not wrong, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(report, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{finding.state:5}  {finding.key.replace('_', ' ')}: {finding.what}")
            if finding.mend:
                print(f"       → {finding.mend}")
        print(f"\n{_summary(len(wrong))}")
    return 1 if wrong else 0


def _guarded(check: Check) -> list[Finding]:
    key = check.__name__.removeprefix("check_")
    try:
        return check()
    except ImportError as error:
        # The missing package has a line of its own, with the mend.
        return [Finding(key, "note", f"Not checked, because {error.name or error} cannot be loaded.")]
    except Exception as error:
        log.debug("check %s failed", key, exc_info=True)
        return [
            Finding(key, "wrong", f"This check itself failed ({type(error).__name__}: {error}).", "Please report it.")
        ]


def _summary(wrong: int) -> str:
    if not wrong:
        return "Nothing is wrong."
    return "One thing is wrong." if wrong == 1 else f"{wrong} things are wrong."
