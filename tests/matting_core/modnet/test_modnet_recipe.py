"""The recipe of the fast network: every step is one that its command takes, in order, once, and where it stopped."""

import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from matting_core.modnet import begin, distil, export, quantise, recipe, sharpen
from matting_core.modnet.train_config import TrainConfig, load_config

FOLDERS = ["--photos", "masked", "plain", "--rooms", "rooms", "--validation", "other", "--cutouts", "cut"]


@pytest.fixture
def fails() -> set[str]:
    """The modules that end with 3."""
    return set()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, fails: set[str]) -> list[str]:
    """The modules that were run, none of them in truth."""
    modules: list[str] = []

    def run(command: list[str], check: bool) -> SimpleNamespace:
        modules.append(command[2].rpartition(".")[2])
        return SimpleNamespace(returncode=3 if modules[-1] in fails else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return modules


def plan(length: float = 1) -> tuple[recipe.Step, ...]:
    folders = Path("rooms"), Path("other"), Path("cut")
    return recipe.steps(Path("out"), [Path("masked"), Path("plain")], *folders, length)


def training(step: recipe.Step) -> TrainConfig:
    """Of a step of `train`, which says --resume, or of `begin`."""
    return load_config(step.arguments[0], [word for word in step.arguments[1:] if not word.startswith("--")])


def test_every_step_is_understood_by_its_command() -> None:
    parsers = {"distil": distil, "sharpen": sharpen, "export": export, "quantise": quantise}
    for step in plan():
        if step.module in {"begin", "train"}:
            assert (step.arguments[-1] == "--resume") == (step.module == "train")
            words = [word for word in step.arguments[1:] if word != "--resume"]
            assert set(words[::2]) == {"--set"}
            config = training(step)
            assert config.output == Path("out") / step.name.removeprefix("run ")
            assert config.data.backgrounds == Path("rooms")
        else:
            parsers[step.module]._parser().parse_args(step.arguments)


def test_each_step_takes_what_an_earlier_one_made() -> None:
    made: set[Path] = {recipe.RELEASED_FILE}
    newest: Path | None = None
    assert recipe.RELEASED_FILE.is_file()
    for step in plan():
        if step.module in {"begin", "train"}:
            config = training(step)
            assert config.network.teacher == recipe.RELEASED_FILE
            assert config.network.weights == newest, step
            assert config.data.train in made
            newest = config.output / (begin.RESULT if step.module == "begin" else "last.ckpt")
            made.add(newest)
        elif step.module == "distil":
            made.add(Path(step.arguments[0]))
        else:
            assert Path(step.arguments[0]) in made, step
            made.add(Path(step.arguments[step.arguments.index("--output") + 1]))
    assert {Path("out/mattecam_fast.onnx"), Path("out/mattecam_fast_int8.zip")} <= made


def test_a_shorter_recipe_differs_in_its_epochs_alone() -> None:
    whole, short = plan(), plan(0.2)
    assert [step.name for step in whole] == [step.name for step in short]
    for step, other in zip(whole, short, strict=True):
        if step.module in {"begin", "train"}:
            long, few = training(step), training(other)
            assert few.epochs == round(long.epochs / 5)
            assert few.model_copy(update={"epochs": long.epochs}) == long
        else:
            assert step == other
    assert {training(step).epochs for step in plan(0.01) if step.module in {"begin", "train"}} == {1}


def test_the_precision_is_that_of_all_that_learns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, expected in (((), "auto"), (("--precision", "fp32"), "fp32")):
        assert recipe.main([str(tmp_path / "out"), *FOLDERS, "--list", *options]) == 0
        commands = [shlex.split(line)[2:] for line in capsys.readouterr().out.splitlines()]
        learning = [recipe.Step("", module.rpartition(".")[2], tuple(rest)) for module, *rest in commands]
        learning = [step for step in learning if step.module in recipe.LEARNING]
        assert len(learning) == 5
        assert {training(step).precision for step in learning} == {expected}


@pytest.mark.parametrize("share", ["0", "1.5", "nan", "half"])
def test_a_share_that_is_none_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        recipe.main(["out", *FOLDERS, "--length", share])
    assert f"'{share}' is not a number above 0 and up to 1" in capsys.readouterr().err


def test_what_was_done_is_not_done_again_and_a_failure_ends_it(
    tmp_path: Path, asked: list[str], fails: set[str]
) -> None:
    command = [str(tmp_path / "out"), *FOLDERS]
    whole = ["distil", "begin", *["train"] * 4, "sharpen", "export", "quantise"]
    fails.add("sharpen")
    assert recipe.main(command) == 3
    assert asked == whole[:7]
    fails.clear()
    assert recipe.main(command) == 0
    assert asked[7:] == whole[6:]
    assert recipe.main(command) == 0
    assert asked[7:] == whole[6:]
    asked.clear()
    assert recipe.main([*command, "--length", "0.1"]) == 0
    assert asked == whole[1:6], "of another length nothing was done"
    asked.clear()
    assert recipe.main([*command, "--length", "0.1", "--precision", "fp32"]) == 0
    assert asked == [], "another precision is not another recipe"


def test_the_list_does_nothing(tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe.main([str(tmp_path / "out"), *FOLDERS, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert lines[0] == f"python -m matting_core.modnet.distil {tmp_path / 'out' / 'taught'} masked plain"
    assert asked == []
    assert not list(tmp_path.iterdir())
