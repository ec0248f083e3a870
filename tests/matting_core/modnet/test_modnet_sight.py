"""A slim network's sight: the narrowing that loses least, and features that come near its teacher's."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_fixtures import CPU, PUPIL, make_people, make_released, random_pictures, train, write_config

from matting_core.errors import ModelError
from matting_core.modnet import begin, sight
from matting_core.modnet.blocks import resize
from matting_core.modnet.model import HEADS, MODNet, ModnetConfig
from matting_core.modnet.sight import fit_sight, give_sight
from matting_core.modnet.slim import NARROW_16X
from matting_core.modnet.teacher import Teacher
from matting_core.modnet.train_config import OptimiserConfig
from matting_core.modnet.weights import load_network

RULE = OptimiserConfig(name="adam", learning_rate=1e-3, schedule="cosine", gradient_clip=5)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    return make_released(tmp_path / "released.ckpt")


def test_what_a_pupil_sees_is_what_its_teacher_sees(released: Path) -> None:
    """Of few pictures, whose features have fewer directions than NARROW_16X, nothing is lost."""
    pictures, pupil, teacher = random_pictures(3), MODNet(PUPIL).eval(), load_network(released).model
    give_sight(Teacher(released, CPU), pupil, pictures)
    with torch.inference_mode():
        for picture in pictures:
            expected, seen = (model.lr_branch(model.backbone(picture).last) for model in (teacher, pupil))
            torch.testing.assert_close(seen, expected, atol=1e-3, rtol=0)
    assert float(expected.std()) > 0.1


def _losses(whole: Tensor, narrow: Tensor, factor: Tensor, features: list[Tensor]) -> tuple[float, float]:
    """The mean square that a narrowing loses of what taps make of features, and that the best blind one loses."""
    rows, factors = (weight.double().permute(0, 2, 3, 1).flatten(0, 2) for weight in (whole, factor))
    channels = factors.shape[1]
    u, s, v = torch.linalg.svd(rows, full_matrices=False)
    blind = u[:, :channels] @ torch.diag(s[:channels]) @ v[:channels]
    seen = torch.cat([each.flatten(2)[0] for each in features], dim=1).double()
    narrowed = factors @ narrow[:, :, 0, 0].double()
    lost, lost_blind = (float((seen.T @ (rows - each).T).square().mean()) for each in (narrowed, blind))
    return lost, lost_blind


@torch.no_grad()
def test_of_many_pictures_the_nearest_narrowing_is_taken(released: Path) -> None:
    """It loses less than the best that does not look at the pictures, which are of few directions here."""
    pictures, pupil, teacher = random_pictures(60), MODNet(PUPIL).eval(), load_network(released).model
    give_sight(Teacher(released, CPU), pupil, pictures)
    given, taken = teacher.lr_branch, pupil.lr_branch
    assert taken.narrow_lr16x.out_channels == NARROW_16X
    read = [given.se_block(teacher.backbone(picture).last) for picture in pictures]
    whole, factor = (branch.conv_lr16x.layers[0].weight for branch in (given, taken))
    lost, lost_blind = _losses(whole, taken.narrow_lr16x.weight, factor, read)
    assert 0 < lost < 0.5 * lost_blind


@torch.no_grad()
def test_the_second_narrowing_looks_at_its_own_features(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_core.modnet.slim.NARROW_8X", 4)
    pictures, pupil, teacher = random_pictures(8), MODNet(PUPIL).eval(), load_network(released).model
    give_sight(Teacher(released, CPU), pupil, pictures)
    given, taken = teacher.lr_branch, pupil.lr_branch
    assert taken.narrow_lr8x.out_channels == 4
    read = [given.conv_lr16x(resize(given.se_block(teacher.backbone(picture).last), 2)) for picture in pictures]
    whole, factor = (branch.conv_lr8x.layers[0].weight for branch in (given, taken))
    lost, lost_blind = _losses(whole, taken.narrow_lr8x.weight, factor, read)
    assert 0 < lost < 0.9 * lost_blind


def test_a_teacher_of_another_build_is_refused(released: Path) -> None:
    with pytest.raises(ModelError, match=r"released\.ckpt has a different backbone or context"):
        give_sight(Teacher(released, CPU), MODNet(ModnetConfig("se", 8, 0.5, "slim")), random_pictures(1))


@pytest.fixture
def few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few that much is lost."""
    monkeypatch.setattr("matting_core.modnet.slim.NARROW_16X", 6)
    monkeypatch.setattr("matting_core.modnet.slim.NARROW_8X", 3)


@pytest.fixture
def narrow(released: Path, few_channels: None) -> tuple[Teacher, MODNet]:
    """A teacher, and a pupil that sees through few channels."""
    torch.manual_seed(3)
    teacher, pupil = Teacher(released, CPU), MODNet(PUPIL).eval()
    give_sight(teacher, pupil, random_pictures(8))
    return teacher, pupil


def _far(teacher: Teacher, pupil: MODNet, images: list[Tensor]) -> float:
    with torch.no_grad():
        wrong = [pupil.lr_branch(pupil.backbone(each).last) - teacher(each).semantic for each in images]
    return float(torch.cat(wrong).square().mean())


def test_the_features_come_near_the_teachers_of_pictures_not_learnt_from(narrow: tuple[Teacher, MODNet]) -> None:
    teacher, pupil = narrow
    before = {name: value.clone() for name, value in pupil.state_dict().items()}
    images = random_pictures(60)
    far = _far(teacher, pupil, images[:8])
    missed = fit_sight(teacher, pupil, iter(images), 40, RULE)
    assert 0 < missed.after < 0.9 * missed.before
    assert _far(teacher, pupil, images[:8]) < 0.95 * far
    learnt = ("lr_branch.narrow_", "lr_branch.conv_lr16x.", "lr_branch.conv_lr8x.")
    for name, value in pupil.state_dict().items():
        statistics = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, before[name]) == (statistics or not name.startswith(learnt)), name
    assert all(parameter.requires_grad for parameter in pupil.parameters())
    assert not any(module.training for module in pupil.modules())


def test_what_is_missed_is_a_share_of_each_channels_variance(narrow: tuple[Teacher, MODNet]) -> None:
    """A pupil that says the teacher's mean everywhere misses all of it; one that says the same misses nothing."""
    teacher, pupil = narrow
    image = torch.cat(random_pictures(4))
    hint = sight._hint(teacher, image)
    means = hint.semantic.float().mean((0, 2, 3), keepdim=True)
    pupil.lr_branch.forward = lambda last: means.expand(hint.semantic.shape)
    varied = hint.semantic.float().var((0, 2, 3)) > sight.LEAST_VARIANCE
    share = float(varied.float().mean())
    assert share > 0.5
    assert float(sight._missed(pupil, hint)) == pytest.approx(share, abs=1e-2)
    pupil.lr_branch.forward = lambda last: hint.semantic.float()
    assert float(sight._missed(pupil, hint)) == 0


def _begin(config: Path, *settings: str) -> int:
    return begin.main([str(config), *(word for setting in settings for word in ("--set", setting))])


def test_the_command_makes_what_training_begins_with(
    released: Path,
    tmp_path: Path,
    few_channels: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a teacher as released, without heads; the same each time."""
    monkeypatch.setattr(sight, "MEASURED", 1)
    content = torch.load(released, weights_only=True)
    content["model"] = {name: value for name, value in content["model"].items() if not name.startswith(HEADS)}
    torch.save(content, released)
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    taught = ("network.branches=slim", f"network.teacher={released}")
    learnt = (*taught, "optimiser.name=adam", "optimiser.learning_rate=1e-3", "epochs=10")
    assert _begin(config, *learnt) == 0
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert "100%" in told.err.splitlines()[-1], "the bar ends whole"
    assert said["output"] == str(tmp_path / "run/sight.ckpt")
    assert 0 < said["missed"] < 0.9 * said["missed_before"]
    begun = load_network(tmp_path / "run/sight.ckpt")
    assert begun.has_heads
    assert begun.model.config == PUPIL
    train(config, *taught, f"network.weights={said['output']}", "epochs=1", f"output={tmp_path / 'more'}")
    assert _begin(config, *learnt) == 0
    again = load_network(tmp_path / "run/sight.ckpt").model.state_dict()
    for name, value in begun.model.state_dict().items():
        assert torch.equal(value, again[name]), name


def test_what_comes_out_as_no_numbers_is_not_kept(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sight, "fit_sight", lambda *_: sight.Missed(0.1, float("nan")))
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    assert _begin(config, "network.branches=slim", f"network.teacher={released}") == 1
    assert "values that are not numbers" in capsys.readouterr().err
    assert not (tmp_path / "run/sight.ckpt").exists()


def test_a_folder_that_takes_no_files_is_known_before_the_work(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sight, "give_sight", lambda *_: pytest.fail("it worked"))
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    (tmp_path / "file").touch()
    taught = ("network.branches=slim", f"network.teacher={released}", f"output={tmp_path / 'file/run'}")
    assert _begin(config, *taught) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "settings", "sentence"),
    [
        (2, (), "Only a slim network begins with a teacher's sight"),
        (2, ("network.branches=slim",), "Only a slim network begins with a teacher's sight"),
        (2, ("network.branches=slim", "network.teacher=a.ckpt", "network.weights=b.ckpt"), "has no weights yet"),
        (2, ("network.branches=slim", "network.teacher=a.ckpt", "network.backbone=b.ckpt"), "has no weights yet"),
        (1, ("network.branches=slim", "network.teacher=a.ckpt"), "a.ckpt cannot be read"),
    ],
)
def test_what_cannot_begin_is_refused_in_a_sentence(
    code: int, settings: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    assert _begin(config, *settings) == code
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run/sight.ckpt").exists()
