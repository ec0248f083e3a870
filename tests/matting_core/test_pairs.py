"""Data sets made up in each layout: what is matched, what is read, and what is refused by its name."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from matting_core.errors import MediaError, UsageError
from matting_core.layouts import LAYOUTS
from matting_core.pairs import (
    Clip,
    composite_over,
    find_pairs,
    read_clip,
    read_frames,
    read_matte,
    read_pair,
)
from matting_core.pictures import write_image

PICTURE = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
MATTE = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (12, 1))


def fill(folder: Path, *names: str) -> Path:
    """Pictures under the given names, mattes where the folder is one of mattes."""
    for name in names:
        is_matte = any(part in name for part in ("matte/", "alpha/", "mask/"))
        write_image(folder / name, MATTE if is_matte else PICTURE)
    return folder


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("ppm100", ("image/a.jpg", "matte/a.jpg", "image/b.jpg", "matte/b.png")),
        ("ppm100", ("val/fg/a.jpg", "val/alpha/a.png", "val/fg/b.jpg", "val/alpha/b.png", "train/fg/c.jpg")),
        ("ppm100", ("fg/a.jpg", "alpha/a.png", "fg/b.jpg", "alpha/b.png")),
        ("p3m", ("original_image/a.jpg", "mask/a.png", "original_image/b.jpg", "mask/b.png", "trimap/a.png")),
        ("p3m", ("blurred_image/a.jpg", "mask/a.png", "blurred_image/b.jpg", "mask/b.png")),
        ("amd", ("merged/a.png", "alpha/a.png", "merged/b.png", "alpha/b.png", "fg/a.png")),
        ("pairs", ("image/a.jpg", "mask/a.png", "image/b.webp", "mask/b.png")),
        ("pairs", ("images/a.JPG", "alpha/a.png", "images/b.jpg", "alpha/b.tif")),
    ],
)
def test_each_layout_is_found_by_name_and_by_itself(layout: str, files: tuple[str, ...], tmp_path: Path) -> None:
    fill(tmp_path, *files)
    (tmp_path / files[0]).with_name(".DS_Store").write_bytes(b"")
    (tmp_path / files[0]).with_name("._a.jpg").write_bytes(b"not a picture")
    found = find_pairs(tmp_path, "auto")
    assert found == find_pairs(tmp_path, layout)
    assert found.layout == layout
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    assert [(pair.image, pair.matte) for pair in found.pairs] == [
        (tmp_path / files[0], tmp_path / files[1]),
        (tmp_path / files[2], tmp_path / files[3]),
    ]
    image, matte = read_pair(found.pairs[1])
    assert image.shape == PICTURE.shape
    assert matte.dtype == np.uint8
    assert np.abs(matte.astype(int) - MATTE).max() <= 4  # JPEG


def test_pairs_reads_what_ppm100_holds(tmp_path: Path) -> None:
    fill(tmp_path, "image/a.jpg", "matte/a.jpg")
    assert find_pairs(tmp_path, "pairs").pairs == find_pairs(tmp_path, "ppm100").pairs


def test_numbered_composites_share_their_matte(tmp_path: Path) -> None:
    fill(
        tmp_path, "merged/girl_1_0.png", "merged/girl_1_1.png", "merged/boy_0.png", "alpha/girl_1.png", "alpha/boy.png"
    )
    found = find_pairs(tmp_path)
    assert found.layout == "amd"
    assert [(pair.name, pair.matte.name) for pair in found.pairs] == [
        ("boy_0", "boy.png"),
        ("girl_1_0", "girl_1.png"),
        ("girl_1_1", "girl_1.png"),
    ]


def test_foregrounds_are_laid_over_their_backgrounds(tmp_path: Path) -> None:
    fill(tmp_path, "fg/a.png", "fg/b.png", "alpha/a.png", "alpha/b.png")
    for index in range(5):
        write_image(tmp_path / f"bg/{index}.png", np.full((30, 20, 3), 40 * index, np.uint8))
    found = find_pairs(tmp_path, "auto")
    assert found.layout == "amd"
    names = [(pair.name, pair.background.stem) for pair in found.pairs if pair.background]
    assert names == [("a_0", "0"), ("a_1", "1"), ("b_0", "2"), ("b_1", "3")]
    image, matte = read_pair(found.pairs[3])
    assert (matte == MATTE).all()
    alpha = MATTE[..., None] / 255
    assert np.abs(image - (alpha * PICTURE + (1 - alpha) * 120)).max() <= 0.51


def test_few_backgrounds_serve_again(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{folder}/{name}.png" for folder in ("fg", "alpha") for name in "abc"), "bg/x.png", "bg/y.png")
    assert [pair.background and pair.background.stem for pair in find_pairs(tmp_path).pairs] == ["x", "y", "x"]


def test_a_composite_by_hand() -> None:
    foreground, background = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    matte = np.array([[0, 51, 255]], np.uint8)
    assert composite_over(foreground, matte, background)[0, :, 0].tolist() == [100, 120, 200]


def test_a_matte_of_zeros_and_ones_is_stretched(tmp_path: Path) -> None:
    write_image(tmp_path / "ones.png", np.eye(4, dtype=np.uint8))
    assert (read_matte(tmp_path / "ones.png") == np.eye(4) * 255).all()
    write_image(tmp_path / "deep.png", np.array([[0, 0x8080, 0xFFFF]], np.uint16))
    assert read_matte(tmp_path / "deep.png").tolist() == [[0, 0x80, 0xFF]]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("image/a.jpg", "matte/a.png", "image/lonely.jpg"), "lonely.jpg has no matte"),
        (("image/a.jpg", "matte/a.png", "matte/extra.png"), "extra.png has no picture"),
        (("image/a.jpg", "image/a.png", "matte/a.png"), "a.jpg and a.png"),
        (("image/a.jpg", "matte/a/0.png"), "is a clip, and the other is a picture"),
        (("image/a/0.png", "image/a/1.png", "matte/a/0.png"), "1.png has no partner"),
        (("image/a/0.png", "matte/a/0.png", "matte/a/7.png"), "7.png has no partner"),
        (("photos/a.jpg",), "does not have the folders of any known layout"),
        (("merged/girl_x.png", "alpha/boy.png"), "girl_x.png has no matte"),
    ],
)
def test_what_does_not_match_is_named(files: tuple[str, ...], words: str, tmp_path: Path) -> None:
    fill(tmp_path, *files)
    with pytest.raises(UsageError, match=words):
        find_pairs(tmp_path)


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layout 'coco'"):
        find_pairs(tmp_path, "coco")
    with pytest.raises(UsageError, match="does not exist"):
        find_pairs(tmp_path / "gone")
    for layout in LAYOUTS:
        with pytest.raises(UsageError, match="does not have the folders"):
            find_pairs(tmp_path, layout)
    (tmp_path / "image").mkdir()
    (tmp_path / "matte").mkdir()
    with pytest.raises(UsageError, match="no pictures or clips"):
        find_pairs(tmp_path)


def test_a_corrupt_file_is_a_media_error_and_another_size_a_usage_error(tmp_path: Path) -> None:
    fill(tmp_path, "image/a.png", "matte/a.png", "image/b.png")
    (tmp_path / "matte/b.png").write_bytes(b"\x89PNG broken")
    write_image(tmp_path / "matte/a.png", MATTE[:, :-1])
    good, broken = find_pairs(tmp_path).pairs
    with pytest.raises(UsageError, match=r"a\.png is 16×12, but its matte .*a\.png is 15×12"):
        read_pair(good)
    with pytest.raises(MediaError, match=r"matte.b\.png"):
        read_pair(broken)


def film(path: Path, pictures: list[np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "gray" if pictures[0].ndim == 2 else "bgr0"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="gray" if picture.ndim == 2 else "bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_clips_are_videos_or_folders(tmp_path: Path) -> None:
    pictures, mattes = [np.roll(PICTURE, k, 1) for k in range(3)], [np.roll(MATTE, k, 1) for k in range(3)]
    film(tmp_path / "image/walk.mkv", pictures)
    film(tmp_path / "matte/walk.mkv", mattes)
    film(tmp_path / "image/sit.mkv", pictures)
    for index in range(3):
        write_image(tmp_path / f"image/wave/{index}.png", pictures[index])
        write_image(tmp_path / f"matte/wave/{index}.png", mattes[index])
        write_image(tmp_path / f"matte/sit/{index:04}.png", mattes[index])
    fill(tmp_path, "image/still.png", "matte/still.png")
    found = find_pairs(tmp_path)
    assert [pair.name for pair in found.pairs] == ["still"]
    assert [clip.name for clip in found.clips] == ["sit", "walk", "wave"]
    for clip in found.clips:
        read = list(read_clip(clip))
        assert len(read) == 3
        for k in range(3):
            assert np.abs(read[k][0].astype(int) - pictures[k]).max() <= 1
            assert (read[k][1] == mattes[k]).all()


def test_a_clip_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    long, short = film(tmp_path / "long.mkv", [MATTE] * 3), film(tmp_path / "short.mkv", [MATTE] * 2)
    narrow = film(tmp_path / "narrow.mkv", [MATTE[:, :14]] * 3)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(b"no video")
    for frames, mattes, error, words in (
        (long, short, UsageError, "has 2 mattes"),
        (short, long, UsageError, "has 2 frames"),
        (long, narrow, UsageError, "14×12"),
        (broken, long, MediaError, r"broken\.mkv"),
        (long, broken, MediaError, r"broken\.mkv"),
    ):
        with pytest.raises(error, match=words):
            list(read_clip(Clip("x", frames, mattes)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no readable picture"):
        list(read_clip(Clip("x", tmp_path / "empty", tmp_path / "empty")))


def test_a_matte_video_keeps_its_levels_also_when_compressed(tmp_path: Path) -> None:
    """H.264 mattes are limited-range YUV: black stays 0 and white 255."""
    path = tmp_path / "matte.mp4"
    flat = np.zeros((64, 64), np.uint8)
    flat[:, 32:] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(flat, format="gray").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (read,) = read_frames(path)
    grey = cv2.cvtColor(read, cv2.COLOR_BGR2GRAY)
    assert grey[:, :28].max() <= 2
    assert grey[:, 36:].min() >= 253
