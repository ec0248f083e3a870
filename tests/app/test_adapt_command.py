"""`adapt`: its words, its JSON, what it keeps and what it leaves, without PyTorch: the network's part is made up."""

import json
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from app import adapt_command
from app.adapt_command import Teller, adapt
from app.cli import main
from matting_core.errors import ModelError, UsageError
from matting_core.model_store import SHIPPED, ModelStore
from matting_core.pictures import write_image
from tests.support.tiny_onnx import write_network

Capture = pytest.CaptureFixture[str]


class Quality(NamedTuple):
    disagreement: float
    flicker: float | None
    person: float


class Progress(NamedTuple):
    stage: str
    done: int
    total: int
    left_s: float | None = None


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(SHIPPED, tmp_path / "user")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write_image(tmp_path / "clip" / "0.png", np.zeros((8, 8, 3), np.uint8))
    return tmp_path / "clip"


@pytest.fixture
def reason() -> list[str]:
    """What the made-up verdict says; empty keeps."""
    return [""]


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch, reason: list[str]) -> None:
    """A learner that tells of three steps, and an exporter that writes a tiny network."""

    def learn(source: Path, *_: object) -> Any:
        tell = _[-1]
        for done in range(4):
            tell(Progress("adapting", done, 3, 90.0 - 30 * done))  # type: ignore[operator]
        adapted = types.SimpleNamespace(
            before=Quality(0.01, None, 0.3),
            after=Quality(0.005, None, 0.31),
            held_out=((4, 5), (9, 10)),
            model="adapted",
            frames=16,
            epochs=2,
            without_person=1,
            seconds=1.25,
        )
        return adapted, ("The file 7.png is no picture.",)

    def export(model: object, path: Path) -> Any:
        assert model == "adapted"
        write_network(path)
        return types.SimpleNamespace(largest=1e-6)

    monkeypatch.setattr(adapt_command, "require_train_extra", lambda _purpose: None)
    monkeypatch.setattr(adapt_command, "_run", learn)
    monkeypatch.setattr(adapt_command, "_make_way", lambda: None)
    for name, content in (
        ("exporter", {"export_network": export}),
        ("adapt_quality", {"verdict": lambda _before, _after: reason[0]}),
    ):
        module = types.ModuleType(f"matting_core.modnet.{name}")
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, f"matting_core.modnet.{name}", module)


def test_a_better_model_is_listed_beside_the_original(store: ModelStore, clip: Path, capsys: Capture) -> None:
    assert adapt(clip, 2, None, None, None, True, store) == 0
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    result = json.loads(line)
    assert (result["kept"], result["name"]) == (True, "modnet_photographic_room")
    assert result["before"] == {"disagreement": 0.01, "person": 0.3}
    assert (result["held_out"], result["frames"], result["epochs"], result["seconds"]) == (4, 16, 2, 1.2)
    entry = store.find("modnet_photographic_room")
    assert (entry.origin, entry.source, entry.licence) == ("user", "clip", "Apache-2.0")
    assert entry.measured["adapted_from"] == "modnet_photographic"
    assert entry.measured["after"]["disagreement"] == 0.005
    assert str(entry.path) == result["path"]
    assert store.find("modnet_photographic").installed
    told = [json.loads(line) for line in said.err.splitlines()]
    assert told[0] == {"stage": "adapting", "done": 0, "total": 3, "left_s": 90.0}
    assert told[-1]["done"] == 3


def test_what_is_no_better_leaves_everything_as_it_was(
    store: ModelStore, clip: Path, reason: list[str], capsys: Capture, tmp_path: Path
) -> None:
    reason[0] = "It flickers more."
    assert adapt(clip, 2, None, None, None, False, store) == 0
    said = capsys.readouterr().out
    assert said.startswith("The file 7.png is no picture.\nMeasured on 4 held-out pictures")
    assert "was not kept, and nothing has changed. It flickers more." in said
    assert "10.000 → 5.000" in said
    assert not (tmp_path / "user").exists()


def test_it_says_how_to_use_it_and_how_to_go_back(store: ModelStore, clip: Path, capsys: Capture) -> None:
    assert adapt(clip, 2, None, "den", None, False, store) == 0
    said = capsys.readouterr()
    assert "run --model den" in said.out
    assert "choose modnet_photographic there" in said.out
    assert "models remove den" in said.out
    assert "Adapting: about 2 minutes" in said.err


def test_a_second_room_gets_a_name_of_its_own_and_a_taken_one_is_refused_first(
    store: ModelStore, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.free_name("modnet_webcam", exactly=False) == "modnet_webcam-2"
    assert store.free_name("den", exactly=True) == "den"
    monkeypatch.setattr(adapt_command, "_run", lambda *_: pytest.fail("it must not begin"))
    for name in ("modnet_photographic", "../den", "con"):
        with pytest.raises(UsageError):
            adapt(clip, 2, None, name, None, False, store)
    with pytest.raises(UsageError, match="does not exist"):
        adapt(clip / "nothing", 2, None, None, None, False, store)


def test_without_the_extra_it_says_how_to_get_it(clip: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(purpose: str) -> None:
        raise ModelError(f"{purpose} needs the `train` extra.", "Install it.")

    monkeypatch.setattr(adapt_command, "require_train_extra", missing)
    assert main(["adapt", str(clip)]) == 1
    assert capsys.readouterr().err == "mattecam: Adapting a model needs the `train` extra. Install it.\n"


def test_the_command_line_reaches_it(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(adapt_command, "adapt", lambda **given: asked.update(given) or 0)
    assert main(["adapt", str(clip), "--epochs", "3", "--seconds-limit", "60", "--output", "den", "--json"]) == 0
    assert asked == {
        "source": clip,
        "epochs": 3,
        "seconds_limit": 60.0,
        "output": "den",
        "compare": None,
        "as_json": True,
    }


def test_run_and_process_take_a_model_by_name(clip: Path, tmp_path: Path, capsys: Capture) -> None:
    run = ("run", "--camera", "demo", "--output", "null", "--seconds", "20", "--model", "no-such-model")
    process = ("process", str(clip), "--alpha", str(tmp_path / "alpha"), "--model", "no-such-model")
    for command in (run, process):
        assert main(command) == 2
        assert "There is no model 'no-such-model'" in capsys.readouterr().err
    ModelStore().add(write_network(tmp_path / "x.onnx"), "den", "made up")
    assert main((*process[:-1], "den", "--json")) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["model"] == "den"


def test_progress_is_told_at_the_ends_and_not_too_often(capsys: Capture) -> None:
    with Teller(as_json=True) as tell:
        for done in range(1001):
            tell(Progress("looking", done, 1000))
        tell(Progress("adapting", 0, 10, 5.0))
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [told[0]["done"], told[-2]["done"], told[-1]["stage"]] == [0, 1000, "adapting"]
    assert len(told) < 20


def test_removing_a_model(store: ModelStore, tmp_path: Path) -> None:
    entry = store.add(write_network(tmp_path / "x.onnx"), "den", "clip.mp4")
    assert entry.path is not None
    store.remove("den")
    assert not entry.path.exists()
    assert "den" not in {known.name for known in store.list()}
    for name in ("modnet_photographic", "modnet_webcam", "den"):
        with pytest.raises(UsageError):
            store.remove(name)
    assert store.find("modnet_photographic").installed
