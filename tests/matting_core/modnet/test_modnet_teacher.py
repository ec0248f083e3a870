"""A slim network's teacher: its sight stays, and its mattes are learnt."""

from pathlib import Path

import pytest
import torch
from training_fixtures import (
    CPU,
    PUPIL,
    RELEASED,
    make_people,
    make_released,
    random_pictures,
    taught_by,
    train,
    write_config,
)

from matting_core.engine_openvino import processor_precisions
from matting_core.errors import ModelError, UsageError
from matting_core.modnet import train_setup
from matting_core.modnet.data import network_input
from matting_core.modnet.model import MODNet
from matting_core.modnet.teacher import Teacher, TorchTeacher, _trimap
from matting_core.modnet.train_config import load_config
from matting_core.modnet.train_setup import teacher_precision
from matting_core.modnet.weights import load_network, save_checkpoint
from matting_core.pictures import read_image


@pytest.fixture
def released(tmp_path: Path) -> Path:
    return make_released(tmp_path / "released.ckpt")


def test_a_lesson_is_the_teachers_own_matte_of_the_very_sample(released: Path) -> None:
    image = torch.cat(random_pictures(2))
    lesson = Teacher(released, CPU)(image)
    with torch.inference_mode():
        model = load_network(released).model
        torch.testing.assert_close(lesson.matte, model.matte(image), atol=1e-4, rtol=0)
        taps = model.backbone(image)
        torch.testing.assert_close(lesson.semantic, model.lr_branch(taps.last), atol=1e-3, rtol=0)
        for seen, expected in zip(lesson.taps, taps, strict=True):
            torch.testing.assert_close(seen, expected, atol=1e-3, rtol=0)
    assert not lesson.matte.requires_grad
    assert set(lesson.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
    sure = lesson.trimap != 0.5
    assert 0 < float(sure.float().mean()) < 1
    assert torch.equal(lesson.trimap[sure], lesson.matte[sure].round())


def test_a_lesson_stays_when_another_of_any_shape_is_given(released: Path) -> None:
    teacher = Teacher(released, CPU)
    first, second = random_pictures(2)
    lesson = teacher(first)
    kept = [values.clone() for values in (*lesson.taps, lesson.semantic, lesson.matte)]
    teacher(second)
    assert teacher(torch.rand(3, 3, 32, 64)).matte.shape == (3, 1, 32, 64)
    for before, now in zip(kept, (*lesson.taps, lesson.semantic, lesson.matte), strict=True):
        assert torch.equal(before, now)
    assert torch.equal(teacher(first).matte, lesson.matte)


def test_a_hint_is_what_a_lesson_says_of_it(released: Path) -> None:
    teacher, (image, other) = Teacher(released, CPU), random_pictures(2)
    lesson = teacher(image)
    for hint in (teacher.hint(image), TorchTeacher(teacher.network).hint(image)):
        torch.testing.assert_close(hint, (lesson.taps.last, lesson.semantic), atol=1e-3, rtol=0)
    assert not torch.equal(teacher.hint(other)[0], lesson.taps.last)
    assert torch.equal(teacher(image).matte, lesson.matte), "a lesson after a hint is whole again"


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
    image = torch.cat(random_pictures(2))
    exact, near = (Teacher(released, CPU, precision)(image).matte for precision in ("f32", "bf16"))
    assert 0 < float((exact - near).abs().mean()) < 0.02


def test_training_keeps_the_sight_and_learns_the_rest(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    train(config, *taught_by(released))
    learnt = load_network(tmp_path / "run/last.ckpt").model
    begun = load_network(tmp_path / "released_sight.ckpt").model
    for part in ("backbone", "lr_branch"):
        state = getattr(learnt, part).state_dict()
        for name, value in getattr(begun, part).state_dict().items():
            if not name.startswith("conv_lr."):
                assert torch.equal(value, state[name]), name
    norm = learnt.hr_branch.tohr_enc2x[1]
    assert not torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


def test_a_pupil_comes_nearer_to_its_teacher(released: Path, tmp_path: Path) -> None:
    people = make_people(tmp_path / "people", 4)
    config = write_config(tmp_path, people)
    chosen = [*taught_by(released), "optimiser.name=adam", "data.camera=false"]
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
    chosen = taught_by(released)
    train(config, *chosen, "epochs=1")
    weights = f"network.weights={tmp_path / 'run/last.ckpt'}"
    train(config, *chosen, weights, "epochs=1", f"output={tmp_path / 'more'}")
    torch.manual_seed(5)
    save_checkpoint(tmp_path / "other.ckpt", MODNet(RELEASED))
    other = [*chosen, f"network.teacher={tmp_path / 'other.ckpt'}"]
    with pytest.raises(UsageError, match=r"did not get its sight from other\.ckpt"):
        train(config, *other, weights, "epochs=1", f"output={tmp_path / 'wrong'}")
    with pytest.raises(UsageError, match=r"did not get its sight from other\.ckpt"):
        train(config, *other, "epochs=1", resume=True)


def test_a_slim_network_does_not_begin_without_sight_or_with_a_backbone(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match=r"Leave network\.backbone out"):
        train(config, *taught_by(released), "network.backbone=released.ckpt")
    with pytest.raises(UsageError, match=r"network\.weights is missing\. Make them with .*modnet\.begin"):
        train(config, "network.branches=slim", f"network.teacher={released}")


def test_a_teacher_of_our_own_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "own.ckpt", MODNet(PUPIL))
    with pytest.raises(ModelError, match=r"own\.ckpt has slim branches"):
        Teacher(tmp_path / "own.ckpt", CPU)


def test_only_a_slim_network_has_a_teacher(released: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match="A slim network needs a teacher, and no other"):
        train(config, "network.branches=released", f"network.teacher={released}")
    with pytest.raises(UsageError, match="A slim network needs a teacher, and no other"):
        train(config, "network.branches=slim")
