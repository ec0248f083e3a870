"""ModelStore on a shipped folder and a user's folder made for each test, and on what the project really ships."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from matting_core import model_store, modnet
from matting_core.errors import ModelError, UsageError
from matting_core.manifest import read_manifest, write_manifest
from matting_core.model_check import check_matting_model
from matting_core.model_store import SHIPPED, ModelStore
from tests.support.tiny_onnx import write_network

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MANIFEST = f"""
version = 1
[[model]]
name = "shipped"
file = "shipped.onnx"
origin = "shipped"
sha256 = "{SHA256}"
licence = "Apache-2.0"
[[model]]
name = "remote"
file = "remote.onnx"
origin = "download"
sha256 = "{SHA256}"
source = "https://models.invalid/remote.onnx"
[[model]]
name = "remote_pt"
file = "remote_pt.pt"
origin = "download"
needs = "train"
sha256 = "{SHA256}"
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST)
    (folder / "shipped.onnx").write_bytes(CONTENT)
    return folder


@pytest.fixture
def store(tmp_path: Path, shipped: Path) -> ModelStore:
    return ModelStore(shipped, tmp_path / "user")


def test_the_shipped_model_is_what_its_manifest_says() -> None:
    store = ModelStore()
    entry = store.find("modnet_photographic")
    assert entry.path is not None
    assert entry.path.stat().st_size == entry.size_bytes
    assert all(result.ok for result in store.verify())
    check_matting_model(entry.path)


def test_every_shipped_record_names_its_terms() -> None:
    for entry in read_manifest(SHIPPED):
        assert entry.licence == "Apache-2.0"
        assert entry.attribution
        assert entry.source.startswith("https://")
        assert not entry.licence_file or "Apache License" in (SHIPPED / entry.licence_file).read_text()


def test_list_tells_what_is_installed(store: ModelStore) -> None:
    states = {entry.name: (entry.origin, entry.installed) for entry in store.list()}
    assert states == {
        "shipped": ("shipped", True),
        "remote": ("download", False),
        "remote_pt": ("download", False),
    }


def test_find_refuses_a_changed_file_and_notices_the_change(store: ModelStore, shipped: Path) -> None:
    assert store.find("shipped").path == shipped / "shipped.onnx"
    (shipped / "shipped.onnx").write_bytes(b"other weights")
    with pytest.raises(ModelError, match=r"shipped\.onnx is damaged") as caught:
        store.find("shipped")
    assert "git checkout" in caught.value.mend


def test_find_names_what_is_missing(store: ModelStore, shipped: Path) -> None:
    with pytest.raises(UsageError, match="shipped, remote"):
        store.find("nothing")
    with pytest.raises(ModelError, match="not installed") as caught:
        store.find("remote")
    assert caught.value.mend.endswith("models get remote")
    with pytest.raises(ModelError, match="PyTorch checkpoint") as caught:
        store.find("remote_pt")
    assert "models import" in caught.value.mend
    (shipped / "shipped.onnx").unlink()
    with pytest.raises(ModelError, match="not installed"):
        store.find("shipped")


def test_an_unchanged_file_is_hashed_once(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.find("shipped")
    monkeypatch.setattr(model_store.hashlib, "file_digest", None)  # calling it would be a TypeError
    store.find("shipped")


def test_verify_reports_each_installed_model(store: ModelStore, shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "remote.onnx").write_bytes(b"cut")
    assert [(r.entry.name, r.ok) for r in store.verify()] == [("shipped", True), ("remote", False)]
    (shipped / "shipped.onnx").unlink()
    assert [(r.entry.name, r.ok) for r in store.verify()] == [("shipped", False), ("remote", False)]


def test_get_downloads_the_pinned_file_once(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[object, ...]] = []

    def fetch(url: str, destination: Path, sha256: str, size: int, progress: object) -> None:
        fetched.append((url, sha256))
        destination.parent.mkdir()
        destination.write_bytes(CONTENT)

    monkeypatch.setattr(model_store, "download", fetch)
    assert store.get("remote") == tmp_path / "user" / "remote.onnx"
    assert store.get("remote") == store.find("remote").path
    assert fetched == [("https://models.invalid/remote.onnx", SHA256)]
    assert store.get("shipped") == store.find("shipped").path
    assert len(fetched) == 1


def test_checkpoints_are_fetched_where_they_can_be_used(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, destination: Path, sha256: str, size: int, progress: object) -> None:
        destination.parent.mkdir()
        destination.write_bytes(CONTENT)

    monkeypatch.setattr(model_store, "download", fetch)
    monkeypatch.setattr(modnet, "EXTRA", ("surely_not_installed",))
    with pytest.raises(ModelError, match="`train` extra") as caught:
        store.get("remote_pt")
    assert "pip install" in caught.value.mend
    monkeypatch.setattr(modnet, "EXTRA", ("json",))
    assert store.get("remote_pt") == tmp_path / "user" / "remote_pt.pt"


def test_import_copies_checks_and_remembers(store: ModelStore, shipped: Path, tmp_path: Path) -> None:
    source = write_network(tmp_path / "My Room (v2).onnx")
    entry = store.import_file(source)
    assert (entry.name, entry.file, entry.origin) == ("my_room_v2", "my_room_v2.onnx", "user")
    source.unlink()

    again = ModelStore(shipped, tmp_path / "user")
    assert again.find("my_room_v2").path == tmp_path / "user" / "my_room_v2.onnx"
    assert [r.ok for r in again.verify()] == [True, True]
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == ["manifest.toml", "my_room_v2.onnx"]


def test_import_twice_is_the_same_model_and_another_file_is_refused(store: ModelStore, tmp_path: Path) -> None:
    source = write_network(tmp_path / "room.onnx")
    first = store.import_file(source)
    assert store.import_file(source) == first
    write_network(source, operators=("ReduceMean", "Relu", "Sigmoid"))
    with pytest.raises(ModelError, match="A model named 'room' already exists"):
        store.import_file(source)
    assert store.find("room") == first


def test_an_imported_model_never_replaces_a_known_one(store: ModelStore, tmp_path: Path) -> None:
    for name in ("shipped", "remote"):
        with pytest.raises(ModelError, match="already"):
            store.import_file(write_network(tmp_path / "x.onnx"), name)
    assert len(store.list()) == 3


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"operators": ("ReduceMean",)}, "alpha lies in 0 to 1"),
        ({"operators": ("ReduceMean", "Log")}, "alpha lies in 0 to 1"),
        ({"operators": ("ReduceMean", "Abs", "Cos")}, "takes an empty picture for a person"),
        ({"operators": ("Sigmoid",)}, r"\(1, 3, 64, 64\)"),
        ({"shape": ("n", 1, "h", "w")}, "not a portrait matting network"),
        ({"shape": (1, 3, 512, 512)}, "not a portrait matting network"),
        ({"operators": ("Add", "ReduceMean", "Sigmoid"), "second_input": True}, "not a portrait matting network"),
    ],
)
def test_what_is_no_matting_network_is_refused(
    store: ModelStore, tmp_path: Path, network: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        store.import_file(write_network(tmp_path / "x.onnx", **network))  # type: ignore[arg-type]
    assert not list((tmp_path / "user").iterdir())


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x00" * 999])
def test_garbage_is_refused(store: ModelStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^x\.onnx"):
        store.import_file(path)
    assert not list((tmp_path / "user").iterdir())


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".PTH"])
def test_checkpoints_need_the_train_extra(
    store: ModelStore, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modnet, "EXTRA", ("surely_not_installed",))
    with pytest.raises(UsageError, match=rf"x\{suffix} does not exist"):
        store.import_file(tmp_path / f"x{suffix}")
    (tmp_path / f"x{suffix}").touch()
    with pytest.raises(ModelError, match=rf"Importing x\{suffix} needs the `train` extra"):
        store.import_file(tmp_path / f"x{suffix}")
    assert not list((tmp_path / "user").iterdir())


def test_add_keeps_the_facts_it_is_given(store: ModelStore, tmp_path: Path) -> None:
    file = write_network(tmp_path / "x.onnx")
    entry = store.add(file, "room", "room.pt", licence="Apache-2.0", measured={"largest_difference": 1e-5})
    assert store.find("room") == entry
    assert (entry.source, entry.licence) == ("room.pt", "Apache-2.0")
    assert store.find("room").measured == {"largest_difference": 1e-5}
    assert file.exists(), "the given file stays"
    with pytest.raises(UsageError, match="not a valid model name"):
        store.add(file, "../x", "x")


def test_files_that_are_none_are_refused(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "x.zip").touch()
    with pytest.raises(ModelError, match=r"neither an \.onnx file"):
        store.import_file(tmp_path / "x.zip")
    with pytest.raises(UsageError, match="does not exist"):
        store.import_file(tmp_path / "missing.onnx")


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "a\\b", "", ".hidden", "-x", "A", "ü", "a b", "x\n", "con", "lpt1", "a" * 65]
)
def test_hostile_names_are_refused(store: ModelStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a valid model name"):
        store.import_file(write_network(tmp_path / "x.onnx"), name)
    assert not (tmp_path / "user").exists()


@pytest.mark.parametrize("file", ["../shipped.onnx", "/etc/hostname", "a/b.onnx", "..", ".x"])
def test_a_manifest_cannot_point_out_of_its_folder(tmp_path: Path, file: str) -> None:
    (tmp_path / "manifest.toml").write_text(MANIFEST.replace('"remote.onnx"', f'"{file}"'))
    with pytest.raises(ModelError, match="is damaged"):
        read_manifest(tmp_path)


def test_a_damaged_user_manifest_stops_imports_but_not_the_shipped_model(store: ModelStore, tmp_path: Path) -> None:
    own = tmp_path / "user" / "manifest.toml"
    own.parent.mkdir()
    own.write_text("[[model")
    assert store.find("shipped").installed
    with pytest.raises(ModelError, match="is damaged"):
        store.import_file(write_network(tmp_path / "x.onnx"))
    assert own.read_text() == "[[model"


def test_a_missing_shipped_manifest_says_how_to_restore_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing or empty") as caught:
        ModelStore(tmp_path, tmp_path / "user").list()
    assert "git checkout" in caught.value.mend


def test_a_manifest_survives_writing_and_reading(shipped: Path, tmp_path: Path) -> None:
    entries = read_manifest(shipped)
    write_manifest(tmp_path / "copy", entries)
    assert read_manifest(tmp_path / "copy") == entries
    raw = tomllib.loads((tmp_path / "copy" / "manifest.toml").read_text())
    assert raw["version"] == 1
    assert "path" not in raw["model"][0]
