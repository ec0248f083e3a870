"""Lists every package that the app pulls in, with version and licence, and fails on a licence that nobody has reviewed.

.venv/bin/python scripts/audit.py

Then asks pip-audit for known vulnerabilities, where it is installed and can reach its database; says so where not.
NOTICE says what the licences ask for.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Words that a licence's name may have; a name that has none of them is refused.
ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|Zlib|Unlicense|CC0|MPL|Mozilla|HPND|LGPL|0BSD)\b",
    re.IGNORECASE,
)
# What NOTICE treats by name: more than the licences above, and why it is no trouble.
SETTLED = {
    "pyvirtualcam": "GPL-2.0; installed by the user's pip, never bundled, imported by one module",
}
SETTLED_PREFIXES = ("nvidia-",)
"""NVIDIA's own terms; GPU builds only, installed by pip."""
AUDIT_S = 120


def canonical(name: str) -> str:
    """A distribution's name as packaging compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pulled_in(roots: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The installed distributions of these requirements and of all that they need, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(roots)
    while waiting:
        requirement = waiting.pop()
        if "extra ==" in requirement:
            continue
        name = canonical(re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0])
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system, or an extra that is not installed
        found[name] = distribution
        waiting += distribution.requires or []
    return found


def licence(distribution: metadata.Distribution) -> str:
    """What a distribution's metadata say of its licence, in one line; empty if nothing."""
    about = distribution.metadata
    said = [*(about.get_all("License-Expression") or []), *(about.get_all("License") or [])]
    said = [text.strip().partition("\n")[0][:100] for text in said]
    said += [
        line.rpartition("::")[2].strip() for line in about.get_all("Classifier") or [] if line.startswith("License")
    ]
    return next((text for text in said if text and text not in ("UNKNOWN", "OSI Approved")), "")


def problem(name: str, text: str) -> str:
    """Why a package's licence is not settled, or empty."""
    parts = re.split(r"\bAND\b", text)
    if name in SETTLED or name.startswith(SETTLED_PREFIXES) or all(ALLOWED.search(part) for part in parts):
        return ""
    return f"{name} is under '{text or 'no licence that its metadata name'}', which is not in the allowed list"


def known_holes() -> tuple[bool, str]:
    """Whether pip-audit found none, and what to say. Not being able to ask is not a failure."""
    not_asked = "AUDIT: known vulnerabilities were NOT checked:"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--local", "--skip-editable"],
            capture_output=True,
            text=True,
            timeout=AUDIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True, f"{not_asked} pip-audit did not answer within {AUDIT_S} s."
    if done.returncode == 0:
        return True, "pip-audit knows of no vulnerability."
    if "No module named" in done.stderr:
        return True, f"{not_asked} pip-audit is not installed (pip install pip-audit)."
    if "known vulnerabilit" in done.stderr and "Found" in done.stderr:
        return False, f"pip-audit found vulnerabilities:\n{done.stdout}"
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return True, f"{not_asked} the database cannot be reached ({last})."


def main() -> int:
    """Print the list; 1 if a licence is not settled, or a vulnerability is known."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    packages = pulled_in([*project["dependencies"], *extras["cpu"], *extras["cuda"]])
    problems = []
    for name, distribution in sorted(packages.items()):
        text = licence(distribution)
        print(f"{name} {distribution.version}: {text}{' (see NOTICE)' if name in SETTLED else ''}")
        problems.append(problem(name, text))
    clean, said = known_holes()
    print(said)
    failures = [text for text in problems if text]
    for text in failures:
        print(f"audit: {text}; read it, then add it to scripts/audit.py and NOTICE.", file=sys.stderr)
    return 1 if failures or not clean else 0


if __name__ == "__main__":
    sys.exit(main())
