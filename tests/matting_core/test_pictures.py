"""Picture files: read upright as BGR, written whole or not at all, and what is wrong said in one sentence."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from matting_core.errors import MediaError
from matting_core.pictures import read_image, write_image


def test_a_still_with_alpha_or_grey_becomes_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "rgba.png"), np.full((4, 4, 4), (1, 2, 3, 128), np.uint8))
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 4), 9, np.uint8))
    assert (read_image(tmp_path / "rgba.png") == (1, 2, 3)).all()
    assert (read_image(tmp_path / "grey.png") == (9, 9, 9)).all()


def test_a_still_is_turned_upright_by_its_exif(tmp_path: Path) -> None:
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :16] = 255  # white on the left
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    # One EXIF entry: tag 0x0112 (orientation), type SHORT, count 1, value 6: turn 90° clockwise to view.
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    upright = read_image(tmp_path / "turned.jpg")
    assert upright.shape == (32, 16, 3)
    assert upright[4].min() > 200  # white on top
    assert upright[-4].max() < 50


@pytest.mark.parametrize("name", ["ä ö 日本.png", "two.dots.jpg", "upper.PNG"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    picture = np.full((5, 7, 3), (10, 120, 240), np.uint8)
    write_image(tmp_path / name, picture)
    assert np.abs(read_image(tmp_path / name).astype(int) - picture).max() <= 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_format_that_cannot_be_written_spares_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "note.xyz"
    old.write_text("mine")
    with pytest.raises(MediaError, match="xyz"):
        write_image(old, np.zeros((2, 2, 3), np.uint8))
    assert old.read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"GIF", b"not a picture" * 50])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"x\.png"):
        read_image(path)


def test_a_missing_picture_and_a_folder_that_is_a_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MediaError, match=r"out\.png"):
        write_image(tmp_path / "file" / "out.png", np.zeros((2, 2, 3), np.uint8))
