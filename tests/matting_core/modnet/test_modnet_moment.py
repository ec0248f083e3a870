"""A moment later: what changes in a sample, and that only errors which change cost anything."""

from pathlib import Path

import pytest
import torch
from training_fixtures import make_people, make_released, taught_by, train, write_config

from matting_core.errors import UsageError
from matting_core.modnet.moment import LEVEL, a_moment_later, steadiness_loss
from matting_core.modnet.weights import load_network


def _pictures() -> torch.Tensor:
    """Soft shapes of 256 levels, which a small motion changes a little."""
    torch.manual_seed(0)
    coarse = torch.rand(40, 3, 5, 7) * 1.6 - 0.8
    fine = torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bicubic").clamp(-0.9, 0.9)
    return ((fine + 1) / LEVEL).round() * LEVEL - 1


def test_a_moment_changes_little_and_the_seed_decides() -> None:
    image = _pictures()
    state = torch.get_rng_state()
    later, again, other = (a_moment_later(image, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(later, again)
    assert not torch.equal(later, other)
    levels = (later + 1) / LEVEL
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    change = (later - image).abs().mean(dim=(1, 2, 3)) / LEVEL
    assert 0.1 < float(change.mean()) < 5
    assert float(change.max()) < 10


def test_some_samples_stand_still_and_others_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matting_core.modnet.moment.NOISE_LEVELS", 0.0)
    monkeypatch.setattr("matting_core.modnet.moment.CONTRAST", 0.0)
    image = _pictures()
    moved = (a_moment_later(image, 3) != image).flatten(1).any(dim=1)
    assert 5 < int(moved.sum()) < 35


def test_an_error_costs_nothing_while_it_stands_still() -> None:
    target, trimap = torch.rand(4, 1, 8, 8), torch.ones(4, 1, 8, 8)
    wrong = torch.rand(2, 1, 8, 8) - 0.5
    assert float(steadiness_loss(target + torch.cat((wrong, wrong)), target, trimap)) < 1e-6
    flickering = torch.zeros(4, 1, 8, 8)
    flickering[:2] = 0.1
    assert float(steadiness_loss(target + flickering, target, trimap)) == pytest.approx(0.1, rel=1e-4)
    trimap[2:] = 0.5  # the band of the moment later counts, too
    assert float(steadiness_loss(target + flickering, target, trimap)) == pytest.approx(0.5, rel=1e-4)


def test_training_for_steadiness_needs_a_teacher_and_is_repeatable(tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match="Steadiness needs a teacher"):
        train(config, "steadiness=2")
    chosen = taught_by(make_released(tmp_path / "released.ckpt"))
    weights = []
    for name, steadiness in (("one", 2), ("same", 2), ("less", 0)):
        train(config, *chosen, f"output={tmp_path / name}", f"steadiness={steadiness}")
        weights.append(load_network(tmp_path / name / "last.ckpt").model.f_branch.conv_f.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
