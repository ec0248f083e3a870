"""The int8 form of a model: near the float model, refused when damaged, left aside by engines that cannot run it."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from matting_core.engine import Network, create_engine
from matting_core.errors import ModelError
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image
from matting_core.preprocess import network_size, shrink, to_blob
from matting_core.quantised import pack

NAME = "modnet_photographic"
PORTRAIT = Path(__file__).parents[2] / "assets" / "demo_portrait.jpg"


def test_its_mattes_are_near_the_float_models_at_any_size() -> None:
    network = ModelStore().network(NAME)
    assert network.int8 is not None
    exact, quick = create_engine("openvino", network.float32), create_engine("openvino", network)
    assert exact.provider.endswith("float32")
    assert quick.provider.endswith("int8")
    photo = read_image(PORTRAIT)
    differences = []
    for long_side in (512, 640):
        blob = to_blob(shrink(photo, network_size(photo.shape[0], photo.shape[1], long_side)))
        differences.append(np.abs(exact.predict(blob) - quick.predict(blob)).mean())
    assert min(differences) > 0
    assert np.mean(differences) < 0.006
    exact.close()
    quick.close()


def test_other_engines_run_the_float_model() -> None:
    network = ModelStore().network(NAME)
    engine = create_engine("cpu", network)
    assert engine.provider == "CPUExecutionProvider"
    engine.close()


def test_a_preset_can_ask_for_the_float_model() -> None:
    assert ModelStore().network(NAME, int8=False) == Network(ModelStore().locate(NAME), None)


def test_the_int8_form_is_no_model_to_choose() -> None:
    with pytest.raises(ModelError, match=f"Choose {NAME}"):
        ModelStore().find(f"{NAME}_int8")


def test_a_damaged_int8_form_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shipped = tmp_path / "models"
    shipped.mkdir()
    source = ModelStore().locate(NAME).parent
    (shipped / "manifest.toml").write_bytes((source / "manifest.toml").read_bytes())
    (shipped / f"{NAME}.onnx").symlink_to(source / f"{NAME}.onnx")
    (shipped / f"{NAME}_int8.zip").write_bytes(b"something else")
    network = ModelStore(shipped, tmp_path / "own").network(NAME)
    assert network.int8 is None
    assert f"{NAME}_int8" in caplog.text


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK nothing")
    with pytest.raises(ModelError, match=r"broken\.zip is damaged"):
        create_engine("openvino", Network(ModelStore().locate(NAME), broken))
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("other.xml", "x")
    with pytest.raises(ModelError, match=r"broken\.zip is damaged"):
        create_engine("openvino", broken)
    broken.write_bytes(pack(b"<net/>", b""))
    with pytest.raises(ModelError, match=r"broken\.zip is damaged"):
        create_engine("openvino", broken)
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.xml", "x")
        archive.writestr("model.bin", bytes(65 * 2**20))
    with pytest.raises(ModelError, match="too large"):
        create_engine("openvino", broken)


def test_packing_gives_the_same_bytes() -> None:
    assert pack(b"a", b"b") == pack(b"a", b"b")
