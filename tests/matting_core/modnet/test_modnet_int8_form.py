"""The form for integers gives the network's own mattes: exactly where it says so, nearly where it says that."""

import copy
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from matting_core.modnet.blocks import ConvBlock, resize
from matting_core.modnet.int8_form import _in_phases, int8_form
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.onnx_graph import fold_norms, onnx_graph
from matting_core.modnet.weights import load_network
from matting_core.preprocess import network_size, shrink, to_blob

RELEASED = ModnetConfig("se", detail_width=8, backbone_width=0.25)
SLIM = ModnetConfig("se", detail_width=8, backbone_width=0.25, branches="slim")


def _folded(config: ModnetConfig) -> MODNet:
    """A random network whose norms have statistics that are not the identity's."""
    torch.manual_seed(0)
    model = MODNet(config).train()
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 96) * 2 - 1)
    return fold_norms(model.eval())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_mattes_of_the_slim_network_stay(height: int, width: int) -> None:
    model = _folded(SLIM)
    image = torch.rand(2, 3, height, width) * 2 - 1
    with torch.inference_mode():
        expected = model.matte(image)
        torch.testing.assert_close(int8_form(copy.deepcopy(model)).matte(image), expected, atol=1e-5, rtol=0)
    assert float(expected.std()) > 1e-3  # a constant would prove nothing


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160)])
def test_released_features_stay(height: int, width: int) -> None:
    model = _folded(RELEASED)
    rewritten = int8_form(copy.deepcopy(model))
    image = torch.rand(2, 3, height, width) * 2 - 1
    with torch.inference_mode():
        taps = model.backbone(image)
        semantic = model.lr_branch(taps.last)
        torch.testing.assert_close(rewritten.lr_branch(taps.last), semantic, atol=1e-4, rtol=0)
        expected = model.hr_branch(image, taps, semantic)
        torch.testing.assert_close(rewritten.hr_branch(image, taps, semantic), expected, atol=1e-4, rtol=0)


def test_a_convolution_in_phases_is_the_one_at_full_size() -> None:
    torch.manual_seed(0)
    features, image, weight = torch.rand(1, 5, 8, 10), torch.rand(1, 3, 16, 20), torch.randn(4, 8, 3, 3)
    expected = functional.conv2d(torch.cat((resize(features, 2), image), dim=1), weight, padding=1)
    folded = torch.cat((features, functional.pixel_unshuffle(image, 2)), dim=1)
    phases = functional.pixel_shuffle(functional.conv2d(folded, _in_phases(weight), padding=1), 2)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(phases[inside], expected[inside], atol=1e-5, rtol=0)


def test_the_released_mattes_hardly_move(shipped_model: Path, portrait: np.ndarray) -> None:
    model = fold_norms(load_network(shipped_model).model.eval())
    image = torch.from_numpy(to_blob(shrink(portrait, network_size(*portrait.shape[:2], 512))))
    with torch.inference_mode():
        moved = (int8_form(copy.deepcopy(model)).matte(image) - model.matte(image)).abs()
    assert 0 < float(moved.mean()) < 5e-5
    assert float(moved[..., 2:-2, 2:-2].max()) < 0.005
    assert float(moved.max()) < 0.15, "the border sees zeros for the enlarged edge"


def test_every_norm_is_beside_its_own_half() -> None:
    model = int8_form(_folded(RELEASED))
    blocks = [module for module in model.modules() if isinstance(module, ConvBlock) and len(module.layers) > 1]
    assert blocks
    for block in blocks:
        halves = block.layers[0]
        assert (halves.first.out_channels, halves.second.out_channels) == (halves.norm.num_features,) * 2
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("config", [RELEASED, SLIM])
def test_the_graph_holds_no_size(config: ModnetConfig) -> None:
    torch.manual_seed(0)
    model = MODNet(config).eval()
    plain, rewritten = (
        onnxruntime.InferenceSession(
            onnx_graph(model, torch.float32, None, 18, form=form), providers=["CPUExecutionProvider"]
        )
        for form in (None, int8_form)
    )
    for size in ((64, 64), (96, 160)):
        image = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size)).astype(np.float32)
        expected, given = (session.run(None, {"input": image})[0] for session in (plain, rewritten))
        assert given.shape == expected.shape == (1, 1, *size)
        assert np.abs(given - expected)[..., 2:-2, 2:-2].mean() < 0.01
