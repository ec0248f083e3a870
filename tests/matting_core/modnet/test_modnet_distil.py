"""Distillation: the mattes that a teacher leaves for a pupil, and how they meet the true ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from matting_core.errors import UsageError
from matting_core.modnet import distil
from matting_core.pairs import find_pairs, read_pair
from matting_core.pictures import write_image

PORTRAIT = Path(distil.__file__).parents[2] / "assets" / "demo_portrait.jpg"


def test_the_true_matte_counts_where_it_is_certain() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[:, 50:] = 255
    teacher = np.full((100, 100), 77, np.uint8)
    merged = distil.merge(truth, teacher)
    # The band reaches 0.02 × 100 pixels to both sides of the edge between columns 49 and 50.
    assert np.all(merged[:, :48] == 0)
    assert np.all(merged[:, 48:52] == 77)
    assert np.all(merged[:, 52:] == 255)


def test_mattes_of_another_size_are_refused() -> None:
    with pytest.raises(UsageError, match="A true matte is 10x8, but its picture is 12x8"):
        distil.merge(np.zeros((8, 10), np.uint8), np.zeros((8, 12), np.uint8))


def test_photos_with_and_without_mattes_are_taught_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, pairs = tmp_path / "plain", tmp_path / "pairs"
    for folder in (plain, pairs / "image", pairs / "mask"):
        folder.mkdir(parents=True)
    shutil.copy(PORTRAIT, plain / "a.jpg")
    (plain / "broken.jpg").write_bytes(b"no picture")
    write_image(pairs / "image" / "a.png", np.full((64, 96, 3), 128, np.uint8))
    truth = np.zeros((64, 96), np.uint8)
    truth[:, 48:] = 255
    write_image(pairs / "mask" / "a.png", truth)
    command = [str(tmp_path / "out"), str(plain), str(pairs)]
    assert distil.main(command) == 0
    first = capsys.readouterr()
    assert '"pictures": 2, "new": 2' in first.out
    assert "broken.jpg" in first.err
    found = find_pairs(tmp_path / "out").pairs
    assert [pair.name for pair in found] == ["0_a", "1_a"]
    taught = {pair.name: read_pair(pair)[1] for pair in found}
    assert 0.05 < (taught["0_a"] > 127).mean() < 0.95  # the person of the portrait
    assert np.all(taught["1_a"][:, :40] == 0)
    assert np.all(taught["1_a"][:, 56:] == 255)
    assert distil.main(command) == 0
    assert '"pictures": 2, "new": 0' in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distil.main([str(tmp_path / "out"), "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("The folder nowhere cannot be read")
