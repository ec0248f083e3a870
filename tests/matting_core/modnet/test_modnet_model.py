"""The network's shapes, sizes and names, against what the paper and the release say."""

import pytest
import torch
from torch import nn

from matting_core.errors import UsageError
from matting_core.modnet.backbone import scaled, tap_channels
from matting_core.modnet.blocks import RATES, EfficientASPP, IBNorm, SqueezeExcite
from matting_core.modnet.model import MODNet, ModnetConfig

SMALL = ModnetConfig(detail_width=8, backbone_width=0.25)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_released_network_has_the_papers_size() -> None:
    assert round(count(MODNet()) / 1e6, 3) == 6.487


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("backbone.model.features.0.0.weight", (32, 3, 3, 3)),
        ("backbone.model.features.1.conv.3.weight", (16, 32, 1, 1)),
        ("backbone.model.features.17.conv.6.weight", (320, 960, 1, 1)),
        ("backbone.model.features.18.1.running_var", (1280,)),
        ("lr_branch.se_block.fc.2.weight", (1280, 320)),
        ("lr_branch.conv_lr16x.layers.0.weight", (96, 1280, 5, 5)),
        ("lr_branch.conv_lr.layers.0.bias", (1,)),
        ("hr_branch.conv_hr4x.0.layers.0.weight", (64, 99, 3, 3)),
        ("hr_branch.conv_hr2x.3.layers.1.bnorm.weight", (16,)),
        ("hr_branch.conv_hr.1.layers.0.weight", (1, 32, 1, 1)),
        ("f_branch.conv_f.0.layers.0.weight", (16, 35, 3, 3)),
    ],
)
def test_names_and_shapes_are_the_released_ones(name: str, shape: tuple[int, ...]) -> None:
    assert tuple(MODNet().state_dict()[name].shape) == shape


@pytest.mark.parametrize("context", ["se", "easpp"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (160, 96)])
def test_predictions_have_their_shapes_and_range(context: str, height: int, width: int) -> None:
    torch.manual_seed(0)
    model = MODNet(ModnetConfig(context, detail_width=8, backbone_width=0.25)).eval()
    image = torch.rand(2, 3, height, width) * 2 - 1
    with torch.inference_mode():
        prediction = model(image)
        matte = model.matte(image)
    assert prediction.semantic.shape == (2, 1, height // 16, width // 16)
    assert prediction.detail.shape == prediction.matte.shape == (2, 1, height, width)
    for part in prediction:
        assert 0 <= float(part.min()) <= float(part.max()) <= 1
    assert torch.equal(matte, prediction.matte)


def test_inference_leaves_the_training_heads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODNet(SMALL).eval()

    def fail(*_: object) -> None:
        raise AssertionError("computed for nothing")

    monkeypatch.setattr(model.lr_branch, "head", fail)
    monkeypatch.setattr(model.hr_branch, "head", fail)
    model.matte(torch.zeros(1, 3, 64, 64))


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    torch.manual_seed(0)
    model = MODNet(SMALL).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        together, alone = model.matte(images), torch.cat([model.matte(images[:1]), model.matte(images[1:])])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 64, 65), (1, 3, 48, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        MODNet(SMALL).matte(torch.zeros(shape))


def test_ibnorm_is_batch_norm_and_instance_norm_side_by_side() -> None:
    torch.manual_seed(0)
    norm = IBNorm(5).train()
    x = torch.randn(3, 5, 4, 6) * 2 + 1
    y = norm(x)
    batch, instance = x[:, :2], x[:, 2:]
    mean, variance = batch.mean((0, 2, 3), keepdim=True), batch.var((0, 2, 3), unbiased=False, keepdim=True)
    assert torch.allclose(y[:, :2], (batch - mean) / (variance + 1e-5).sqrt(), atol=1e-5)
    mean, variance = instance.mean((2, 3), keepdim=True), instance.var((2, 3), unbiased=False, keepdim=True)
    assert torch.allclose(y[:, 2:], (instance - mean) / (variance + 1e-5).sqrt(), atol=1e-5)
    norm.eval()
    assert torch.equal(norm(x)[:, 2:], y[:, 2:]), "the instance half has no other mode"


def test_squeeze_excite_weighs_whole_channels() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 3, 5) + 0.5
    with torch.inference_mode():
        gate = SqueezeExcite(8)(x) / x
    assert torch.allclose(gate, gate[:, :, :1, :1].expand_as(gate))
    assert 0 < float(gate.min()) < float(gate.max()) < 1


def test_easpp_costs_a_hundredth_of_aspp() -> None:
    channels = 1280
    standard = len(RATES) * channels * channels * 9 + len(RATES) * channels * channels
    assert count(EfficientASPP(channels)) < 0.015 * standard


def test_easpp_sees_at_its_rates_and_mixes_channels_point_wise() -> None:
    """One bright pixel reaches exactly the taps of each rate, and with the 1×1 made the identity its own channel."""
    module = EfficientASPP(16).eval()
    module.reduce, module.fused, module.recover = nn.Sequential(), nn.Sequential(), nn.Sequential()
    with torch.inference_mode():
        module.across_channels.weight.copy_(torch.eye(4)[:, :, None, None])
        for atrous in module.atrous:
            atrous[0].weight.fill_(1.0)
        x = torch.zeros(1, 4, 17, 17)
        x[0, 2, 8, 8] = 1
        touched = module(x)[0] > 1e-9
    assert not touched[[0, 1, 3]].any()
    reached = {(int(row) - 8, int(column) - 8) for row, column in touched[2].nonzero()}
    assert reached == {(a * rate, b * rate) for rate in RATES for a in (-1, 0, 1) for b in (-1, 0, 1)}


def test_frozen_norms_keep_their_statistics() -> None:
    model = MODNet(SMALL).train()
    model.freeze_norms()
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    model(torch.rand(1, 3, 64, 64))
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    model.train()
    model(torch.rand(1, 3, 64, 64))
    assert not all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_every_parameter_learns() -> None:
    for context in ("se", "easpp"):
        model = MODNet(ModnetConfig(context, detail_width=8, backbone_width=0.25)).train()
        sum(part.mean() for part in model(torch.rand(2, 3, 64, 64))).backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    "wrong", [{"context": "aspp"}, {"detail_width": 7}, {"detail_width": 0}, {"backbone_width": 0.0}]
)
def test_a_config_that_makes_no_network_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ModnetConfig(**wrong)  # type: ignore[arg-type]


def test_widths_are_multiples_of_eight() -> None:
    assert tap_channels(1.0) == (16, 24, 32, 96, 1280)
    assert tap_channels(0.5) == (8, 16, 16, 48, 1280)
    assert tap_channels(1.4).last == 1792
    assert scaled(24, 0.75) == 24, "16 would be more than 10 % less than 18"
