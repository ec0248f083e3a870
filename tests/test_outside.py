"""Input from outside: whatever the bytes, the outcome is a value or one of our errors; and what we never do at all."""

import ast
import json
import os
import stat
import struct
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline import Parts, Pipeline
from app.room_recording import RoomRecording
from app.settings import Settings, load, parse_size, save
from app.video_file import VideoReader
from matting_core.background_spec import parse_spec
from matting_core.download import _CheckedRedirects
from matting_core.errors import MediaError, ModelError, UsageError
from matting_core.inputs import read_bounded
from matting_core.manifest import read_manifest
from matting_core.model_store import ModelStore
from matting_core.pictures import read_image
from matting_core.video_loop import VideoLoop
from tests.support.fuzz import damaged, few
from tests.support.room import HEIGHT, WIDTH, GreenEngines, Memory, RoomSource
from tests.support.tiny_onnx import write_network

ROOT = Path(__file__).resolve().parents[1]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@few
@given(st.binary(max_size=200) | st.builds(lambda value: json.dumps(value).encode(), json_values))
def test_any_settings_file_is_settings(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    assert isinstance(load(path)[0], Settings)
    for kept in tmp_path.glob("settings.*.json"):
        kept.unlink()


@few
@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), json_values, max_size=6))
def test_any_values_of_known_settings_fall_back_alone(tmp_path: Path, values: dict[str, object]) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(values))
    settings, _ = load(path)
    save(settings, path)
    assert load(path)[0] == settings


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"background": "~nobody-at-all/x.png"}',
        '{"background": "a\\u0000b"}',
        f'{{"background": "blur:{"9" * 5000}"}}',
        '[["mirror", 1], [3, 4]]',
        " " * (2 << 20),
    ],
)
def test_hostile_settings_files_are_settings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    settings, notices = load(path)
    assert settings == Settings()
    assert notices


def test_half_a_character_survives_saving(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"scenes": {"\\ud800": {"mirror": true}}}')
    settings, _ = load(tmp_path / "settings.json")
    save(settings, tmp_path / "settings.json")
    assert load(tmp_path / "settings.json") == (settings, [])


def test_numbers_too_long_to_convert_are_refused() -> None:
    for call in (lambda: parse_size("9" * 5000 + "x20"), lambda: parse_spec("blur:" + "9" * 5000)):
        with pytest.raises(UsageError):
            call()


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("settings.json", "manifest.toml", "x.png", "x.mp4", "x.onnx"):
        os.mkfifo(tmp_path / name)
    assert load(tmp_path / "settings.json")[0] == Settings()
    with pytest.raises(ModelError):
        read_manifest(tmp_path)
    with pytest.raises(MediaError):
        read_image(tmp_path / "x.png")
    for reader in (VideoLoop, VideoReader):
        with pytest.raises(MediaError):
            reader(tmp_path / "x.mp4")
    with pytest.raises(ModelError):
        ModelStore(user=tmp_path / "own").import_file(tmp_path / "x.onnx")


def test_no_more_is_read_than_wanted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(11))
    assert read_bounded(tmp_path / "x", 11) == bytes(11)
    with pytest.raises(OSError, match="larger than"):
        read_bounded(tmp_path / "x", 10)
    with pytest.raises(OSError, match="cannot be a file name"):
        read_bounded(Path("a\0b"), 10)


@few
@given(st.data())
def test_any_picture_is_pixels_or_an_error(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from([".png", ".jpg", ".webp", ".bmp"]))
    whole = cv2.imencode(suffix, np.arange(300, dtype=np.uint8).reshape(10, 10, 3))[1].tobytes()
    (tmp_path / "x").write_bytes(data.draw(damaged(whole)))
    try:
        assert read_image(tmp_path / "x").shape[2] == 3
    except MediaError as error:
        assert error.problem


def test_a_picture_that_unfolds_to_too_many_pixels_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(MediaError, match="too many pixels"):
        read_image(tmp_path / "bomb.png")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import av

    path = tmp_path_factory.mktemp("film") / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(6):
            picture = np.full((48, 64, 3), 40 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@few
@given(data=st.data())
def test_any_video_is_frames_or_an_error(tmp_path: Path, film: bytes, data: st.DataObject) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(data.draw(damaged(film)))
    try:
        loop = VideoLoop(path)
        try:
            for _ in range(10):
                assert loop.next()[0].shape[2] == 3
        finally:
            loop.close()
        reader = VideoReader(path)
        try:
            list(reader.read())
        finally:
            reader.close()
    except MediaError as error:
        assert error.problem


def test_a_video_of_an_unknown_codec_is_none_that_can_be_read(tmp_path: Path, film: bytes) -> None:
    for name, data in (("other.mp4", film.replace(b"avc1\0", b"zzzz\0")), ("cut.mp4", film[:1197])):
        (tmp_path / name).write_bytes(data)
        for reader in (VideoLoop, VideoReader):
            with pytest.raises(MediaError, match="not a readable video"):
                reader(tmp_path / name)


@pytest.mark.parametrize("script", ["#EXTM3U\n#EXTINF:1,\nreal.mp4\n", "ffconcat version 1.0\nfile real.mp4\n"])
def test_a_playlist_opens_no_other_file(tmp_path: Path, film: bytes, script: str) -> None:
    (tmp_path / "real.mp4").write_bytes(film)
    (tmp_path / "x.mp4").write_text(script)
    with pytest.raises(MediaError):
        VideoLoop(tmp_path / "x.mp4")


def test_a_name_with_a_colon_is_a_file_and_an_address_is_none(
    tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if sys.platform != "win32":
        Path("http:film.mp4").write_bytes(film)
        VideoLoop(Path("http:film.mp4")).close()
    with pytest.raises(MediaError):
        VideoLoop(Path("http://127.0.0.1:1/x.mp4"))


def test_no_redirect_leaves_https() -> None:
    import urllib.request

    request = urllib.request.Request("https://models.invalid/x.onnx")
    for target in ("http://models.invalid/x", "http://127.0.0.1/x", "file:///etc/hostname", "ftp://models.invalid/x"):
        with pytest.raises(ModelError):
            _CheckedRedirects().redirect_request(request, None, 302, "Found", None, target)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_permissions_that_the_user_chose(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save(Settings(), tmp_path / "settings.json")
        entry = ModelStore(user=tmp_path / "own").import_file(write_network(tmp_path / "room.onnx"))
        room = RoomRecording(tmp_path / "rooms")
        room.add(np.zeros((8, 8, 3), np.uint8))
    finally:
        os.umask(before)
    assert entry.path is not None
    for path in (tmp_path / "settings.json", entry.path, tmp_path / "own" / "manifest.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    for folder in (tmp_path / "rooms", room.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "the room is its owner's alone"
    room.delete()


FORBIDDEN_MODULES = {"pickle", "dill", "shelve", "marshal", "http.server", "socketserver", "xmlrpc", "socket"}
SOURCES = sorted([ROOT / "main.py", *ROOT.glob("app/**/*.py"), *ROOT.glob("matting_core/**/*.py")])
FORBIDDEN_CALLS = {"eval", "exec", "__import__"}
FORBIDDEN_METHODS = {"bind", "listen", "system", "popen"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_shell_no_pickle_no_server(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not FORBIDDEN_MODULES & {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.module not in FORBIDDEN_MODULES
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            assert "shell" not in keywords
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                assert not (owner in ("os", "server") and node.func.attr in FORBIDDEN_METHODS)
                if owner == "torch" and node.func.attr == "load":
                    safe = keywords.get("weights_only")
                    assert isinstance(safe, ast.Constant)
                    assert safe.value is True


def test_the_running_pipeline_listens_nowhere() -> None:
    memory = Memory()
    chosen = Settings(camera="demo", background="color:#3a2e26", output_size=f"{WIDTH}x{HEIGHT}", virtual_camera=False)
    parts = Parts(open_source=lambda _s, **_: RoomSource(), create_engine=GreenEngines(), outputs=(memory,))  # type: ignore[arg-type]
    pipeline = Pipeline(chosen, parts)
    before = {c.laddr for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
    pipeline.start()
    try:
        until_s = time.monotonic() + 8
        while pipeline.status().stats.shown < 3 and time.monotonic() < until_s:
            time.sleep(0.01)
        assert pipeline.status().stats.shown >= 3
        during = {c.laddr for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
        assert during <= before
    finally:
        assert pipeline.stop()
