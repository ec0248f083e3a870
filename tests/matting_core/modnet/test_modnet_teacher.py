"""The teacher: it gives a slim network its own sight, which stays, and the mattes that are learnt."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_fixtures import make_people, train, write_config

from matting_core.engine_openvino import processor_precisions
from matting_core.errors import ModelError, UsageError
from matting_core.modnet import train_setup
from matting_core.modnet.blocks import resize
from matting_core.modnet.data import network_input
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.slim import NARROW_16X
from matting_core.modnet.teacher import Teacher, _trimap
from matting_core.modnet.train_config import load_config
from matting_core.modnet.train_setup import teacher_precision
from matting_core.modnet.weights import load_network, save_checkpoint
from matting_core.pictures import read_image

RELEASED = ModnetConfig(detail_width=8, backbone_width=0.1)
PUPIL = ModnetConfig(detail_width=8, backbone_width=0.1, branches="slim")
CPU = torch.device("cpu")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A random network whose norms have statistics that are not the identity's, as a checkpoint."""
    torch.manual_seed(0)
    model = MODNet(RELEASED).train()
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 96) * 2 - 1)
    save_checkpoint(tmp_path / "released.ckpt", model.eval())
    return tmp_path / "released.ckpt"


def _pictures(count: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.rand(1, 3, 64, 96) * 2 - 1 for _ in range(count)]


def test_what_a_pupil_sees_is_what_its_teacher_sees(released: Path) -> None:
    """Of few pictures, whose features have fewer directions than NARROW_16X, nothing is lost."""
    pictures, pupil, teacher = _pictures(3), MODNet(PUPIL).eval(), load_network(released).model
    Teacher(released, CPU).give_sight(pupil, pictures)
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
    pictures, pupil, teacher = _pictures(60), MODNet(PUPIL).eval(), load_network(released).model
    Teacher(released, CPU).give_sight(pupil, pictures)
    given, taken = teacher.lr_branch, pupil.lr_branch
    assert taken.narrow_lr16x.out_channels == NARROW_16X
    read = [given.se_block(teacher.backbone(picture).last) for picture in pictures]
    whole, factor = (branch.conv_lr16x.layers[0].weight for branch in (given, taken))
    lost, lost_blind = _losses(whole, taken.narrow_lr16x.weight, factor, read)
    assert 0 < lost < 0.5 * lost_blind


@torch.no_grad()
def test_the_second_narrowing_looks_at_its_own_features(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_core.modnet.slim.NARROW_8X", 4)
    pictures, pupil, teacher = _pictures(8), MODNet(PUPIL).eval(), load_network(released).model
    Teacher(released, CPU).give_sight(pupil, pictures)
    given, taken = teacher.lr_branch, pupil.lr_branch
    assert taken.narrow_lr8x.out_channels == 4
    read = [given.conv_lr16x(resize(given.se_block(teacher.backbone(picture).last), 2)) for picture in pictures]
    whole, factor = (branch.conv_lr8x.layers[0].weight for branch in (given, taken))
    lost, lost_blind = _losses(whole, taken.narrow_lr8x.weight, factor, read)
    assert 0 < lost < 0.9 * lost_blind


def test_a_lesson_is_the_teachers_own_matte_of_the_very_sample(released: Path) -> None:
    image = torch.cat(_pictures(2))
    lesson = Teacher(released, CPU)(image)
    with torch.inference_mode():
        model = load_network(released).model
        torch.testing.assert_close(lesson.matte, model.matte(image), atol=1e-4, rtol=0)
        for seen, expected in zip(lesson.taps, model.backbone(image), strict=True):
            torch.testing.assert_close(seen, expected, atol=1e-3, rtol=0)
    assert not lesson.matte.requires_grad
    assert set(lesson.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
    sure = lesson.trimap != 0.5
    assert 0 < float(sure.float().mean()) < 1
    assert torch.equal(lesson.trimap[sure], lesson.matte[sure].round())


def test_a_lesson_stays_when_another_of_any_shape_is_given(released: Path) -> None:
    teacher = Teacher(released, CPU)
    first, second = _pictures(2)
    lesson = teacher(first)
    kept = [values.clone() for values in (*lesson.taps, lesson.matte)]
    teacher(second)
    assert teacher(torch.rand(3, 3, 32, 64)).matte.shape == (3, 1, 32, 64)
    for before, now in zip(kept, (*lesson.taps, lesson.matte), strict=True):
        assert torch.equal(before, now)
    assert torch.equal(teacher(first).matte, lesson.matte)


def test_a_teacher_is_computed_as_asked_and_in_half_precision_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(str(write_config(tmp_path, make_people(tmp_path / "people", 4))))
    for able, asked, expected in (
        (("bf16",), "auto", "bf16"),
        (("bf16", "f16"), "bf16", "bf16"),
        (("bf16",), "fp32", "f32"),
        (("f16",), "auto", "f32"),
    ):
        monkeypatch.setattr(train_setup, "processor_precisions", lambda able=able: able)
        asking = config.model_copy(update={"precision": asked})
        assert teacher_precision(asking, CPU) == expected
        assert teacher_precision(asking, torch.device("cuda")) == "f32", "autocast's concern"


@pytest.mark.skipif("bf16" not in processor_precisions(), reason="this processor does not compute in bf16")
def test_half_precision_is_near_and_is_not_the_same(released: Path) -> None:
    image = torch.cat(_pictures(2))
    exact, near = (Teacher(released, CPU, precision)(image).matte for precision in ("f32", "bf16"))
    assert 0 < float((exact - near).abs().mean()) < 0.02


def test_training_keeps_the_sight_and_learns_the_rest(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    train(config, "network.branches=slim", f"network.teacher={released}")
    learnt, teacher = load_network(tmp_path / "run/last.ckpt").model, load_network(released).model
    for name, value in learnt.backbone.state_dict().items():
        torch.testing.assert_close(value, teacher.backbone.state_dict()[name], msg=name)
    branch, factors = learnt.lr_branch.state_dict(), ("conv_lr16x.layers.0.", "conv_lr8x.layers.0.", "conv_lr.")
    kept = {name: value for name, value in teacher.lr_branch.state_dict().items() if not name.startswith(factors)}
    assert {name for name in kept if "conv_lr16x.layers.1" in name}, "the norms"
    for name, value in kept.items():
        assert torch.equal(value, branch[name]), name
    norm = learnt.hr_branch.tohr_enc2x[1]
    assert not torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


def test_a_pupil_comes_nearer_to_its_teacher(released: Path, tmp_path: Path) -> None:
    people = make_people(tmp_path / "people", 4)
    config = write_config(tmp_path, people)
    chosen = ["network.branches=slim", f"network.teacher={released}", "optimiser.name=adam", "data.camera=false"]
    pictures = sorted((people / "image").iterdir())
    image = torch.stack([network_input(read_image(file), (64, 96)) for file in pictures])
    expected = Teacher(released, CPU)(image).matte

    def distance(output: str, *settings: str) -> float:
        train(config, *chosen, "ema_decay=0.0", f"output={tmp_path / output}", *settings)
        with torch.inference_mode():
            matte = load_network(tmp_path / output / "last.ckpt").model.matte(image)
        return float((matte - expected).abs().mean())

    assert distance("long", "epochs=40") < 0.7 * distance("short", "epochs=1")


def test_the_band_lies_evenly_around_an_edge() -> None:
    matte = torch.zeros(1, 1, 100, 100)
    matte[..., 50:] = 1
    trimap = _trimap(matte)
    assert bool((trimap[..., :48] == 0).all() and (trimap[..., 52:] == 1).all())
    assert bool((trimap[..., 48:52] == 0.5).all())


def test_a_run_goes_on_with_its_own_teacher_alone(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    chosen = ["network.branches=slim", f"network.teacher={released}"]
    train(config, *chosen, "epochs=1")
    weights = f"network.weights={tmp_path / 'run/last.ckpt'}"
    train(config, *chosen, weights, "epochs=1", f"output={tmp_path / 'more'}")
    torch.manual_seed(5)
    save_checkpoint(tmp_path / "other.ckpt", MODNet(RELEASED))
    other = ["network.branches=slim", f"network.teacher={tmp_path / 'other.ckpt'}"]
    with pytest.raises(UsageError, match=r"did not get its sight from other\.ckpt"):
        train(config, *other, weights, "epochs=1", f"output={tmp_path / 'wrong'}")
    with pytest.raises(UsageError, match=r"did not get its sight from other\.ckpt"):
        train(config, *other, "epochs=1", resume=True)


@pytest.mark.parametrize("setting", ["network.backbone=released.ckpt", "network.norms=frozen"])
def test_what_does_not_go_with_a_teacher_is_refused(released: Path, tmp_path: Path, setting: str) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match=r"teacher's backbone|norms that learn"):
        train(config, "network.branches=slim", f"network.teacher={released}", setting)


def test_a_teacher_of_our_own_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "own.ckpt", MODNet(PUPIL))
    with pytest.raises(ModelError, match=r"own\.ckpt has slim branches"):
        Teacher(tmp_path / "own.ckpt", CPU)


def test_a_teacher_of_another_build_is_refused(released: Path) -> None:
    with pytest.raises(ModelError, match=r"released\.ckpt has a different backbone or context"):
        Teacher(released, CPU).give_sight(MODNet(ModnetConfig("se", 8, 0.5, "slim")), _pictures(1))


def test_only_a_slim_network_has_a_teacher(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match="A slim network needs a teacher, and no other"):
        train(config, "network.branches=released", f"network.teacher={released}")
    with pytest.raises(UsageError, match="A slim network needs a teacher, and no other"):
        train(config, "network.branches=slim")
