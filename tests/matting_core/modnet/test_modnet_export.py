"""Export: the files that come out run in both engines at any size, give the same mattes, and are refused otherwise."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from matting_core.engine import create_engine
from matting_core.errors import ModelError, UsageError
from matting_core.model_check import check_matting_model
from matting_core.model_store import SHIPPED, ModelStore
from matting_core.modnet import export, onnx_graph
from matting_core.modnet.export import ExportOptions, export_network, main
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
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(folded.matte(image), model.matte(image), atol=1e-5)
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
    assert str(Path(export.__file__).parent).encode() not in exported.read_bytes()
    first, second = load_network(shipped_model).model, load_network(exported).model
    image = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(first.matte(image), second.matte(image), atol=1e-4)
    assert not {name for name in names if name.startswith(HEADS)}


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions("fp16"),
        ExportOptions(size=(64, 128)),
        ExportOptions(opset=20),
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


def test_the_papers_network_exports_at_any_size(tmp_path: Path) -> None:
    model = network("easpp")
    export_network(model, tmp_path / "x.onnx")
    engine = create_engine("openvino", tmp_path / "x.onnx")
    for size in ((64, 64), (96, 160)):
        blob = np.random.default_rng(0).uniform(-1, 1, (1, 3, *size)).astype(np.float32)
        with torch.inference_mode():
            expected = model.matte(torch.from_numpy(blob))[0, 0].numpy()
        assert np.abs(engine.predict(blob) - expected).max() < 1e-3
    engine.close()


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[MODNet], None]) -> None:
    """Let the graph be written from a network that was changed on the way."""
    real = onnx_graph.fold_norms

    def fold(model: MODNet) -> MODNet:
        with torch.no_grad():
            change(model)
        return real(model)

    monkeypatch.setattr(onnx_graph, "fold_norms", fold)


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_a_file_that_gives_other_mattes_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    spoil(monkeypatch, lambda model: model.f_branch.conv_f[1].layers[0].bias.add_(value))
    (tmp_path / "x.onnx").write_bytes(b"the one before")
    with pytest.raises(ModelError, match="other mattes than PyTorch"):
        export_network(network(), tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == b"the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_exporting_leaves_the_network_as_it_is(tmp_path: Path) -> None:
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export_network(model, tmp_path / "x.onnx")
    assert model.training
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())


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


def test_models_import_takes_a_released_checkpoint_and_the_same_twice(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODNet().eval()
    torch.save({f"module.{name}": value for name, value in model.state_dict().items()}, tmp_path / "Webcam.ckpt")
    store = ModelStore(SHIPPED, tmp_path / "user")
    entry = store.import_file(tmp_path / "Webcam.ckpt")
    assert (entry.name, entry.file, entry.source) == ("webcam", "webcam.onnx", "Webcam.ckpt")
    assert store.find("webcam") == entry
    assert store.import_file(tmp_path / "Webcam.ckpt") == entry
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == ["manifest.toml", "webcam.onnx"]
