"""The command `models`: its words, its JSON and its exit codes, on a store of its own."""

import json
from pathlib import Path

import pytest

from app.models_command import run
from matting_core import model_store, modnet
from matting_core.errors import ModelError, UsageError
from matting_core.model_store import SHIPPED, ModelStore
from tests.support.tiny_onnx import write_network

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(SHIPPED, tmp_path / "user")


def answer(capsys: Capture) -> dict[str, object]:
    """The one JSON object that was printed."""
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_list(store: ModelStore, capsys: Capture) -> None:
    assert run("list", store=store) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "state", "size", "licence", "from"]
    assert lines[1].split() == ["modnet_photographic", "included", "25.9", "MB", "Apache-2.0"]
    assert any(line.startswith("modnet_webcam ") and "not installed" in line for line in lines)
    assert any("needs train" in line for line in lines)
    assert run("list", as_json=True, store=store) == 0
    models = answer(capsys)["models"]
    assert isinstance(models, list)
    assert [model["name"] for model in models] == [entry.name for entry in store.list()]
    assert models[0]["installed"] is True


def test_verify_fails_on_a_damaged_model(store: ModelStore, tmp_path: Path, capsys: Capture) -> None:
    assert run("verify", store=store) == 0
    assert capsys.readouterr().out == "".join(
        f"ok     {entry.name}\n" for entry in store.list() if entry.origin == "shipped"
    )
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "modnet_webcam.onnx").write_bytes(b"cut")
    assert run("verify", store=store) == 1
    assert "wrong  modnet_webcam  The model file" in capsys.readouterr().out
    assert run("verify", as_json=True, store=store) == 1
    models = answer(capsys)["models"]
    assert isinstance(models, list)
    assert {model["name"] for model in models if not model["ok"]} == {"modnet_webcam"}


def test_import_then_list(store: ModelStore, tmp_path: Path, capsys: Capture) -> None:
    assert run("import", str(write_network(tmp_path / "room.onnx")), as_json=True, store=store) == 0
    assert answer(capsys)["name"] == "room"
    assert run("list", store=store) == 0
    assert "room  " in capsys.readouterr().out


def test_get_keeps_its_progress_off_standard_output(
    store: ModelStore, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, destination: Path, sha256: str, size: int, progress: model_store.Progress) -> None:
        for done in (0, 500, 1000):
            progress(done, 1000)

    monkeypatch.setattr(model_store, "download", fetch)
    assert run("get", "modnet_webcam", as_json=True, store=store) == 0
    assert str(answer(capsys)["path"]).endswith("modnet_webcam.onnx")


@pytest.mark.parametrize(
    ("action", "argument"), [("burn", None), ("get", None), ("import", ""), ("list", "x"), ("get", "nothing")]
)
def test_wrong_use(store: ModelStore, action: str, argument: str | None) -> None:
    with pytest.raises(UsageError):
        run(action, argument, store=store)


def test_checkpoints_need_the_train_extra(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modnet, "EXTRA", ("surely_not_installed",))
    with pytest.raises(ModelError, match="`train` extra"):
        run("get", "modnet_webcam_pt", store=store)
