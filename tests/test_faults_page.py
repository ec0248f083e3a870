"""The page of faults names tests that there are, and every test of a fault stands on it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^\| (\w+) \| (tests/\S+\.py) \|$", PAGE, re.MULTILINE))
NAMED = set(re.findall(r"`(\w+)::(\w+)`", PAGE))


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_page_names_exists() -> None:
    assert NAMED
    there = {(short, name) for short, path in FILES.items() for name in names_in(ROOT / path)}
    assert NAMED - there == set()


def test_every_row_of_a_fault_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    faults = [row for row in rows if not row.startswith("| --- |") and not row.endswith("| test |")]
    assert faults
    assert [row for row in faults if "::test_" not in row] == []


def test_every_test_of_a_fault_stands_on_the_page() -> None:
    files = sorted((ROOT / "tests").rglob("test_faults_*.py"))
    known = {ROOT / path for path in FILES.values()}
    assert set(files) - {Path(__file__).resolve()} <= known
    wanted = {
        (short, name) for short, path in FILES.items() if "test_faults_" in path for name in names_in(ROOT / path)
    }
    assert wanted - NAMED == set()
