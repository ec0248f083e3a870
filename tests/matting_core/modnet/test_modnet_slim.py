"""The slim branches: their shapes, that their norms all fold, and how they start from another network's backbone."""

from pathlib import Path

import pytest
import torch
from torch import nn
from training_fixtures import make_people, train, write_config

from matting_core.errors import ModelError, UsageError
from matting_core.modnet.exporter import export_network
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.onnx_graph import fold_norms
from matting_core.modnet.weights import load_network, save_checkpoint, take_backbone

SLIM = ModnetConfig(detail_width=8, backbone_width=0.25, branches="slim")


def test_the_fast_network_has_about_half_of_the_released_ones_parameters() -> None:
    model = MODNet(ModnetConfig(detail_width=16, branches="slim"))
    assert round(sum(value.numel() for value in model.parameters()) / 1e6, 2) == 3.36


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (160, 96)])
def test_predictions_have_their_shapes_and_range(height: int, width: int) -> None:
    torch.manual_seed(0)
    model = MODNet(SLIM).eval()
    image = torch.rand(2, 3, height, width) * 2 - 1
    with torch.inference_mode():
        prediction = model(image)
        assert torch.equal(model.matte(image), prediction.matte)
    assert prediction.semantic.shape == (2, 1, height // 16, width // 16)
    assert prediction.detail.shape == prediction.matte.shape == (2, 1, height, width)
    for part in prediction:
        assert 0 <= float(part.min()) <= float(part.max()) <= 1


def test_every_norm_folds_and_the_matte_stays() -> None:
    torch.manual_seed(0)
    model = MODNet(SLIM).train()
    image = torch.rand(2, 3, 64, 96) * 2 - 1
    model(image)  # gives the norms statistics that are not the identity's
    model.eval()
    with torch.inference_mode():
        before = model.matte(image)
        after = fold_norms(model).matte(image)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    left = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert left == []


def test_it_is_saved_loaded_and_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODNet(SLIM).eval()
    save_checkpoint(tmp_path / "slim.ckpt", model)
    loaded = load_network(tmp_path / "slim.ckpt")
    assert loaded.model.config == SLIM
    assert loaded.has_heads
    parity = export_network(loaded.model, tmp_path / "slim.onnx")
    assert parity.largest < 1e-3


def test_a_backbone_is_taken_from_another_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    released = MODNet(ModnetConfig(detail_width=8, backbone_width=0.25))
    save_checkpoint(tmp_path / "released.ckpt", released)
    paper = MODNet(ModnetConfig("easpp", detail_width=8, backbone_width=0.25))
    take_backbone(tmp_path / "released.ckpt", paper)
    given = released.backbone.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in paper.backbone.state_dict().items())
    with pytest.raises(ModelError, match=r"released\.ckpt has a different backbone"):
        take_backbone(tmp_path / "released.ckpt", MODNet(ModnetConfig("easpp", 8, 0.5)))


def test_unknown_branches_are_refused() -> None:
    with pytest.raises(UsageError, match="There are no branches 'fat'"):
        ModnetConfig(branches="fat")  # type: ignore[arg-type]


def test_training_keeps_a_given_backbones_norms_and_can_hold_it_still(tmp_path: Path) -> None:
    torch.manual_seed(1)
    released = MODNet(ModnetConfig(detail_width=8, backbone_width=0.1))
    save_checkpoint(tmp_path / "released.ckpt", released)
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    chosen = ["network.context=easpp", "network.norms=branches"]
    chosen += [f"network.backbone={tmp_path / 'released.ckpt'}", "optimiser.backbone_share=0.0"]
    train(config, *chosen)
    learnt = load_network(tmp_path / "run/last.ckpt").model
    for name, value in learnt.backbone.state_dict().items():
        torch.testing.assert_close(value, released.backbone.state_dict()[name], msg=name)
    norm = learnt.hr_branch.tohr_enc2x.layers[1].bnorm
    assert not torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


def test_folded_norms_cannot_learn(tmp_path: Path) -> None:
    config = write_config(tmp_path, make_people(tmp_path / "people", 4))
    with pytest.raises(UsageError, match=r"norms folded.*Set network\.norms = 'branches'"):
        train(config, "network.backbone=models/modnet_photographic.onnx", "network.norms=train")
