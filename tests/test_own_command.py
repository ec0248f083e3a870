"""What people are told to type."""

import os
import sys
from pathlib import Path

import pytest

from app import cli
from app.ui.application import check_display
from matting_core import own_command
from matting_core.errors import UsageError
from matting_core.own_command import START

PYTHON = "py" if os.name == "nt" else "python3"


@pytest.mark.parametrize("package", ["app", "matting_core"])
def test_nobody_is_told_to_type_what_lacks_the_packages(package: str) -> None:
    sources = list((START.parents[1] / package).rglob("*.py"))
    assert sources
    assert not [path for path in sources if "python main.py" in path.read_text("utf-8")]


def test_the_script_is_named_as_shortly_as_the_folder_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert START.is_file()
    monkeypatch.chdir(START.parents[1])
    assert own_command.own_command("doctor") == f"{PYTHON} {Path('scripts') / 'start.py'} doctor"
    monkeypatch.chdir(tmp_path)
    assert own_command.own_command("doctor") == f"{PYTHON} {START} doctor"


def test_a_folder_with_a_space_is_quoted_and_an_installed_package_has_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "my apps" / "start.py"
    monkeypatch.setattr(own_command, "START", script)
    assert own_command.own_command("doctor") == "mattecam doctor"
    script.parent.mkdir()
    script.touch()
    assert own_command.own_command("doctor") == f'{PYTHON} "{script}" doctor'


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's displays")
def test_without_a_display_a_command_is_named_that_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError) as caught:
        check_display()
    arguments = caught.value.mend.partition("start.py ")[2].split()
    assert arguments[0] == "run"
    assert cli._parser().parse_args(arguments).output == "talk.mp4"
