"""Equalised channels give the same mattes, and rounding them to 8 bits moves those less."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from matting_core.modnet.equalise import CEILING, HEADROOM, LARGEST, Link, _error, _factors, _Seen, equalise, links
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.onnx_graph import fold_norms
from matting_core.preprocess import Blob

RELEASED = ModnetConfig("se", detail_width=8, backbone_width=0.25)
SLIM = ModnetConfig("se", detail_width=8, backbone_width=0.25, branches="slim")
WIDER = ModnetConfig("se", detail_width=8, backbone_width=0.35, branches="slim")  # its tap at 1/2 is equalised, too
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


@pytest.mark.parametrize("config", [RELEASED, SLIM, WIDER, ASPP])
def test_mattes_stay(config: ModnetConfig, samples: list[Blob]) -> None:
    model = _folded(config, samples)
    expected = _mattes(model, samples)
    assert float(expected.std()) > 1e-3  # a constant would prove nothing
    before = copy.deepcopy(model.state_dict())
    assert equalise(model, samples) is model
    torch.testing.assert_close(_mattes(model, samples), expected, atol=1e-4, rtol=0)
    for link in links(model):
        names = [name for name, module in model.named_modules() if module in link.writers]
        assert names
        assert all(not torch.equal(before[f"{name}.weight"], model.state_dict()[f"{name}.weight"]) for name in names)


def test_the_taps_of_the_shipped_networks_width_are_read_from_equalised_maps() -> None:
    model = MODNet(ModnetConfig("se", detail_width=8, branches="slim"))
    readers = {reader.convolution for link in links(model) for reader in link.readers}
    assert {model.hr_branch.tohr_enc2x[0], model.hr_branch.tohr_enc4x[0]} <= readers


def test_a_relu6_cuts_off_nothing_that_it_did_not(samples: list[Blob]) -> None:
    """Of the channels behind one, none comes nearer to its ceiling than HEADROOM by growing."""
    model = _folded(SLIM, samples)
    link = next(link for link in links(model) if isinstance(link.shown_by[0], nn.ReLU6))
    before = _peaks(model, link, samples)
    equalise(model, samples)
    after = _peaks(model, link, samples)
    grown = after > before * 1.01
    assert grown.any()
    assert float(after[grown].max()) <= CEILING / HEADROOM + 1e-4


def test_factors_stay_below_the_ceiling_and_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels of all sizes beside one that is at the ceiling, read by weights that do not mind."""
    monkeypatch.setattr("matting_core.modnet.equalise.STEPS", 400)
    peaks = torch.tensor([6.0, 4.0, 0.5, 0.01, 0.0])
    seen = _seen(peaks[None, :, None, None] * torch.tensor([0.0, 1.0])[None, None, None])
    weights = torch.eye(5)[:, :, None, None]
    read = [(weights, _seen(torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))))]
    factors = _factors(seen, read, under_ceiling=True)
    assert float(factors[0]) == 1.0
    assert float(factors[1]) <= CEILING / HEADROOM / 4 + 1e-5
    assert float(factors[2]) > 2
    assert 10 < float(factors[3]) <= LARGEST + 1e-3
    assert float(factors[4]) == 1.0
    free = _factors(seen, read, under_ceiling=False)
    assert float(free[2] / free[0]) > 2
    assert float(free.max()) <= LARGEST + 1e-3


def test_the_expected_error_is_the_one_worked_out_by_hand() -> None:
    """Two channels, from -1 to 3 and from 0 to 1, times 1 and 2, read by one output with the weights 0.5 and 4."""
    seen = _seen(torch.tensor([[[[-1.0, 3.0]], [[0.0, 1.0]]]]))
    output = _seen(torch.tensor([[[[0.0, 2.0]]]]))  # variance 1
    weights = torch.tensor([0.5, 4.0])[None, :, None, None]
    of_map = ((3 + 1) / 255) ** 2 * (0.5**2 + (4 / 2) ** 2)
    of_weights = (2 / 127) ** 2 * ((1 + 9) / 2 + 4 * 1 / 2)
    error = _error(torch.tensor([1.0, 2.0]), seen, [(weights, output)])
    assert float(error) == pytest.approx(of_map + of_weights, rel=1e-5)


def test_a_map_of_which_nothing_is_seen_stays() -> None:
    dead = _seen(torch.zeros(1, 3, 4, 4))
    assert _factors(dead, [(torch.ones(2, 3, 1, 1), _seen(torch.zeros(1, 2, 4, 4)))], True).tolist() == [1, 1, 1]


@pytest.mark.parametrize("config", [RELEASED, SLIM])
def test_rounding_moves_the_mattes_less(config: ModnetConfig, samples: list[Blob]) -> None:
    model = _folded(config, samples)
    expected = _mattes(model, samples)
    before = float((_rounded_mattes(copy.deepcopy(model), samples) - expected).abs().mean())
    after = float((_rounded_mattes(equalise(model, samples), samples) - expected).abs().mean())
    assert after < 0.9 * before


def _seen(values: Tensor) -> _Seen:
    seen = _Seen()
    seen.add(values)
    return seen


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
