"""Training: what is given wrongly, goes missing, fills up or blows up is said in one sentence, and nothing is lost."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_fixtures import make_people, train, trainer, write_config

from matting_core.errors import MediaError, ModelError, UsageError
from matting_core.modnet import train as command
from matting_core.modnet.model import MODNet, ModnetConfig
from matting_core.modnet.run_state import training_part
from matting_core.modnet.train_config import load_config
from matting_core.modnet.train_setup import check_processes
from matting_core.modnet.weights import load_network, save_checkpoint


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_config(tmp_path, make_people(tmp_path / "people", 7))


def test_a_checkpoint_of_another_network_is_no_start(tiny: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "wide.ckpt", MODNet(ModnetConfig(detail_width=10, backbone_width=0.1)))
    with pytest.raises(UsageError, match=r"wide\.ckpt is .*detail_width=10.*The config asks for .*detail_width=8"):
        train(tiny, f"network.weights={tmp_path / 'wide.ckpt'}")


def test_another_runs_checkpoint_is_not_resumed(tiny: Path, tmp_path: Path) -> None:
    train(tiny)
    before = (tiny.parent / "run/last.ckpt").read_bytes()
    with pytest.raises(UsageError, match=r"another run: there optimiser\.learning_rate is 0\.01, here 0\.02"):
        train(tiny, "optimiser.learning_rate=0.02", resume=True)
    fewer = make_people(tmp_path / "fewer", 6)
    with pytest.raises(UsageError, match="another run: there pictures is"):
        train(tiny, f"data.train={fewer}", resume=True)
    (tiny.parent / "run/last.ckpt").write_bytes(before[: len(before) // 2])
    with pytest.raises(ModelError, match="damaged"):
        train(tiny, resume=True)
    (tiny.parent / "run/last.ckpt").write_bytes((tiny.parent / "run/best.ckpt").read_bytes())
    with pytest.raises(ModelError, match="not a checkpoint of a training run"):
        train(tiny, resume=True)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.train=nowhere"], "The folder nowhere does not exist. Check the path."),
        (["batch=8"], "has 7 pictures, fewer than a batch of 8. Set a smaller batch."),
        (["data.backgrounds=nowhere"], "The folder nowhere cannot be read (No such file or directory)."),
        (["network.weights=nowhere.ckpt"], "nowhere.ckpt cannot be read"),
        (["network.detail_width=3"], "A detail width of 3 makes no network."),
        (["precision=fp16"], "Half precision (fp16) needs a GPU."),
    ],
)
def test_bad_input_ends_in_one_sentence(
    tiny: Path, overrides: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = [word for override in overrides for word in ("--set", override)]
    assert command.main([str(tiny), *setting]) in {1, 2}
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_known_at_once(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny.parent / "file").write_text("")
    assert command.main([str(tiny), "--set", f"output={tiny.parent / 'file/run'}"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_corrupt_picture_is_named_and_left_out(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = make_people(tmp_path / "some", 5)
    (people / "image/03.png").write_bytes(b"no picture")
    assert command.main([str(tiny), "--set", f"data.train={people}", "--set", "epochs=1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["steps"] == 2
    assert "Skipped 1 files" in err
    assert "03.png" in err


def test_a_picture_lost_meanwhile_is_named_even_by_a_loading_process(tiny: Path, tmp_path: Path) -> None:
    people = make_people(tmp_path / "some", 2)
    run = trainer(load_config(str(tiny), [f"data.train={people}", "data.workers=1"]))
    (people / "image/01.png").unlink()
    with pytest.raises(MediaError) as caught:
        run.run()
    assert "01.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_last_good_checkpoint(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(load_config(str(tiny), ["epochs=6"]))
    calls = []

    def fills_up(_: int) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("matting_core.atomic.os.fsync", fills_up)
    with pytest.raises(ModelError, match=r"cannot be written \(No space left on device\)"):
        run.run()
    folder = tiny.parent / "run"
    assert training_part(folder / "last.ckpt")["step"] == 2
    assert not list(folder.glob(".*part"))


@pytest.mark.parametrize("intervals", ["log_every=1 checkpoint_every=999", "log_every=999 checkpoint_every=1"])
def test_weights_that_are_no_numbers_stop_the_run_and_are_not_kept(tiny: Path, intervals: str) -> None:
    """Where the loss is looked at, and where nothing is looked at until it is to be written."""
    explosive = ["optimiser.learning_rate=10", "optimiser.weight_decay=1", "optimiser.schedule=constant"]
    with pytest.raises(ModelError, match="holds values that are not numbers at step") as caught:
        train(tiny, *explosive, *intervals.split(), "validate_every=999", "epochs=40", "network.norms=frozen")
    stopped = int(caught.value.problem.rstrip(".").split()[-1])
    kept = tiny.parent / "run/last.ckpt"
    assert stopped < 120
    if kept.exists():
        assert training_part(kept)["step"] == stopped - 1
        load_network(kept)


def test_a_network_of_no_use_stops_before_the_first_step(tiny: Path, tmp_path: Path) -> None:
    model = MODNet(ModnetConfig(detail_width=8, backbone_width=0.1))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1e30)
    save_checkpoint(tmp_path / "huge.ckpt", model)
    with pytest.raises(ModelError, match=r"holds values that are not numbers at step 0\."):
        train(tiny, f"network.weights={tmp_path / 'huge.ckpt'}", "network.norms=frozen")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], r"Several processes cannot share batch statistics on the CPU\."),
        (["network.norms=frozen", "batch=3"], r"A batch of 3 cannot be shared by 2 processes\."),
    ],
)
def test_processes_that_cannot_share_the_work_are_refused(tiny: Path, overrides: list[str], sentence: str) -> None:
    two = SimpleNamespace(num_processes=2, device=torch.device("cpu"))
    with pytest.raises(UsageError, match=sentence):
        check_processes(load_config(str(tiny), overrides), two)
    check_processes(load_config(str(tiny), ["network.norms=frozen"]), two)
