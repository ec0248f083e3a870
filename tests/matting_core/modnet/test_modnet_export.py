"""Export: the files that come out run in both engines at any size, give the same mattes, and are refused otherwise."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from matting_core import modnet
from matting_core.engine import create_engine
from matting_core.errors import ModelError, UsageError
from matting_core.model_check import check_matting_model
from matting_core.model_store import SHIPPED, ModelStore
from matting_core.modnet import exporter
from matting_core.modnet.export import main
from matting_core.modnet.exporter import ExportOptions, export_network
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.onnx_graph import fold_norms
from matting_core.modnet.weights import HEADS, load_network, save_checkpoint
from matting_core.preprocess import shrink, to_blob


def network(context: str = "se") -> MODNet:
    """A small network with random weights and norms that have seen something."""
    torch.manual_seed(0)
    model = MODNet(ModnetConfig(context, detail_width=8, backbone_width=0.25)).train()  # type: ignore[arg-type]
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(2, 3, 64, 64) * 2 - 1)
    return model.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights, exported anew."""
    path = tmp_path_factory.mktemp("export") / "again.onnx"
    shipped = Path(__file__).parents[3] / "models" / "modnet_photographic.onnx"
    parity = export_network(load_network(shipped).model, path)
    assert parity.photos == 1
    assert 0 < parity.largest <= 1e-3
    assert parity.mean <= parity.largest
    return path


@pytest.mark.parametrize("context", ["se", "easpp"])
def test_folding_norms_changes_no_matte(context: str) -> None:
    model, folded = network(context), network(context)
    fold_norms(folded)
    norms = [name for name, module in folded.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms == (["lr_branch.se_block.fused.0"] if context == "easpp" else [])
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64) * 2 - 1
    # In float64: an instance norm over a few pixels makes much of float32's rounding, on some processors more.
    model.double()
    folded.double()
    with torch.inference_mode():
        assert torch.allclose(folded.matte(image), model.matte(image), rtol=0, atol=1e-5)
    assert len(list(folded.modules())) <= len(list(model.modules()))


def test_the_shipped_model_made_again_gives_the_shipped_mattes(
    exported: Path, shipped_model: Path, portrait: np.ndarray
) -> None:
    check_matting_model(exported)
    for name in ("cpu", "openvino"):
        before, after = create_engine(name, shipped_model), create_engine(name, exported)
        for size in ((160, 288), (384, 224), (32, 64)):
            blob = to_blob(shrink(portrait, size))
            assert np.abs(before.predict(blob) - after.predict(blob)).max() <= 1e-3
        before.close()
        after.close()


def test_an_exported_file_holds_its_weights_by_name(exported: Path, shipped_model: Path) -> None:
    """It loads again, folded as it is, and tells nothing of the machine that wrote it."""
    graph = onnx.load(str(exported))
    assert [opset.version for opset in graph.opset_import if not opset.domain] == [18]
    names = {tensor.name for tensor in graph.graph.initializer}
    assert "hr_branch.conv_hr4x.0.layers.0.weight" in names
    assert str(Path(exporter.__file__).parent).encode() not in exported.read_bytes()
    first, second = load_network(shipped_model).model, load_network(exported).model
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(first.matte(image), second.matte(image), atol=1e-4)
    assert not {name for name in names if name.startswith(HEADS)}


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions("fp16", opset=20),
        ExportOptions(size=(64, 128)),
    ],
    ids=str,
)
def test_other_precisions_sizes_and_opsets(tmp_path: Path, options: ExportOptions) -> None:
    export_network(network(), tmp_path / "x.onnx", options)
    graph = onnx.load(str(tmp_path / "x.onnx"))
    assert graph.opset_import[0].version == options.opset
    weight = next(tensor for tensor in graph.graph.initializer if tensor.name.endswith("conv_f.0.layers.0.weight"))
    half = options.precision == "fp16"
    assert weight.data_type == (onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT)
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        sides = [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim][2:]
        assert sides == ([64, 128] if options.size else ["height", "width"])


def test_the_papers_network_exports_at_any_size_and_stays_as_it_is(tmp_path: Path) -> None:
    model = network("easpp").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export_network(model, tmp_path / "x.onnx")
    assert model.training
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    model.eval()
    engine = create_engine("openvino", tmp_path / "x.onnx")
    for size in ((64, 64), (96, 160)):
        blob = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size)).astype(np.float32)
        with torch.inference_mode():
            expected = model.matte(torch.from_numpy(blob))[0, 0].numpy()
        assert np.abs(engine.predict(blob) - expected).max() < 1e-3
    engine.close()


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_a_file_that_gives_other_mattes_is_not_kept(
    tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """The graph is swapped for one whose last bias is off."""
    graph = onnx.load(str(exported))
    bias = next(tensor for tensor in graph.graph.initializer if tensor.name == "f_branch.conv_f.1.layers.0.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(value), bias.name))
    monkeypatch.setattr(exporter, "onnx_graph", lambda *_: graph.SerializeToString())
    (tmp_path / "x.onnx").write_bytes(b"the one before")
    with pytest.raises(ModelError, match="other mattes than PyTorch"):
        export_network(load_network(exported).model, tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == b"the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_the_command_adds_to_the_users_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "My Room.pt", network())
    assert main([str(tmp_path / "My Room.pt")]) == 0
    answer = json.loads(capsys.readouterr().out)
    entry = ModelStore().find("my_room")
    assert answer["path"] == str(entry.path)
    assert (entry.origin, entry.source) == ("user", "My Room.pt")
    assert entry.measured["opset"] == 18
    assert entry.measured["largest_difference"] <= 1e-3


def test_the_command_writes_a_fixed_size_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "x.pt", network())
    weights, output = str(tmp_path / "x.pt"), str(tmp_path / "new" / "x.onnx")
    assert main([weights, "--size", "96x64", "--output", output, "--photos", str(SHIPPED.parent / "assets")]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 1
    shape = onnx.load(output).graph.input[0].type.tensor_type.shape
    assert [side.dim_value for side in shape.dim] == [1, 3, 64, 96]
    assert len(ModelStore().list()) == len(ModelStore(SHIPPED, tmp_path / "nobody").list())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--size", "512x288"], 2),
        (["--size", "510x288", "--output", "y.onnx"], 2),
        (["--size", "big", "--output", "y.onnx"], 2),
        (["--opset", "11"], 2),
        (["--photos", "nowhere"], 2),
        ([], 1),
    ],
)
def test_wrong_use_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main([str(tmp_path / "missing.pt"), *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    with pytest.raises(UsageError):
        ExportOptions("int8")  # type: ignore[arg-type]


def test_models_import_takes_a_checkpoint_and_the_same_twice(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "Room.ckpt", network())
    store = ModelStore(SHIPPED, tmp_path / "user")
    entry = store.import_file(tmp_path / "Room.ckpt")
    assert (entry.name, entry.file, entry.source) == ("room", "room.onnx", "Room.ckpt")
    assert store.find("room") == entry
    assert store.import_file(tmp_path / "Room.ckpt") == entry
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == ["manifest.toml", "room.onnx"]


def test_a_fetched_checkpoint_does_not_stand_in_its_models_way(
    tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own entry in the list has the name that its file would give the model."""
    monkeypatch.setattr(exporter, "onnx_graph", lambda *_: exported.read_bytes())
    save_checkpoint(tmp_path / "modnet_webcam_pt.pt", load_network(exported).model)
    entry = ModelStore(SHIPPED, tmp_path / "user").import_file(tmp_path / "modnet_webcam_pt.pt")
    assert entry.name == "modnet_webcam_pt_onnx"


def test_without_pytorch_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(modnet, "EXTRA", ("surely_not_installed",))
    assert main(["x.pt"]) == 1
    assert "pip install" in capsys.readouterr().err
