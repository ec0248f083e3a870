"""What people are told to type."""

import os
from pathlib import Path

import pytest

from matting_core import own_command
from matting_core.own_command import START

PYTHON = "py" if os.name == "nt" else "python3"


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
