"""Settings: what fits is kept, what does not falls back alone, and nothing on disk is lost."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import shipped_backgrounds
from app.settings import VERSION, Scene, Settings, load, parse_size, save, settings_path
from matting_core.errors import SettingsError, UsageError


def test_no_file_means_the_defaults_and_no_notice() -> None:
    assert load() == (Settings(), [])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    settings = Settings(camera="demo", edge_shift=-3, scenes={"Büro": Scene(background="blur:60", mirror=True)})
    save(settings)
    assert load() == (settings, [])
    assert json.loads(settings_path().read_text(encoding="utf-8"))["version"] == VERSION


def test_that_the_room_was_shown_is_not_remembered() -> None:
    save(Settings(background="none", edge_shift=-3, scenes={"open": Scene(background="none")}))
    assert json.loads(settings_path().read_text())["background"] == "blur"
    settings, notices = load()
    assert (settings.background, settings.edge_shift, notices) == ("blur", -3, [])
    assert settings.scenes["open"].background == "blur"
    assert Settings().changed(scenes={"open": {"background": " none "}}).scenes["open"].background == "blur"
    assert Settings(background="none", mirror=True).scene() == Scene(background="blur", mirror=True)


def test_a_background_that_comes_along_is_found_where_mattecam_lies_now(tmp_path: Path) -> None:
    here, elsewhere = shipped_backgrounds.FOLDER, tmp_path / "old" / "assets" / "backgrounds"
    own = str(elsewhere / "beach.jpg")
    save(
        Settings(background=str(elsewhere / "hills.jpg"), scenes={"a": Scene(background=str(elsewhere / "sunset.jpg"))})
    )
    settings, _ = load()
    assert (settings.background, settings.scenes["a"].background) == (str(here / "hills.jpg"), str(here / "sunset.jpg"))
    for nowhere in (own, f"/x/assets/backgrounds/{'y' * 300}.jpg"):
        save(Settings(background=nowhere))
        assert load() == (Settings(background=nowhere), []), "it may come back"


def test_spaces_around_a_background_mean_nothing() -> None:
    assert Settings(background=" none ").background == "none"


def test_each_bad_value_falls_back_alone_with_one_notice(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    good = {"mirror": True, "scenes": {"a": {"edge_shift": 999, "mirror": True}, "b": 7}}
    path.write_text(json.dumps({"version": VERSION, "edge_feather": 99, "preset": "huge", **good}))
    settings, notices = load(path)
    assert settings.mirror
    assert (settings.edge_feather, settings.preset) == (0, "auto")
    assert settings.scenes == {"a": Scene(mirror=True)}
    assert sorted(notice.split()[2] for notice in notices) == [
        "edge_feather",
        "preset",
        "scenes.a.edge_shift",
        "scenes.b",
    ]


def test_an_unknown_key_is_noticed_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"mirror": true, "sparkle": 1}')
    settings, notices = load(path)
    assert settings.mirror
    assert len(notices) == 1
    assert "'sparkle'" in notices[0]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00\xff", '"text"', "null"])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="utf-8")
    settings, notices = load(path)
    assert settings == Settings()
    assert len(notices) == 1
    assert (tmp_path / "settings.unreadable.json").read_text(encoding="utf-8") == content
    (tmp_path / "settings.unreadable.json").chmod(0o444)
    load(path)
    assert len(list(tmp_path.iterdir())) == 2, "one copy of one content is enough"
    path.write_text(content + "{", encoding="utf-8")
    load(path)
    assert (tmp_path / "settings.unreadable-2.json").read_text(encoding="utf-8") == content + "{"


def test_a_copy_with_a_name_that_is_taken_gets_another(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    (tmp_path / "settings.unreadable.json").mkdir()
    path.write_text("{")
    _, notices = load(path)
    assert "settings.unreadable-2.json" in notices[0]
    assert (tmp_path / "settings.unreadable-2.json").read_text() == "{"


def test_a_copy_that_is_there_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{")
    load(path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.settings.write_atomically", full)
    _, notices = load(path)
    assert "settings.unreadable.json" in notices[0]
    assert (tmp_path / "settings.unreadable.json").read_text() == "{"


def test_a_newer_file_is_kept_and_what_is_known_is_used(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"version": VERSION + 1, "mirror": True, "hologram": 3}))
    settings, notices = load(path)
    save(settings, path)
    assert settings.mirror
    assert "newer" in notices[0]
    assert json.loads((tmp_path / "settings.newer.json").read_text())["hologram"] == 3


def test_a_change_that_does_not_fit_names_the_setting() -> None:
    with pytest.raises(UsageError, match=r"edge_shift cannot be 99: it must be a number from -20 to 20\."):
        Settings().changed(edge_shift=99)
    with pytest.raises(UsageError, match="background"):
        Settings().changed(background="blur:900")


@pytest.mark.parametrize("size", ["9999x9999", "15x15", "1280"])
def test_an_output_size_that_cannot_be_falls_back(tmp_path: Path, size: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"output_size": size, "mirror": True}))
    settings, notices = load(path)
    assert (settings.output_size, settings.mirror) == ("1280x720", True)
    assert len(notices) == 1
    assert "output_size is not usable (it must be WIDTHxHEIGHT" in notices[0]


def test_sizes_are_written_in_one_way_and_those_of_video_are_even() -> None:
    assert Settings(camera_size="0640X0481").camera_size == "640x481"
    assert Settings(output_size="321x241").output_size == "320x240"


def test_a_cap_that_would_make_frames_stale_is_refused() -> None:
    assert Settings().changed(fps_cap=5).fps_cap == 5
    with pytest.raises(UsageError, match="fps_cap cannot be 4: it must be 0 for no limit"):
        Settings().changed(fps_cap=4)
    with pytest.raises(UsageError, match="load_limit"):
        Settings().changed(load_limit=3)


def test_a_scene_recalls_the_looks_and_leaves_the_devices() -> None:
    settings = Settings(camera="2", background="blur:9", mirror=True)
    recalled = Settings(camera="3").changed(**settings.scene().model_dump())
    assert (recalled.camera, recalled.background, recalled.mirror) == ("3", "blur:9", True)


@pytest.mark.parametrize("text", ["", "x", "1280", "1280x", "0x10", "1280x720x3", "-5x20", "99999x99999", "１２x20"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a size"):
        parse_size(text)


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SettingsError, match="cannot be saved"):
        save(Settings(), blocked / "settings.json")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_kill_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    script = (
        "import itertools, pathlib, sys\nfrom app.settings import Settings, save\n"
        "for n in itertools.count():\n"
        "    save(Settings(camera=str(n % 7) * 2000), pathlib.Path(sys.argv[1]))\n"
        "    if n == 3: print('go', flush=True)\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        settings, notices = load(path)
        assert notices == []
        assert len(settings.camera) == 2000
