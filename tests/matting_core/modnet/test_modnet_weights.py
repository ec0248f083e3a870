"""Weights: parity with ONNX Runtime, released and own checkpoints, and files that must not be trusted."""

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from matting_core.engine import create_engine
from matting_core.errors import ModelError
from matting_core.modnet.exporter import export_network
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.weights import HEADS, load_network, save_checkpoint
from matting_core.preprocess import shrink, to_blob

SMALL = ModnetConfig(detail_width=8, backbone_width=0.25)


def small_network() -> MODNet:
    torch.manual_seed(0)
    return MODNet(SMALL).eval()


def matte_of(model: MODNet) -> torch.Tensor:
    with torch.inference_mode():
        return model.matte(torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64))


def test_the_shipped_weights_give_the_shipped_mattes(shipped_model: Path, portrait: np.ndarray) -> None:
    loaded = load_network(shipped_model)
    assert not loaded.has_heads
    engine = create_engine("cpu", shipped_model)
    crops = ((portrait, (256, 256)), (portrait[:288, :], (160, 288)), (portrait[:, 100:400], (384, 224)))
    for crop, size in crops:
        blob = to_blob(shrink(np.ascontiguousarray(crop), size))
        with torch.inference_mode():
            alpha = loaded.model.matte(torch.from_numpy(blob))[0, 0].numpy()
        expected = engine.predict(blob)
        assert expected.max() > 0.9 and expected.min() < 0.1, "a picture with a person and a room"
        assert np.abs(alpha - expected).max() <= 1e-3
    engine.close()


def test_the_shipped_fast_network_is_recognised_and_gives_its_mattes(shipped_model: Path, portrait: np.ndarray) -> None:
    fast = shipped_model.with_name("mattecam_fast.onnx")
    loaded = load_network(fast)
    assert loaded.model.config == ModnetConfig(detail_width=16, branches="slim")
    assert not loaded.has_heads
    engine = create_engine("cpu", fast)
    blob = to_blob(shrink(portrait, (256, 256)))
    with torch.inference_mode():
        alpha = loaded.model.matte(torch.from_numpy(blob))[0, 0].numpy()
    expected = engine.predict(blob)
    engine.close()
    assert expected.max() > 0.9 and expected.min() < 0.1
    assert np.abs(alpha - expected).max() <= 1e-3


def test_a_slim_network_is_recognised_and_gives_its_mattes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    slim = MODNet(ModnetConfig(detail_width=8, branches="slim")).eval()
    export_network(slim, tmp_path / "slim.onnx")
    loaded = load_network(tmp_path / "slim.onnx")
    assert loaded.model.config == slim.config
    assert not loaded.has_heads
    torch.testing.assert_close(matte_of(loaded.model), matte_of(slim), atol=1e-4, rtol=0)


def test_the_papers_context_comes_back_with_the_weights_of_its_scales(tmp_path: Path) -> None:
    torch.manual_seed(0)
    paper = MODNet(ModnetConfig("easpp", 8, 0.25)).train()
    matte_of(paper)  # gives the norms statistics that are not the identity's
    export_network(paper.eval(), tmp_path / "paper.onnx")
    loaded = load_network(tmp_path / "paper.onnx", paper.config)
    torch.testing.assert_close(matte_of(loaded.model), matte_of(paper), atol=1e-4, rtol=0)
    network = onnx.load(str(tmp_path / "paper.onnx"))
    for node in network.graph.node:
        if node.op_type == "Mul":
            node.op_type = "Add"
    onnx.save(network, str(tmp_path / "odd.onnx"))
    with pytest.raises(ModelError, match="across_scales"):
        load_network(tmp_path / "odd.onnx", paper.config)


def test_names_win_over_the_order_in_the_file(shipped_model: Path, tmp_path: Path) -> None:
    """Every initialiser turned round: only order-free reading gives the same state."""
    network = onnx.load(str(shipped_model))
    tensors = list(network.graph.initializer)
    del network.graph.initializer[:]
    network.graph.initializer.extend(reversed(tensors))
    onnx.save(network, str(tmp_path / "turned.onnx"))
    first, second = (load_network(path).model.state_dict() for path in (shipped_model, tmp_path / "turned.onnx"))
    assert all(torch.equal(first[name], second[name]) for name in first if not name.startswith(HEADS))


def test_an_onnx_of_another_network_is_refused(shipped_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not fit"):
        load_network(shipped_model, SMALL)
    network = onnx.load(str(shipped_model))
    tensor = next(t for t in network.graph.initializer if t.name == "f_branch.conv_f.1.layers.0.weight")
    tensor.CopyFrom(numpy_helper.from_array(np.zeros((1, 15, 1, 1), np.float32), tensor.name))
    onnx.save(network, str(tmp_path / "odd.onnx"))
    with pytest.raises(ModelError, match=r"'f_branch\.conv_f\.1\.layers\.0' does not fit"):
        load_network(tmp_path / "odd.onnx")
    (tmp_path / "none.onnx").write_bytes(b"not a network")
    for name, words in (("none", "not an ONNX network"), ("missing", "cannot be read")):
        with pytest.raises(ModelError, match=words):
            load_network(tmp_path / f"{name}.onnx")


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_released_checkpoints_load(tmp_path: Path, prefix: str, zipped: bool) -> None:
    """As released: a plain state, maybe from nn.DataParallel, the backbone twice, in PyTorch's old format or new."""
    torch.manual_seed(1)
    model = MODNet().eval()
    state = model.state_dict()
    state.update({f"lr_branch.{name}": value for name, value in model.state_dict().items() if "backbone" in name})
    released = {prefix + name: value for name, value in state.items()}
    torch.save(released, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    loaded = load_network(tmp_path / "x.ckpt")
    assert loaded.has_heads
    assert not loaded.model.training
    assert torch.equal(matte_of(loaded.model), matte_of(model))


def test_our_checkpoint_carries_its_config(tmp_path: Path) -> None:
    model = small_network()
    save_checkpoint(tmp_path / "x.pt", model, {"step": 7, "rate": 0.5, "moment": torch.ones(2)})
    loaded = load_network(tmp_path / "x.pt")
    assert loaded.model.config == SMALL
    assert loaded.has_heads
    assert loaded.training["step"] == 7
    assert torch.equal(loaded.training["moment"], torch.ones(2))
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_a_checkpoint_without_heads_says_so_and_half_a_head_is_refused(tmp_path: Path) -> None:
    state = small_network().state_dict()
    torch.save({name: value for name, value in state.items() if not name.startswith(HEADS)}, tmp_path / "x.pt")
    assert not load_network(tmp_path / "x.pt", SMALL).has_heads
    torch.save({name: value for name, value in state.items() if not name.startswith(HEADS[0])}, tmp_path / "y.pt")
    with pytest.raises(ModelError, match=r"lr_branch\.conv_lr\.layers\.0\.weight"):
        load_network(tmp_path / "y.pt", SMALL)


class Hostile:
    """A pickle of this makes a file when it is loaded by a reader that trusts it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return exec, (f"open({str(self.trace)!r}, 'w').close()",)


@pytest.mark.parametrize("how", ["zip", "old", "plain"])
def test_a_hostile_checkpoint_is_refused_and_runs_nothing(tmp_path: Path, how: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "x.ckpt"
    content = {**small_network().state_dict(), "module.extra": Hostile(trace)}
    if how == "plain":
        path.write_bytes(pickle.dumps(content["module.extra"], protocol=2))
        pickle.loads(path.read_bytes())
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
        torch.load(path, weights_only=False)
    assert trace.exists(), "the trap works"
    trace.unlink()
    with pytest.raises(ModelError, match=r"^x\.ckpt .* refused\.") as caught:
        load_network(path)
    assert "state_dict" in caught.value.mend
    assert not trace.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(small_network(), tmp_path / "x.pt")
    with pytest.raises(ModelError, match="refused"):
        load_network(tmp_path / "x.pt")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save_checkpoint(path, small_network())
    whole = path.read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"^x\.pt is damaged or is not a PyTorch checkpoint"):
            load_network(path)
    with pytest.raises(ModelError, match="No such file"):
        load_network(tmp_path / "missing.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "does not hold the weights"),
        ({}, "does not hold the weights"),
        ({"epoch": 3}, "'epoch' does not fit"),
        ({"state_dict": {"fc.weight": torch.zeros(1)}}, r"'fc\.weight' does not fit"),
        ({"format": "mattecam-modnet", "version": 2}, "another version"),
        ({"format": "mattecam-modnet", "version": 1, "config": {}, "training": {}}, "another version"),
        (
            {"format": "mattecam-modnet", "version": 1, "config": {"context": "x"}, "model": {}, "training": {}},
            "another version",
        ),
    ],
)
def test_other_checkpoints_are_refused_by_name(tmp_path: Path, content: object, words: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=words):
        load_network(tmp_path / "x.pt")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = small_network()
    with torch.no_grad():
        next(model.parameters())[0, 0, 0, 0] = float("nan")
    save_checkpoint(tmp_path / "x.pt", model)
    with pytest.raises(ModelError, match="that are not numbers"):
        load_network(tmp_path / "x.pt")


def test_saving_where_nothing_can_be_written_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(ModelError, match="cannot be written"):
        save_checkpoint(tmp_path / "folder" / "x.pt", small_network())
