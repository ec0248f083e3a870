"""Recordings and snapshots take no name that is taken."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import new_file as module
from app.new_file import new_file
from matting_core.errors import MediaError


def test_names_tell_the_time_and_are_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = (2026, 11, 23, 23, 59, 1, 0, 0, 0)
    monkeypatch.setattr(module, "time", SimpleNamespace(strftime=lambda form: time.strftime(form, moment)))
    folder = tmp_path / "Videos"
    first = new_file(folder, ".mp4")
    assert first == folder / "Mattecam 2026-11-23 23.59.01.mp4"
    first.touch()
    assert new_file(folder, ".mp4").name == "Mattecam 2026-11-23 23.59.01 (2).mp4"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "Videos").touch()
    with pytest.raises(MediaError, match=r"The folder .*Videos cannot be created"):
        new_file(tmp_path / "Videos", ".mp4")
