"""Equalised channels give the same mattes, and rounding them to 8 bits moves those less."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from matting_core.modnet.equalise import CEILING, HEADROOM, Link, equalise, links
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.onnx_graph import fold_norms
from matting_core.preprocess import Blob

RELEASED = ModnetConfig("se", detail_width=8, backbone_width=0.25)
SLIM = ModnetConfig("se", detail_width=8, backbone_width=0.25, branches="slim")
ASPP = ModnetConfig("easpp", detail_width=8, backbone_width=0.25, branches="slim")


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for such small networks."""
    monkeypatch.setattr("matting_core.modnet.equalise.STEPS", 60)


@pytest.fixture
def samples() -> list[Blob]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, 3, 64, 96)).astype(np.float32) for _ in range(3)]


def _folded(config: ModnetConfig, samples: Sequence[Blob]) -> MODNet:
    """A random network whose channels differ in size, as training leaves them."""
    torch.manual_seed(0)
    model = MODNet(config).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -3.0, 0.3).data.exp_()
            nn.init.uniform_(module.bias, -0.2, 0.2)
    with torch.no_grad():
        model(torch.from_numpy(np.concatenate(samples)))
    return fold_norms(model.eval())


def _mattes(model: MODNet, samples: Sequence[Blob]) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model.matte(torch.from_numpy(sample)) for sample in samples])


@pytest.mark.parametrize("config", [RELEASED, SLIM, ASPP])
def test_mattes_stay(config: ModnetConfig, samples: list[Blob]) -> None:
    model = _folded(config, samples)
    expected = _mattes(model, samples)
    assert float(expected.std()) > 1e-3  # a constant would prove nothing
    before = copy.deepcopy(model.state_dict())
    assert equalise(model, samples) is model
    torch.testing.assert_close(_mattes(model, samples), expected, atol=1e-4, rtol=0)
    for link in links(model):
        names = [name for name, module in model.named_modules() if module in link.writers]
        assert all(not torch.equal(before[f"{name}.weight"], model.state_dict()[f"{name}.weight"]) for name in names)


def test_what_a_ceiling_cuts_off_is_cut_off_as_before(samples: list[Blob]) -> None:
    """A channel that reaches the ReLU6's ceiling keeps its size; no other comes nearer to it than HEADROOM."""
    model = _folded(SLIM, samples)
    link = next(link for link in links(model) if isinstance(link.shown_by[0], nn.ReLU6))
    with torch.no_grad():
        link.writers[0].weight[0] *= 100
    before = _peaks(model, link, samples)
    assert float(before[0]) == CEILING
    expected = _mattes(model, samples)
    equalise(model, samples)
    after = _peaks(model, link, samples)
    assert float(after[0]) == CEILING
    grown = after > before
    assert grown.any()
    assert float(after[grown].max()) <= CEILING / HEADROOM + 1e-4
    torch.testing.assert_close(_mattes(model, samples), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("config", [RELEASED, SLIM])
def test_rounding_moves_the_mattes_less(config: ModnetConfig, samples: list[Blob]) -> None:
    model = _folded(config, samples)
    expected = _mattes(model, samples)
    before = float((_rounded_mattes(copy.deepcopy(model), samples) - expected).abs().mean())
    after = float((_rounded_mattes(equalise(model, samples), samples) - expected).abs().mean())
    assert after < 0.9 * before


def _peaks(model: MODNet, link: Link, samples: Sequence[Blob]) -> Tensor:
    seen: list[Tensor] = []
    hook = link.shown_by[0].register_forward_hook(lambda _module, _given, result: seen.append(result.amax((0, 2, 3))))
    _mattes(model, samples)
    hook.remove()
    return torch.stack(seen).amax(0)


def _rounded_mattes(model: MODNet, samples: Sequence[Blob]) -> Tensor:
    """With every link's map, and the weights that read it, rounded as int8 rounds them; changes the model."""

    def rounded(_module: nn.Module, _given: object, result: Tensor) -> Tensor:
        least, most = min(0.0, float(result.min())), max(1e-6, float(result.max()))
        step = (most - least) / 255
        return torch.fake_quantize_per_tensor_affine(result, step, round(-least / step), 0, 255)

    for link in links(model):
        for module in link.shown_by:
            module.register_forward_hook(rounded)
        for convolution, _ in link.readers:
            weight = convolution.weight.detach()
            step = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / 127
            zero = torch.zeros(len(weight), dtype=torch.int32)
            weight.copy_(torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -127, 127))
    return _mattes(model, samples)
