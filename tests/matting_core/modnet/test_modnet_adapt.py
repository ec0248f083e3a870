"""SOC on a small network and a made-up room: what is held out, what is learnt, what is measured, what is kept."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app import adapt_command
from app import settings as settings_file
from app.cli import main
from app.settings import Settings
from matting_core.engine import create_engine
from matting_core.errors import UsageError
from matting_core.model_store import ModelStore
from matting_core.modnet import adapt as soc
from matting_core.modnet import adapt_quality, heads
from matting_core.modnet.adapt import AdaptOptions, Progress, adapt, split_clip
from matting_core.modnet.adapt_compare import PLAIN_BGR, over_plain, write_comparison
from matting_core.modnet.adapt_quality import Quality, measure, verdict
from matting_core.modnet.heads import fit_heads
from matting_core.modnet.losses import boundary_band, reduce_matte, soc_losses
from matting_core.modnet.model import MODNet, ModnetConfig, Prediction
from matting_core.modnet.weights import HEADS, Loaded
from matting_core.pictures import write_image
from matting_core.preprocess import shrink, to_blob

SIZE = (64, 96)


def picture(shift: int, person: bool = True) -> Tensor:
    """A bright person in a dark room with some texture, 3×64×96 in [−1, 1]."""
    room = np.random.default_rng(1).uniform(-1, -0.6, (3, *SIZE)).astype(np.float32)
    if person:
        room[:, 16:, 30 + shift : 60 + shift] = np.random.default_rng(2).uniform(0.5, 1, (3, 48, 30))
    return torch.from_numpy(room)


def clip_of(count: int, without: frozenset[int] = frozenset()) -> list[Tensor]:
    return [picture(index % 8, index not in without) for index in range(count)]


@pytest.fixture(scope="module")
def seeing() -> Loaded:
    """A small network that takes whatever is bright for the person; its heads are random, and so is all the rest."""
    torch.manual_seed(3)
    model = MODNet(ModnetConfig(detail_width=8, backbone_width=0.1)).eval()
    first, last = (block.layers[0] for block in model.f_branch.conv_f)
    with torch.no_grad():
        first.weight *= 0.01  # what comes from the branches still has a gradient
        first.weight[0, -3:, 1, 1] = 1.0
        last.weight *= 0.01
        last.weight[0, 0] = 10.0
        last.bias[:] = -6.0
        matte = model.matte(picture(0)[None])
        assert matte[..., 16:, 31:59].mean() > 0.95 and matte[..., :16, :].mean() < 0.05
    return Loaded(model, False, {})


@pytest.mark.parametrize("count", [soc.SHORTEST_CLIP, 60, 97, 300])
def test_what_is_measured_on_was_not_learnt_from(count: int) -> None:
    split = split_clip(count)
    held_out = [index for run in split.held_out for index in run]
    assert len(split.held_out) == 4
    assert all(len(run) >= 2 and list(run) == list(range(run[0], run[0] + len(run))) for run in split.held_out)
    assert 8 <= len(split.training) <= 60
    assert len(set(held_out)) == len(held_out)
    assert min(abs(one - other) for one in held_out for other in split.training) > soc.GAP
    assert min(held_out) >= 0 and max(held_out) < count and max(split.training) < count


def test_a_clip_of_three_pictures_is_too_short(seeing: Loaded) -> None:
    with pytest.raises(UsageError, match="3 pictures are too few"):
        adapt(seeing, clip_of(3))


def test_a_clip_that_shows_nobody_or_hardly_anybody(seeing: Loaded) -> None:
    with pytest.raises(UsageError, match="The clip shows nobody"):
        adapt(seeing, clip_of(40, frozenset(range(40))))
    with pytest.raises(UsageError, match="Only"):
        adapt(seeing, clip_of(40, frozenset(range(6, 40))))


def test_it_adapts_a_copy_the_same_way_each_time(seeing: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "PASSES", 1)
    before = copy.deepcopy(seeing.model.state_dict())
    told: list[Progress] = []
    options = AdaptOptions(epochs=2)
    adapted = adapt(seeing, clip_of(40, frozenset({0})), options, told.append)
    assert all(torch.equal(value, seeing.model.state_dict()[name]) for name, value in before.items())
    assert adapted.without_person == 1
    assert (adapted.epochs, adapted.frames) == (2, len(split_clip(40).training) - 1)
    after = adapted.model.state_dict()
    changed = [name for name, value in adapted.original.state_dict().items() if not torch.equal(value, after[name])]
    assert changed
    assert not [name for name in changed if "running" in name], "norms are frozen"
    assert not adapted.model.training
    adapting = [progress for progress in told if progress.stage == "adapting"]
    assert [progress.done for progress in adapting] == list(range(adapting[0].total + 1))
    assert adapting[0].total == adapted.epochs * adapted.frames
    assert adapting[0].left_s is not None and adapting[-1].left_s == 0
    again = adapt(seeing, clip_of(40, frozenset({0})), options)
    assert all(torch.equal(value, again.model.state_dict()[name]) for name, value in after.items())


def test_a_step_is_adams_first_step_down_the_soc_loss(seeing: Loaded) -> None:
    """Adam's first step moves every weight by the learning rate against its gradient's sign."""
    frozen = copy.deepcopy(seeing.model)
    model = copy.deepcopy(seeing.model)
    image = picture(2)[None]
    soc._step(model, frozen, soc._optimiser(model), image)
    expected = copy.deepcopy(seeing.model).train()
    expected.freeze_norms()
    with torch.no_grad():
        target = frozen(image)
    soc_losses(expected(image), target).total.backward()
    for (name, before), after in zip(expected.named_parameters(), model.parameters(), strict=True):
        assert before.grad is not None, name
        clear = before.grad.abs() > 1e-4
        moved = (after - before)[clear]
        assert torch.allclose(moved, -1e-5 * before.grad[clear].sign(), atol=1e-6), name


def test_a_picture_with_an_empty_band_teaches_nothing(seeing: Loaded) -> None:
    model = copy.deepcopy(seeing.model)
    with torch.no_grad():
        model.f_branch.conv_f[1].layers[0].bias.fill_(-50)
    before = copy.deepcopy(model.state_dict())
    soc._step(model, copy.deepcopy(model), soc._optimiser(model), picture(0)[None])
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize(
    ("limit_s", "expected"),
    [(None, (10, 40)), (1000.0, (10, 40)), (110.0, (10, 10)), (50.0, (5, 8)), (18.5, (1, 8))],
)
def test_the_plan_keeps_the_limit(
    seeing: Loaded, monkeypatch: pytest.MonkeyPatch, limit_s: float | None, expected: tuple[int, int]
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(soc.time, "monotonic", lambda: next(clock))  # a step takes one second
    epochs, frames, step_s = soc._plan(
        seeing.model, clip_of(40), tuple(range(40)), AdaptOptions(seconds_limit=limit_s), spent_s=10.0
    )
    assert (epochs, frames) == expected
    assert step_s == 1
    assert limit_s is None or epochs * frames * step_s <= limit_s - 10


def test_too_little_time_is_said(seeing: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(soc.time, "monotonic", lambda: next(clock))
    with pytest.raises(UsageError, match="15 seconds are too few"):
        soc._plan(seeing.model, clip_of(40), tuple(range(40)), AdaptOptions(seconds_limit=15.0), spent_s=10.0)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": 9999}, {"seconds_limit": 0.0}])
def test_options_that_cannot_be_meant(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        AdaptOptions(**options)  # type: ignore[arg-type]


def test_fitted_heads_read_the_networks_own_matte_and_change_nothing_else(seeing: Loaded) -> None:
    model = copy.deepcopy(seeing.model)
    pictures = [picture(shift)[None] for shift in range(12)]

    def errors() -> tuple[float, float]:
        with torch.no_grad():
            semantic, detail, matte = model(picture(5)[None])
        reduced = reduce_matte(matte)
        band = boundary_band(Prediction(reduced, detail, matte)) > 0
        return float((semantic - reduced).abs().mean()), float((detail - matte)[band].abs().mean())

    before = errors()
    told: list[tuple[int, int]] = []
    fit_heads(model, pictures, lambda done, total: told.append((done, total)))
    after = errors()
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]
    assert told[-1][0] == told[-1][1] == len(told)
    old, new = seeing.model.state_dict(), model.state_dict()
    assert {name for name in new if not torch.equal(old[name], new[name])} <= {
        name for name in new if name.startswith(HEADS)
    }
    assert all(parameter.grad is None for parameter in model.parameters())


class Answers(torch.nn.Module):
    """Stands in for a network: the matte is the picture's red channel, the semantic map is 0.25 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> Prediction:
        matte = image[:, :1]
        return Prediction(torch.full_like(matte[..., ::16, ::16], 0.25), matte, matte)


def test_measured_by_hand() -> None:
    """Left half of the second picture moves by far, the right half by less than two levels."""
    first = torch.full((3, 64, 64), 0.5)
    second = first.clone()
    second[:, :, :32] = 1.0
    second[0, :, 32:] += 4 / 127.5  # 4 levels in one of three channels: 4/3 on the mean
    found = measure(Answers(), [first, second], [(0, 1)])  # type: ignore[arg-type]
    assert found.flicker == pytest.approx(4 / 127.5, rel=1e-4)
    assert found.person == pytest.approx((0.5 + (1.0 + 0.5 + 4 / 127.5) / 2) / 2, rel=1e-5)
    with torch.no_grad():
        expected = [float((0.25 - reduce_matte(one[None, :1])).abs().mean()) for one in (first, second)]
    assert found.disagreement == pytest.approx(sum(expected) / 2, rel=1e-5)
    alone = measure(Answers(), [first, second], [(0,), (1,)])  # type: ignore[arg-type]
    assert alone.flicker is None


def test_pictures_of_two_sizes_are_not_compared() -> None:
    found = measure(Answers(), [torch.zeros(3, 64, 64), torch.zeros(3, 64, 96)], [(0, 1)])  # type: ignore[arg-type]
    assert found.flicker is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (Quality(0.009, 0.005, 0.3), ""),
        (Quality(0.0099, 0.004, 0.3), "no better"),
        (Quality(0.005, 0.0052, 0.3), "flicker"),
        (Quality(0.0, 0.0, 0.0), "cover 0.0%"),
        (Quality(0.001, 0.001, 0.5), "cover 50.0%"),
        (Quality(math.nan, 0.001, 0.3), "no better"),
        (Quality(0.005, math.nan, 0.3), "flicker"),
        (Quality(0.005, 0.001, math.nan), "cover"),
    ],
)
def test_only_what_is_better_is_kept(after: Quality, reason: str) -> None:
    said = verdict(Quality(0.01, 0.005, 0.3), after)
    assert reason in said
    assert bool(said) == bool(reason)


def test_without_still_places_flicker_does_not_count() -> None:
    assert verdict(Quality(0.01, None, 0.3), Quality(0.005, None, 0.3)) == ""


def test_the_comparison_shows_no_room(seeing: Loaded, tmp_path: Path) -> None:
    shown = over_plain(picture(0), np.zeros(SIZE, np.float32))
    assert (shown == PLAIN_BGR).all()
    whole = over_plain(torch.stack([torch.full(SIZE, value) for value in (1.0, 0.0, -1.0)]), np.ones(SIZE, np.float32))
    assert whole[0, 0].tolist() == [0, 128, 255], "RGB in, BGR out"
    adapted = adapt(seeing, clip_of(40), AdaptOptions(epochs=1))
    assert write_comparison(adapted, clip_of(40), tmp_path / "seen") == 4
    names = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert names[:2] == ["1-after.png", "1-before.png"] and len(names) == 8


def test_the_command_with_the_shipped_network(
    tmp_path: Path, portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: pictures in, an adapted model in the user's store that an engine runs, and pictures to compare."""
    monkeypatch.setattr(heads, "PASSES", 1)
    monkeypatch.setattr(soc, "HEAD_FRAMES", 2)
    monkeypatch.setattr(adapt_command, "_make_way", lambda: None)
    monkeypatch.setattr(adapt_quality, "verdict", lambda _before, _after: "")
    settings_file.save(Settings(preset="fast"))
    for index in range(soc.SHORTEST_CLIP):
        write_image(tmp_path / "clip" / f"{index:02}.png", portrait[:, 96 + index // 4 : 288 + index // 4])
    (tmp_path / "clip" / "torn.png").write_bytes(b"no picture")
    arguments = ["--epochs", "1", "--compare", str(tmp_path / "seen"), "--output", "den", "--json"]
    assert main(["adapt", str(tmp_path / "clip"), *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["kept"] is True
    assert len(result["skipped"]) == 1 and "torn.png" in result["skipped"][0]
    assert result["before"]["disagreement"] > 0
    assert len(list((tmp_path / "seen").iterdir())) == 8
    blob = to_blob(shrink(portrait, (128, 96)))
    store = ModelStore()
    before, after = (create_engine("cpu", store.locate(name)) for name in ("modnet_photographic", "den"))
    difference = np.abs(before.predict(blob) - after.predict(blob))
    assert 0 < difference.mean() < 0.05, "one pass moves it a little"
    before.close()
    after.close()
