"""`run`: every frame in one count, what it records and leaves behind, and what it takes from the window."""

import argparse
import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from app import settings as settings_file
from app import shipped_backgrounds
from app.cli import main
from app.cli_options import add_run_options
from app.output import NullOutput
from app.pipeline import Parts
from app.settings import Settings
from matting_core.errors import SourceError
from matting_core.fit import fit_image
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image
from matting_core.presets import PRESETS
from tests.support.commands import last_json
from tests.support.tiny_onnx import write_network

MAIN = Path(__file__).resolve().parents[2] / "main.py"
LIVE = ("run", "--camera", "demo", "--output", "null", "--preset", "fast", "--background", "color:#102030")
TINY = ("--model", "tiny")


@pytest.fixture
def tiny(tmp_path: Path) -> None:
    """A network that costs nothing, so that a busy machine is still fast enough for a run of seconds."""
    ModelStore().import_file(write_network(tmp_path / "tiny.onnx"))


@pytest.mark.usefixtures("tiny")
def test_run_accounts_for_every_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LIVE, *TINY, "--seconds", "4", "--json"]) == 0
    told = last_json(capsys)
    assert told["captured"] == told["matted"] + told["failed"] + told["dropped_unmatted"]
    assert told["matted"] == told["shown"] + told["dropped_unsent"]
    assert told["sent"] == told["shown"] + told["repeated"] + told["slates"]
    assert told["dropped"] == told["dropped_unmatted"] + told["dropped_unsent"]
    assert told["frames"] == told["shown"] > 0
    assert told["fps"] == pytest.approx(told["frames"] / told["seconds"], abs=0.01)
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p95"] <= told["latency_ms"]["p99"]
    assert told["input_size"] == "512x288"
    assert told["provider"]
    assert told["model"] == "tiny"
    assert told["outputs"] == ["null"]


def test_run_records_a_film_of_the_chosen_background(tmp_path: Path) -> None:
    film = tmp_path / "out.mp4"
    assert main([*LIVE[:3], "--output", str(film), *LIVE[5:], "--seconds", "8"]) == 0
    with av.open(str(film)) as container:
        corners = [frame.to_ndarray(format="bgr24")[4, 4] for frame in container.decode(video=0)]
    assert len(corners) > 10
    assert max(abs(corner.astype(int) - (0x30, 0x20, 0x10)).max() for corner in corners) <= 4, "a slate is in it"


def test_run_takes_a_size_and_the_name_of_a_background(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "out.mp4"
    options = ("--background", "hills", "--size", "161x284", "--preset", "fast", "--seconds", "6", "--json")
    assert main([*LIVE[:3], "--output", str(film), *options]) == 0
    said = capsys.readouterr()
    assert "--size 161x284 becomes 160x284" in said.err
    assert "160×284" in json.loads(said.out.splitlines()[-1])["source"]
    hills = fit_image(read_image(shipped_backgrounds.FOLDER / "hills.jpg"), 160, 284)[:20, :20]
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert {frame.shape for frame in frames} == {(284, 160, 3)}
    assert min(float(np.abs(frame[:20, :20].astype(int) - hills).mean()) for frame in frames) < 8


def test_a_file_comes_before_the_shipped_background_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(shipped_backgrounds.spec("hills")).is_file()
    assert [shipped_backgrounds.spec(text) for text in ("blur", "none", "x.jpg")] == ["blur", "none", "x.jpg"]
    assert {shipped_backgrounds.spec(text) for text in ("Hills", "hills.jpg")} == {shipped_backgrounds.spec("hills")}
    (tmp_path / "hills").mkdir()
    assert Path(shipped_backgrounds.spec("hills")).is_file()
    (tmp_path / "hills").rmdir()
    (tmp_path / "hills").touch()
    assert shipped_backgrounds.spec("hills") == "hills"


@pytest.mark.parametrize(
    ("word", "told"),
    [("hils", "Did you mean hills?"), ("Blurr", "Did you mean blur?"), ("color", "sunset). Add --help")],
)
def test_a_word_that_is_no_background_is_told_with_those_there_are(
    capsys: pytest.CaptureFixture[str], word: str, told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*LIVE, "--background", word])
    said = capsys.readouterr().err
    assert f"--background: there is no '{word}' (choose from" in said
    assert told in said


def test_the_case_of_a_background_does_not_matter() -> None:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    given = [parser.parse_args(["--background", word]).background for word in ("Blur", "NONE", "blur:7")]
    assert given == ["blur", "none", "blur:7"]


@pytest.mark.parametrize(("option", "value"), [("--fps-cap", "1"), ("--load-limit", "5")])
def test_a_value_that_does_not_fit_is_told_by_its_option(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main([*LIVE, option, value]) == 2
    assert f"mattecam: {option} cannot be {value}: it must be" in capsys.readouterr().err


@pytest.mark.usefixtures("tiny")
def test_run_says_what_auto_did_and_what_it_was_held_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SETTLE_S": 0.02, "UP_AFTER_S": 0.02, "ROOM": 100.0, "TOO_SLOW": 200.0}.items():
        monkeypatch.setattr(f"matting_core.governor.{name}", value)
    options = ("--preset", "auto", "--fps-cap", "10", "--load-limit", "50")
    assert main([*LIVE, *TINY, *options, "--seconds", "3", "--json"]) == 0
    told = last_json(capsys)
    assert (told["preset"], told["fps_cap"], told["load_limit"]) == ("auto", 10, 50)
    assert told["preset_running"] in PRESETS
    assert told["preset_switches"]
    assert all(switch["preset"] in PRESETS and switch["why"] for switch in told["preset_switches"])
    assert 0 <= told["processor_share"] <= 1
    assert told["matted"] <= 31, "10 a second"
    assert told["captured"] == told["matted"] + told["failed"] + told["dropped_unmatted"]


def test_options_of_run_do_not_change_the_saved_settings(capsys: pytest.CaptureFixture[str]) -> None:
    settings_file.save(Settings(background="color:#ffffff", preset="quality"))
    assert main([*LIVE, "--seconds", "0.3", "--json"]) == 0
    loaded, notices = settings_file.load()
    assert (loaded.background, loaded.preset, notices) == ("color:#ffffff", "quality", [])


def test_run_says_which_looks_it_takes_from_the_window(capsys: pytest.CaptureFixture[str]) -> None:
    settings_file.save(Settings(background="blur", edge_shift=-3, mirror=True, smoothing="motion"))
    assert main([*LIVE, "--seconds", "0.3"]) == 0
    assert "These settings of the window also apply: mirror True, edge_shift -3.\n" in capsys.readouterr().err
    settings_file.save(Settings(background="color:#ffffff"))
    assert main([*LIVE, "--seconds", "0.3"]) == 0
    assert "also apply" not in capsys.readouterr().err


def test_a_file_for_a_camera_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--camera", "nowhere.mp4", "--output", "null", "--background", "blur", "--seconds", "5"]) == 2
    assert "The camera file nowhere.mp4 does not exist." in capsys.readouterr().err


def test_a_run_that_never_showed_anybody_leaves_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "out.mp4"
    assert main(["run", "--camera", "no such camera", "--output", str(film), "--background", "blur"]) == 1
    assert not film.exists()
    film.write_text("mine")
    assert main([*LIVE[:3], "--output", str(film), "--background", "blur"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert film.read_text() == "mine"


@pytest.mark.parametrize("swapped", [True, False], ids=["another file took its place", "it cannot be deleted"])
def test_a_recording_that_cannot_be_taken_back_is_left(
    swapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "out.mp4"

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    def lost(*_: object, **__: object) -> None:
        if swapped:
            film.rename(tmp_path / "moved.mp4")
            film.write_text("mine")
        else:
            monkeypatch.setattr(Path, "unlink", forbidden)
        raise SourceError("The camera is of no use.")

    monkeypatch.setattr("app.run_command.Parts", lambda **given: Parts(open_source=lost, **given))
    assert main([*LIVE[:3], "--output", str(film), "--background", "blur"]) == 1
    assert "The camera is of no use." in capsys.readouterr().err, "and not what became of the recording"
    assert film.exists()
    assert not swapped or film.read_text() == "mine"


def test_a_background_that_is_gone_is_said_to_be_the_windows_choice(capsys: pytest.CaptureFixture[str]) -> None:
    settings_file.save(Settings(background="/gone/beach.jpg"))
    assert main([*LIVE[:5], "--seconds", "5"]) == 2
    assert "beach.jpg does not exist. It was chosen in the window" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_order(number: signal.Signals, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    arguments = [*LIVE[:3], "--output", str(film), *LIVE[5:], "--seconds", "60", "--json"]
    running = subprocess.Popen([sys.executable, MAIN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (film.exists() and film.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(number)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["sent"] > 0
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


def test_a_virtual_camera_may_be_named_and_is_then_the_pipelines_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_named(size: tuple[int, int], fps: int, device: str) -> NullOutput:
        opened.append(device)
        return NullOutput(size)

    monkeypatch.setattr("app.run_command.Parts", partial(Parts, open_virtual_camera=open_named))
    for output in ("virtual:/dev/video42", "virtual"):
        assert main([*LIVE[:3], "--output", output, *LIVE[5:], "--seconds", "0.5", "--json"]) == 0
        assert last_json(capsys)["outputs"] == ["null"]
    assert opened == ["/dev/video42", ""]


@pytest.mark.parametrize("camera", ["~nobody-of-that-name/me.mp4", "~nobody-of-that-name", "x" * 300])
def test_a_camera_that_can_be_no_path_is_a_sentence(camera: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--camera", camera, "--output", "null", "--background", "blur", "--seconds", "5"]) in (1, 2)
    assert camera in capsys.readouterr().err
