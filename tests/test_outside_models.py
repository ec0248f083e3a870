"""Models from outside: whatever the bytes, a model is read, or refused with one of our errors."""

import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matting_core.errors import ModelError
from matting_core.manifest import read_manifest
from matting_core.model_check import check_matting_model
from matting_core.model_store import ModelStore
from matting_core.onnx_scan import scan_onnx
from matting_core.openvino_import import import_openvino, openvino_core
from matting_core.quantised import pack, read_quantised
from tests.support.fuzz import LONG, damaged, few
from tests.support.tiny_onnx import _field, _number, _text, write_network

ROOT = Path(__file__).resolve().parents[1]


@few
@given(damaged((ROOT / "models" / "manifest.toml").read_bytes()[:1500]))
def test_any_manifest_is_records_or_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.toml").write_bytes(data)
    try:
        read_manifest(tmp_path)
    except ModelError as error:
        assert error.problem


def test_a_deeply_nested_manifest_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text("a = " + "[" * 50_000)
    with pytest.raises(ModelError, match="is damaged"):
        read_manifest(tmp_path)


@few
@given(damaged(pack(b"<net/>", bytes(99))))
def test_any_quantised_model_is_one_or_an_error(tmp_path: Path, data: bytes) -> None:
    openvino = import_openvino()
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(ModelError):
        read_quantised(openvino, openvino_core(), tmp_path / "x.zip")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_and_lying_sizes_are_refused(tmp_path: Path, packing: int) -> None:
    openvino = import_openvino()
    with zipfile.ZipFile(tmp_path / "x.zip", "w", packing) as archive:
        archive.writestr("model.xml", "x")
        archive.writestr("model.bin", "x")
    with pytest.raises(ModelError, match="damaged"):
        read_quantised(openvino, openvino_core(), tmp_path / "x.zip")
    data = pack(bytes(32 << 20), b"")
    lie = data.replace(struct.pack("<I", 32 << 20), struct.pack("<I", 9))
    assert lie != data
    (tmp_path / "x.zip").write_bytes(lie)
    with pytest.raises(ModelError, match="damaged"):
        read_quantised(openvino, openvino_core(), tmp_path / "x.zip")


@few
@given(data=st.data())
def test_any_model_file_is_scanned_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    _read_or_refused(scan_onnx, tmp_path / "x.onnx", data)


@settings(few, max_examples=max(3, LONG // 50))
@given(data=st.data())
def test_a_damaged_model_fits_or_is_refused_whatever_the_reader_does(tmp_path: Path, data: st.DataObject) -> None:
    _read_or_refused(check_matting_model, tmp_path / "x.onnx", data)


def _read_or_refused(read: Callable[[Path], object], path: Path, data: st.DataObject) -> None:
    """Have a damaged network read from there."""
    whole = write_network(path).read_bytes()
    path.write_bytes(data.draw(damaged(whole)))
    try:
        read(path)
    except ModelError as error:
        assert error.problem


def _model(tensor: bytes) -> bytes:
    return _number(1, 7) + _field(7, _field(5, tensor))


@pytest.mark.parametrize("place", ["../../secret", "/etc/hostname", "beside.bin"])
def test_weights_in_other_files_are_refused(tmp_path: Path, place: str) -> None:
    tensor = _number(1, 4) + _number(2, 1) + _field(13, _text(1, "location") + _text(2, place)) + _number(14, 1)
    (tmp_path / "x.onnx").write_bytes(_model(tensor))
    with pytest.raises(ModelError, match="other files"):
        ModelStore(user=tmp_path / "own").import_file(tmp_path / "x.onnx")
    inner = _field(7, _field(1, _field(5, _field(6, _field(5, tensor)))))  # in a node's subgraph
    (tmp_path / "x.onnx").write_bytes(inner)
    with pytest.raises(ModelError, match="other files"):
        scan_onnx(tmp_path / "x.onnx")


def test_huge_declared_shapes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(_model(_number(1, 1 << 20) + _number(1, 1 << 20)))
    with pytest.raises(ModelError, match="more than"):
        scan_onnx(tmp_path / "x.onnx")
    write_network(tmp_path / "x.onnx", shape=("n", 3, 1 << 40, "w"))
    with pytest.raises(ModelError, match="declares a side"):
        scan_onnx(tmp_path / "x.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_a_model_that_became_a_link_is_refused(tmp_path: Path) -> None:
    store = ModelStore(user=tmp_path / "own")
    entry = store.import_file(write_network(tmp_path / "room.onnx"))
    assert entry.path is not None
    entry.path.rename(tmp_path / "elsewhere.onnx")
    entry.path.symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ModelError, match="is a link"):
        store.find("room")
