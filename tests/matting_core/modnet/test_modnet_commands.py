"""How the commands of this package answer wrong use."""

import importlib

import pytest


@pytest.mark.parametrize("name", ["begin", "distil", "export", "quantise", "recipe", "sharpen", "train"])
def test_wrong_use_is_one_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = importlib.import_module(f"matting_core.modnet.{name}")
    with pytest.raises(SystemExit) as ended:
        command.main(["--nonsense"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"python -m matting_core.modnet.{name}: ")
    assert said.err.endswith("Add --help to see what it takes.\n")
