"""Training data made up in a folder: what a sample holds, that it repeats exactly, and what is skipped or refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from matting_core.errors import MediaError, UsageError
from matting_core.modnet import data
from matting_core.modnet.augment import ZOOM_IN, WebcamLook
from matting_core.modnet.data import (
    EpochSampler,
    MattingDataset,
    Sample,
    UnlabelledDataset,
    ValidationDataset,
    read_foreground,
    readable_pairs,
)
from matting_core.pairs import Pair, find_pairs
from matting_core.pictures import read_image, write_image

GREEN, BLUE = (40, 200, 60), (220, 60, 20)
SIZE = (64, 96)


def person(height: int = 120, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A green person with a soft outline before a blue room: I = αF + (1 − α)B, and α."""
    matte = np.zeros((height, width), np.uint8)
    cv2.ellipse(matte, (width // 2, height // 2), (width // 4, height // 3), 0, 0, 360, 255, -1)
    matte = cv2.GaussianBlur(matte, (0, 0), 2)
    alpha = matte[..., None] / 255
    return np.rint(alpha * GREEN + (1 - alpha) * np.array(BLUE)).astype(np.uint8), matte


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(6):
        image, matte = person(120 + 4 * index)
        write_image(tmp_path / f"image/{index}.png", image)
        write_image(tmp_path / f"matte/{index}.png", matte)
    for index in range(2):
        write_image(tmp_path / f"rooms/{index}.png", np.full((70, 130, 3), (10, 30 * index, 240), np.uint8))
    return tmp_path


@pytest.fixture
def pairs(folder: Path) -> tuple[Pair, ...]:
    return find_pairs(folder).pairs


@pytest.fixture
def rooms(folder: Path) -> list[Path]:
    return sorted((folder / "rooms").iterdir())


def same(one: Sample, other: Sample) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_sample_is_what_the_network_takes(pairs: tuple[Pair, ...], rooms: list[Path]) -> None:
    samples = MattingDataset(pairs, SIZE, 7, rooms, WebcamLook())
    for epoch in range(4):
        for index in range(len(samples)):
            image, matte, trimap = samples[(epoch, index)]
            assert (image.shape, matte.shape, trimap.shape) == ((3, *SIZE), (1, *SIZE), (1, *SIZE))
            assert {image.dtype, matte.dtype, trimap.dtype} == {torch.float32}
            assert image.min() >= -1
            assert image.max() <= 1
            assert matte.min() >= 0
            assert matte.max() <= 1
            assert set(trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
            assert (matte[trimap == 1] >= 0.95).all()
            assert (matte[trimap == 0] <= 0.05).all()


def test_seed_epoch_and_index_alone_decide(pairs: tuple[Pair, ...], rooms: list[Path]) -> None:
    def fresh(seed: int) -> MattingDataset:
        return MattingDataset(pairs, SIZE, seed, rooms, WebcamLook())

    first, second = fresh(7), fresh(7)
    for index in (3, 0, 5):
        second[(0, index)]  # what was asked for before does not matter
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    samples = [first[(1, index)] for index in range(6)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(same(samples[index], second[(1, index)]) for index in reversed(range(6)))
    assert not same(samples[0], first[(2, 0)])
    assert not same(samples[0], fresh(8)[(1, 0)])
    assert not torch.equal(samples[0].trimap, first[(2, 0)].trimap)


def test_so_many_of_the_samples_get_a_webcams_faults(pairs: tuple[Pair, ...]) -> None:
    perfect, faulty, mixed = (MattingDataset(pairs, SIZE, 7, (), WebcamLook(), share) for share in (0.0, 1.0, 0.5))
    keys = [(epoch, index) for epoch in range(5) for index in range(6)]
    spared = [same(mixed[key], perfect[key]) for key in keys]
    assert 5 < sum(spared) < 25
    assert all(same(mixed[key], faulty[key]) for key, good in zip(keys, spared, strict=True) if not good)


def test_worker_processes_give_the_same_batches(pairs: tuple[Pair, ...], rooms: list[Path]) -> None:
    samples = MattingDataset(pairs, SIZE, 7, rooms, WebcamLook())
    sampler = EpochSampler(len(samples), 7)
    loader = DataLoader(samples, batch_size=2, sampler=sampler, num_workers=1, persistent_workers=True,
                        multiprocessing_context="spawn")  # fmt: skip
    for epoch in range(2):
        sampler.epoch = epoch
        for keys, batch in zip(_batches(list(sampler), 2), loader, strict=True):
            assert isinstance(batch, Sample)
            for row, key in enumerate(keys):
                assert same(Sample(*(part[row] for part in batch)), samples[key])
    del loader


def _batches(keys: list, size: int) -> list[list]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def test_an_interrupted_epoch_goes_on_where_it_was() -> None:
    sampler = EpochSampler(10, seed=3)
    sampler.epoch = 4
    whole = list(sampler)
    assert sorted(whole) == [(4, index) for index in range(10)]
    sampler.skip = 6
    assert list(sampler) == whole[6:]
    assert len(sampler) == 4
    sampler.skip, sampler.epoch = 0, 5
    assert [index for _, index in sampler] != [index for _, index in whole]


def test_a_composite_has_no_halo_of_the_old_room(
    pairs: tuple[Pair, ...], rooms: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old room alone is blue: what of it were left in the person's colours would show in the outline."""
    monkeypatch.setattr(data, "COMPOSITE_SHARE", 1.0)
    samples = MattingDataset(pairs, SIZE, 7, rooms, None)
    mixed = 0
    for index in range(6):
        image, matte, _ = samples[(0, index)]
        rgb, alpha = (image.numpy() + 1) * 127.5, matte.numpy()
        excess = rgb[2] - (GREEN[0] * alpha[0] + 10 * (1 - alpha[0]))
        halo = alpha[0] * (1 - alpha[0]) * (BLUE[0] - GREEN[0])  # what laying the photo itself there would give
        soft = (alpha[0] > 0.2) & (alpha[0] < 0.8)
        mixed += int(soft.sum())
        assert excess.max() < 24
        assert excess[soft].mean() < 0.35 * halo[soft].mean()
    assert mixed > 100


def test_a_large_room_is_kept_small_enough_and_no_smaller(tmp_path: Path) -> None:
    """Its narrowest view shows at least as many pixels as a sample has, and a small one's stay as they are."""
    random = np.random.default_rng(0)
    for name, height, kept in (("large", 1200, 150), ("small", 120, 120)):
        room = random.integers(0, 256, (height, height + 40, 3), np.uint8)
        write_image(tmp_path / f"{name}.png", room)
        seen = data._room(tmp_path / f"{name}.png", 64)
        assert seen.shape[0] == kept
        assert abs(float(seen.mean()) - float(room.mean())) < 0.5
    assert 150 * ZOOM_IN > 64
    (tmp_path / "small.png").unlink()
    assert data._room(tmp_path / "small.png", 64) is seen


def test_without_backgrounds_a_sample_is_the_photo(pairs: tuple[Pair, ...]) -> None:
    samples = MattingDataset(pairs, SIZE, 7)
    for index in range(6):
        image, matte, _ = samples[(0, index)]
        alpha = matte.numpy()
        expected = [alpha * green + (1 - alpha) * blue for green, blue in zip(GREEN[::-1], BLUE[::-1], strict=True)]
        assert np.abs((image.numpy() + 1) * 127.5 - np.concatenate(expected)).max() <= 4


def test_a_foreground_is_taken_as_it_is(tmp_path: Path) -> None:
    image, matte = person()
    for name, picture in (("fg/a.png", image), ("alpha/a.png", matte), ("bg/x.png", image)):
        write_image(tmp_path / name, picture)
    (pair,) = find_pairs(tmp_path, "amd").pairs
    assert (read_foreground(pair)[0] == image).all()
    photo = Pair("a", pair.image, pair.matte)
    edge = (matte > 60) & (matte < 200)
    estimated = read_foreground(photo)[0]
    assert np.abs(estimated[edge].astype(int) - GREEN).mean() < np.abs(image[edge].astype(int) - GREEN).mean() / 4


def test_validation_is_the_whole_picture_as_in_use(pairs: tuple[Pair, ...]) -> None:
    samples = ValidationDataset(pairs, 128)
    image, matte, trimap = samples[0]
    assert image.shape == (3, 128, 96)
    assert matte.shape == trimap.shape == (1, 128, 96)
    assert same(samples[0], samples[0])
    alpha = person()[1].mean() / 255
    assert float(matte.mean()) == pytest.approx(alpha, abs=0.01)
    green = (image[1] + 1) * 127.5
    assert float(green[64, 48]) == pytest.approx(GREEN[1], abs=1)
    assert float(green[0, 0]) == pytest.approx(BLUE[1], abs=1)


def test_what_cannot_be_read_is_named_and_counted(folder: Path) -> None:
    (folder / "matte/2.png").write_bytes(b"broken")
    (folder / "image/4.png").write_bytes(b"")
    good, skipped = readable_pairs(find_pairs(folder).pairs)
    assert [pair.name for pair in good] == ["0", "1", "3", "5"]
    assert len(skipped) == 2
    assert str(folder / "matte" / "2.png") in skipped[0]
    assert str(folder / "image" / "4.png") in skipped[1]
    write_image(folder / "matte/0.png", person()[1][:, :-1])
    with pytest.raises(UsageError, match=r"0\.png is 90×120, but its matte .* is 89×120"):
        readable_pairs(find_pairs(folder).pairs)
    for name in "0135":
        (folder / f"image/{name}.png").write_bytes(b"broken")
    with pytest.raises(UsageError, match="None of 6 pictures"):
        readable_pairs(find_pairs(folder).pairs)


def test_a_file_that_breaks_later_is_named(pairs: tuple[Pair, ...]) -> None:
    samples = MattingDataset(pairs, SIZE, 7)
    pairs[1].image.write_bytes(b"broken")
    with pytest.raises(MediaError, match=r"1\.png"):
        samples[(0, 1)]


def test_unlabelled_pictures_and_clips(folder: Path, tmp_path: Path) -> None:
    import av

    (folder / "image/3.png").write_bytes(b"broken")
    pictures = UnlabelledDataset(folder / "image", 64)
    assert len(pictures) == 5
    assert len(pictures.skipped) == 1
    assert "3.png" in pictures.skipped[0]
    assert pictures[0].shape == (3, 64, 64)
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "bgr0"
        for index in range(23):
            frame = np.full((64, 128, 3), 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))
    whole, few = UnlabelledDataset(film, 128), UnlabelledDataset(film, 64, most=4)
    assert len(whole) == 23
    assert whole[22].shape == (3, 64, 128)
    assert float(whole[22].mean()) == pytest.approx(220 / 127.5 - 1, abs=0.01)
    levels = [round((float(frame.mean()) + 1) * 12.75) for frame in (few[index] for index in range(4))]
    assert few[0].shape == (3, 32, 64)
    assert levels == sorted(set(levels))
    assert levels[0] == 0
    assert levels[-1] >= 14
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="no readable pictures"):
        UnlabelledDataset(tmp_path / "nothing", 64)
    with pytest.raises(MediaError, match=r"0.txt cannot be read \(No such file"):
        UnlabelledDataset(folder / "image/0.txt", 64)
    assert read_image(folder / "image/0.png").shape == (120, 90, 3)
