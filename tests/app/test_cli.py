"""The command line's contract: options, exit codes, one sentence on failure, one JSON object on the last line."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from matting_core.own_command import own_command
from matting_core.pictures import write_image
from matting_core.presets import PRESETS
from tests.support.commands import last_json

MAIN = Path(__file__).resolve().parents[2] / "main.py"
LIVE = ("run", "--camera", "demo", "--output", "null", "--preset", "fast", "--background", "color:#102030")
TINY = ("--model", "tiny")


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"mattecam {project['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("run", "--camera", "demo", "--output", "null", "--background", "colour:red", "--seconds", "5"), "colour:red"),
        (
            ("run", "--camera", "demo", "--output", "null", "--background", "nowhere.jpg", "--seconds", "5"),
            "nowhere.jpg",
        ),
        (("run", "--camera", "demo", "--output", "null", "--background", "#00b140"), "Write color:#00b140"),
        (("run", "--camera", "no such camera", "--output", "null", "--seconds", "5"), "no such camera"),
        (("run", "--camera", "demo", "--output", "virtual:/dev/null", "--seconds", "5"), "/dev/null"),
        (("run", "--camera", "demo", "--output", "no/such/folder/out.mp4", "--seconds", "5"), "out.mp4"),
        (("run", "--camera", "demo", "--output", "null", "--fps-cap", "3"), "--fps-cap"),
        (("run", "--camera", "demo", "--output", "null", "--load-limit", "101"), "--load-limit"),
        (("run", "--camera", "demo", "--output", "null", "--size", "big"), "'big' is not a size"),
        (("bench", "--source", "nowhere.mp4"), "nowhere.mp4"),
        (("bench", "--size", "big"), "big"),
        (("bench", "--compare", "--preset", "fast"), "bench --compare does not take --preset"),
        (("bench", "--calibrate", "--seconds", "3"), "bench --calibrate does not take --seconds"),
        (("models", "get", "nobody"), "nobody"),
        (("models", "import", "nowhere.onnx"), "nowhere.onnx"),
    ],
)
def test_wrong_input_is_one_sentence_that_names_it(
    arguments: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) in (1, 2)
    said = capsys.readouterr()
    assert word in said.err
    assert said.err.startswith("mattecam: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("run", "--seconds", "-1"),
        ("run", "--seconds", "soon"),
        ("run", "--preset", "huge"),
        ("run", "--engine", "magic"),
        ("process",),
        ("models",),
        ("models", "get"),
        ("doctor", "now"),
    ],
)
def test_wrong_use_is_exit_code_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("mattecam")
    assert "--help" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--sice", "1"), "mattecam: this command does not take --sice 1. Did you mean --size? Add --help"),
        (("run", "--preset", "fats"), "mattecam run: --preset: there is no 'fats' (choose from "),
        (("run", "--preset", "fats"), "). Did you mean fast? Add --help"),
        (("bnech",), "Did you mean bench? Add"),
        (("process", "a.mp4", "b.mp4"), "mattecam: this command does not take b.mp4. Add --help"),
        (("run", "--fps-cap", "abc"), "mattecam run: --fps-cap: 'abc' is not a whole number. Add --help"),
        (("run", "--output"), "mattecam run: --output: its value is missing. Add --help"),
        (("process",), "mattecam process: missing: INPUT. Add --help"),
        (("bench", "--camera", "0"), "mattecam: this command does not take --camera 0. It belongs to: run. Add --help"),
        (("--background", "blur"), "). Options come after their command. Add --help"),
        (("rnu",), "). Did you mean run? Add --help"),
        (("run", "--fps-cap", "fats"), "'fats' is not a whole number. Add --help"),
        (("run", "--preset", "argument x"), "there is no 'argument x' (choose"),
        (("bench", "--compare", "--fused"), "mattecam bench: --fused: not allowed with --compare. Add --help"),
    ],
)
def test_wrong_use_is_told_in_plain_words_with_what_was_perhaps_meant(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [("bench",), ("process", "me.mp4"), ("eval", "pictures")])
def test_the_preset_auto_is_told_to_be_for_live_pictures(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main((*command, "--preset", "auto"))
    assert caught.value.code == 2
    assert "live pictures only; choose fast, balanced, quality, ultra. Add --help" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    done = subprocess.run(
        [sys.executable, MAIN, "--debug", "bench", "--source", "nowhere.mp4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "nowhere.mp4" in done.stderr.splitlines()[-1]


def test_a_python_without_our_packages_is_told_how_to_start() -> None:
    """-S leaves out site-packages: the Python that a newcomer's shell finds first."""
    done = subprocess.run(
        [sys.executable, "-S", str(MAIN), "models", "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "has no package" in done.stderr
    assert own_command("").rstrip() in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-u", MAIN, "models", "list"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_bench_compares_the_presets_with_plain_float32(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--compare", "--size", "320x180", "--seconds", "0.2", "--json"]) == 0
    rows = last_json(capsys)["rows"]
    assert list(rows) == ["plain", *PRESETS]
    assert rows["plain"]["times_as_fast"] == 1
    assert rows["plain"]["mean_difference"] == 0
    assert rows["balanced"]["input_size"] == rows["plain"]["input_size"] == "512x288"
    for row in rows.values():
        assert row["frames"] >= 1
        assert 0 < row["p10_ms"] <= row["p50_ms"] <= row["p90_ms"]
        assert 0 <= row["mean_difference"] < 0.05


def test_bench_times_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("bench", "--size", "320x180", "--seconds", "0.5", "--preset", "fast", "--json")
    assert main(arguments) == 0
    told = last_json(capsys)
    stages = "decode fit preprocess infer stabilise alpha background composite convert preview"
    assert list(told["stages"]) == stages.split()
    assert all(0 <= times["p50_ms"] <= times["p95_ms"] for times in told["stages"].values())
    assert sum(times["p50_ms"] for times in told["stages"].values()) <= 3 * 1000 / told["fps"]
    most = max(times["allocated_kib"] for name, times in told["stages"].items() if name != "decode")
    assert most < 64, "no stage takes even an 8-bit matte of the network's size anew"
    assert told["machine"]["cores"] == os.cpu_count()
    assert {"python", "numpy", "opencv_python"} <= set(told["versions"])
    assert (told["input_size"], told["frame_size"]) == ("512x288", "320x180")
    assert main(arguments[:-1]) == 0
    printed = capsys.readouterr()
    assert "infer" in printed.out
    assert printed.err == "Measuring the preset fast at 320x180.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a system whose windows need a display")
def test_without_a_display_the_window_names_run() -> None:
    bare = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run([sys.executable, MAIN], capture_output=True, text=True, env=bare, timeout=60, check=False)
    assert done.returncode == 2
    assert "run" in done.stderr
    assert done.stderr.startswith("mattecam: ")
    assert done.stderr.count("\n") == 1


def test_what_the_terminal_cannot_show_is_told_all_the_same(tmp_path: Path) -> None:
    """Windows gives a program whose output goes to a file an encoding of few characters."""
    image = tmp_path / "photo.png"
    write_image(image, np.zeros((64, 64, 3), np.uint8))
    done = subprocess.run(
        [sys.executable, MAIN, "process", str(image), "--output", str(tmp_path / "日本.png"), "--preset", "fast"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c.png" in done.stdout


@pytest.mark.parametrize("arguments", [("", "--output", "x.png"), ("x.png", "--output", "")])
def test_an_empty_path_is_wrong_use(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """As of a variable that is not set in a script: it would mean the folder one is in."""
    with pytest.raises(SystemExit, match="2"):
        main(["process", *arguments])
    assert "the path is empty" in capsys.readouterr().err


def test_an_odd_size_is_made_even_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    for size in ("160x120", "161x121"):
        assert main(["bench", "--size", size, "--seconds", "0.2", "--engine", "cpu", "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out.splitlines()[-1])["frame_size"] == "160x120"
        assert ("--size 161x121 becomes 160x120" in said.err) == (size == "161x121")
