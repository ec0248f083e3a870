"""`sharpen`: it finds the factor by which a network is less sure than the truth, and builds it in."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from matting_core.modnet.data import network_input
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.sharpen import main
from matting_core.modnet.weights import load_network, save_checkpoint
from matting_core.pictures import read_image, write_image

SIZE = (64, 96)
TINY = [
    ModnetConfig(detail_width=8, backbone_width=0.25, branches="slim"),
    ModnetConfig(detail_width=8, backbone_width=0.1),
]


def _matte(model: MODNet, file: Path, factor: float) -> np.ndarray:
    with torch.inference_mode():
        matte = model.matte(network_input(read_image(file), SIZE)[None])
        return torch.sigmoid(factor * torch.logit(matte, 1e-6))[0, 0].numpy()


@pytest.mark.parametrize("config", TINY, ids=["slim", "released"])
def test_a_network_half_as_sure_as_the_truth_becomes_as_sure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: ModnetConfig
) -> None:
    torch.manual_seed(1)
    model = MODNet(config).eval()
    save_checkpoint(tmp_path / "before.ckpt", model)
    rng = np.random.default_rng(2)
    for number in range(3):
        file = tmp_path / f"pairs/image/{number}.png"
        write_image(file, rng.integers(0, 256, (*SIZE, 3), np.uint8))
        truth = np.rint(255 * _matte(model, file, 2.0)).astype(np.uint8)
        write_image(tmp_path / f"pairs/matte/{number}.png", truth)

    after = tmp_path / "after.ckpt"
    code = main([str(tmp_path / "before.ckpt"), str(tmp_path / "pairs"), "--output", str(after), "--long-side", "96"])
    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["factor"] == 2.0
    assert answer["mad"]["2.0"] < 0.003 < answer["mad"]["1.0"]
    sharpened = load_network(after).model
    file = tmp_path / "pairs/image/0.png"
    np.testing.assert_allclose(_matte(sharpened, file, 1.0), _matte(model, file, 2.0), atol=1e-3)


def test_a_file_without_heads_and_a_size_that_fits_no_network_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shipped_model: Path
) -> None:
    output = tmp_path / "after.ckpt"
    assert main([str(shipped_model), str(tmp_path), "--output", str(output)]) == 2
    assert "best.ckpt" in capsys.readouterr().err
    assert main([str(shipped_model), str(tmp_path), "--output", str(output), "--long-side", "470"]) == 2
    assert "multiple of 32" in capsys.readouterr().err
    assert not output.exists()
