"""A disk that is full or read-only, and a settings file that is rubbish: told plainly, and no user's file is lost."""

import hashlib
import http.server
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import VERSION, Scene, Settings, load, save, settings_path
from matting_core import atomic
from matting_core.download import download
from matting_core.errors import ModelError, SettingsError
from matting_core.pictures import read_image
from tests.support.bad_disk import DISKS, FULL
from tests.support.rig import Rig
from tests.support.room import HEIGHT, WIDTH


class Disk:
    """Makes `write_atomically` fail, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: OSError | None = None
        self._real = os.fsync
        monkeypatch.setattr(atomic.os, "fsync", self._fsync)

    def _fsync(self, descriptor: int) -> None:
        if self.fault is not None:
            raise self.fault
        self._real(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@DISKS
def test_a_snapshot_that_cannot_be_written_is_told_and_spares_the_old_file(
    rig: Rig, tmp_path: Path, disk: Disk, fault: OSError
) -> None:
    pipeline = rig.build()
    rig.until(rig.shows_person)
    path = tmp_path / "shot.png"
    path.write_bytes(b"an older one")
    disk.fault = fault
    pipeline.snapshot(path)
    rig.until(lambda: rig.notice("snapshot") is not None)
    told = rig.notice("snapshot")
    assert told is not None
    assert (told.severity, str(fault.strerror) in told.problem) == ("error", True)
    assert path.read_bytes() == b"an older one"
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []
    disk.fault = None
    pipeline.snapshot(path)
    rig.until(lambda: "was saved" in str(rig.notice("snapshot")))
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)


@DISKS
def test_settings_that_cannot_be_saved_keep_the_old_file_whole(disk: Disk, fault: OSError) -> None:
    old = Settings(camera="demo", scenes={"Work": Scene(background="blur:9")})
    save(old)
    disk.fault = fault
    with pytest.raises(SettingsError) as caught:
        save(old.changed(camera="2"))
    assert f"cannot be saved to {settings_path()} ({fault.strerror})" in caught.value.problem
    assert caught.value.mend
    assert load() == (old, [])
    assert [each.name for each in settings_path().parent.iterdir()] == ["settings.json"]
    disk.fault = None
    save(old.changed(camera="2"))
    assert load()[0].camera == "2"


def test_a_settings_file_cut_anywhere_starts_with_defaults_and_is_kept_aside(tmp_path: Path) -> None:
    whole = json.dumps({"version": VERSION, **Settings(mirror=True).model_dump()}).encode()
    for length in range(0, len(whole), 7):
        path = tmp_path / str(length) / "settings.json"
        path.parent.mkdir()
        path.write_bytes(whole[:length])
        settings, notices = load(path)
        assert settings == Settings()
        assert len(notices) == 1
        assert path.with_name("settings.unreadable.json").read_bytes() == whole[:length]


def test_settings_of_a_full_disk_that_cannot_even_be_kept_aside_still_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{")

    def refuse(path: Path, data: bytes) -> None:
        raise FULL

    monkeypatch.setattr("app.settings.write_atomically", refuse)
    settings, notices = load(path)
    assert settings == Settings()
    assert "Defaults are used." in notices[0]
    assert path.read_text() == "{"


DATA = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def address() -> Iterator[str]:
    """A server on the loopback address that knows DATA and resumes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
            self.send_header("Content-Length", str(len(DATA) - start))
            self.end_headers()
            try:
                self.wfile.write(DATA[start:])
            except OSError:
                self.close_connection = True  # the client's disk is full, and it has left

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.onnx"
        server.shutdown()
        thread.join()


@DISKS
def test_a_download_onto_a_bad_disk_is_told_and_goes_on_from_there_later(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    target = tmp_path / "models" / "model.onnx"
    real = Path.open

    class SmallDisk(io.FileIO):
        """Takes 400,000 bytes."""

        def write(self, data: object) -> int:
            if self.tell() >= 250_000:
                raise fault
            return super().write(data)  # type: ignore[arg-type]

    def open_part(self: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if self.suffix == ".part":
            return io.BufferedRandom(SmallDisk(self, "ab+"))
        return real(self, mode, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as broken:
        broken.setattr(Path, "open", open_part)
        with pytest.raises(ModelError) as caught:
            download(address, target, SHA256, len(DATA))
    assert ("disk is full" in caught.value.problem) == (fault is FULL)
    assert str(target) in caught.value.problem
    assert caught.value.mend
    assert not target.exists()
    kept = target.with_name("model.onnx.part").read_bytes()
    assert DATA.startswith(kept)
    assert len(kept) >= 250_000
    download(address, target, SHA256, len(DATA))
    assert target.read_bytes() == DATA
    assert [each.name for each in target.parent.iterdir()] == ["model.onnx"]
