"""What ships beside the code: every picture credited, every promise of the README kept by a file or a command."""

import re
from pathlib import Path

import cv2
import pytest

from app.cli import main

ROOT = Path(__file__).resolve().parents[1]
BACKGROUNDS = sorted((ROOT / "assets" / "backgrounds").iterdir())


def test_six_backgrounds_ship() -> None:
    assert len(BACKGROUNDS) == 6


@pytest.mark.parametrize("path", BACKGROUNDS, ids=lambda path: path.name)
def test_a_background_is_credited_light_and_of_full_size(path: Path) -> None:
    credit = next(
        line for line in (ROOT / "NOTICE").read_text("utf-8").splitlines() if line.strip().startswith(path.name)
    )
    assert re.search(r"\"\w+\", \w+ \w+, 2018, (CC-BY-4\.0|CC0-1\.0)$", credit)
    assert path.stat().st_size <= 600_000
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (1080, 1920, 3)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^ {4}(\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(commands) >= 5
    assert set(commands) == set(re.findall(r"^\| `(\w+)", readme, flags=re.MULTILINE))
