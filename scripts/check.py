"""Runs every check that is not a test, and fails if one of them fails: python3 scripts/check.py"""

import subprocess
import sys

import bootstrap

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def main() -> int:
    """Run all checks, also after one has failed; 1 if any did."""
    with bootstrap.in_one_sentence():
        bootstrap.prepare(extras=["dev"])
    failed = []
    for tool, *arguments in CHECKS:
        name = " ".join([tool, *arguments])
        print(f"== {name}", flush=True)
        suffix = ".exe" if sys.platform == "win32" else ""
        command = [str(bootstrap.BIN / f"{tool}{suffix}"), *arguments]
        if subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode:
            failed.append(name)
    print("== audit", flush=True)
    if subprocess.run([str(bootstrap.PYTHON), "scripts/audit.py"], cwd=bootstrap.ROOT, check=False).returncode:
        failed.append("audit")
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
