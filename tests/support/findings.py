"""What the doctor found."""

from app.doctor import Finding


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1
    return findings[0]
