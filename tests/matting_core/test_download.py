"""download against a real HTTP server on the loopback address, which can be told to misbehave."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from matting_core import download as download_module
from matting_core.download import download
from matting_core.errors import ModelError

DATA = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = hashlib.sha256(DATA).hexdigest()


class FileServer(ThreadingHTTPServer):
    """Serves DATA. ranges: whether it resumes; cut_at: drops the line there; status: answers this instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges = True
        self.cut_at = 0
        self.status = 0
        self.redirect = ""
        self.slow = False
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/model.onnx"


class Handler(BaseHTTPRequestHandler):
    """One answer, as the server was told."""

    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if server.status:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        if server.slow:
            self._dribble(start)
        else:
            self.wfile.write(DATA[start : server.cut_at or len(DATA)])

    def _dribble(self, start: int) -> None:
        try:
            for at in range(start, len(DATA), 20_000):
                self.wfile.write(DATA[at : at + 20_000])
                time.sleep(0.02)
        except OSError:
            pass  # the client was killed, as the test wants

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "model.onnx"


def part(target: Path) -> Path:
    return target.with_name("model.onnx.part")


def test_a_good_download_is_the_file_and_nothing_else(server: FileServer, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    download(server.url, target, SHA256, len(DATA), lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_size_need_not_be_known(server: FileServer, target: Path) -> None:
    download(server.url, target, SHA256)
    assert target.read_bytes() == DATA


def test_a_cut_connection_leaves_a_part_that_the_next_try_resumes(server: FileServer, target: Path) -> None:
    server.cut_at = 300_000
    with pytest.raises(ModelError, match="interrupted after") as caught:
        download(server.url, target, SHA256)
    assert "same command again" in caught.value.mend
    assert not target.exists()
    assert part(target).read_bytes() == DATA[:300_000]

    server.cut_at = 0
    download(server.url, target, SHA256)
    assert server.asked == [None, "bytes=300000-"]
    assert target.read_bytes() == DATA
    assert not part(target).exists()


def test_a_server_that_does_not_resume_is_read_from_the_start(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    part(target).write_bytes(DATA[:1000])
    server.ranges = False
    download(server.url, target, SHA256, len(DATA))
    assert server.asked == ["bytes=1000-"]
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("size_hint", [0, len(DATA)])
def test_a_part_that_is_whole_already_is_put_in_place(server: FileServer, target: Path, size_hint: int) -> None:
    target.parent.mkdir()
    part(target).write_bytes(DATA)
    download(server.url, target, SHA256, size_hint)
    assert target.read_bytes() == DATA


def test_a_wrong_hash_keeps_nothing_and_spares_what_was_there(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"what the user had")
    with pytest.raises(ModelError, match="not send the expected file"):
        download(server.url, target, "0" * 64)
    assert target.read_bytes() == b"what the user had"
    assert not part(target).exists()


def test_a_part_of_another_file_does_not_survive(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    part(target).write_bytes(b"\xff" * 5000)
    with pytest.raises(ModelError, match="not send the expected file"):
        download(server.url, target, SHA256, len(DATA))
    download(server.url, target, SHA256, len(DATA))
    assert target.read_bytes() == DATA


def test_a_longer_file_than_pinned_is_refused(server: FileServer, target: Path) -> None:
    with pytest.raises(ModelError, match="not send the expected file"):
        download(server.url, target, hashlib.sha256(DATA[:1000]).hexdigest(), 1000)
    assert not any(target.parent.iterdir())


@pytest.mark.parametrize("status", [404, 500])
def test_a_status_is_named(server: FileServer, target: Path, status: int) -> None:
    server.status = status
    with pytest.raises(ModelError, match=f"answered {status}"):
        download(server.url, target, SHA256)
    assert not any(target.parent.iterdir())


def test_no_server_is_said_plainly(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/model.onnx"
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        download(url, target, SHA256)
    assert "network" in caught.value.mend
    assert not any(target.parent.iterdir())


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/hostname", "x"])
def test_only_encrypted_addresses_are_fetched(target: Path, url: str) -> None:
    with pytest.raises(ModelError, match="not an https"):
        download(url, target, SHA256)
    assert not target.parent.exists()


def test_a_redirect_must_be_safe_too(server: FileServer, target: Path) -> None:
    server.redirect = "http://example.org/model.onnx"
    with pytest.raises(ModelError, match="not an https"):
        download(server.url, target, SHA256)


def test_a_full_disk_is_noticed_before_it_is_full(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match="disk is full"):
        download(server.url, target, SHA256)
    assert not any(target.parent.iterdir())


def test_a_folder_that_is_a_file_is_said_plainly(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        download(server.url, tmp_path / "models" / "x.onnx", SHA256)


@pytest.mark.skipif(os.name == "nt", reason="the lock is tried with POSIX calls")
def test_two_downloads_of_one_file_do_not_mix(server: FileServer, target: Path) -> None:
    import fcntl

    target.parent.mkdir()
    with part(target).open("wb") as other:
        other.write(DATA[:10])
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match="already being downloaded"):
            download(server.url, target, SHA256)
    assert part(target).read_bytes() == DATA[:10]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_kill_9_leaves_a_part_that_resumes(server: FileServer, target: Path) -> None:
    server.slow = True
    code = (
        "import sys; from pathlib import Path; from matting_core.download import download;"
        "download(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, server.url, str(target), SHA256])
    deadline = time.monotonic() + 30
    while not (part(target).exists() and part(target).stat().st_size):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = part(target).read_bytes()
    assert not target.exists()
    assert DATA.startswith(kept)

    server.slow = False
    download(server.url, target, SHA256)
    assert server.asked[-1] == f"bytes={len(kept)}-"
    assert target.read_bytes() == DATA
