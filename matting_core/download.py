"""Fetch one pinned file over HTTPS: resumes what is there, checks the SHA-256, and only then puts it in place."""

import contextlib
import errno
import hashlib
import http.client
import ipaddress
import logging
import os
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path
from typing import Any

from matting_core.errors import ModelError
from matting_core.file_lock import is_held, lock_file

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all (0 while that is not known)."""

CHUNK = 1 << 18
LARGEST = 4 << 30
"""Bytes that a file whose size is not known may have."""
AGAIN = "Run the same command again to resume."


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect must keep to the rule that the first address had to meet."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise ModelError(
                f"{req.full_url} redirects to {newurl}, which is not encrypted.", "Report it, and do not use a mirror."
            )
        _require_safe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    url: str,
    destination: Path,
    sha256: str,
    size_hint: int = 0,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
) -> None:
    """Fetch `url` to `destination`, which is either complete and checked afterwards, or as it was before.

    HTTPS only, and plain HTTP to this machine's loopback address. Bytes gather in `destination` + '.part', which a
    later call resumes; a wrong SHA-256 removes it. size_hint: bytes, 0 if not known. timeout_s bounds every wait on
    the network, not the whole. Raises ModelError.
    """
    _require_safe(url)
    part = destination.with_name(destination.name + ".part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if part.is_symlink():
            part.unlink()  # what it points to is not ours to write to
        with part.open("a+b") as file:
            _lock(file, part)
            if not size_hint or file.tell() < size_hint:
                _fetch(url, file, size_hint, progress or (lambda done, total: None), timeout_s)
            found = _hash(file)
            os.fsync(file.fileno())
        if found != sha256:
            part.unlink()
            raise ModelError(
                f"{url} did not send the expected file (SHA-256 {found[:12]}…, expected {sha256[:12]}…).",
                "Nothing was kept. Try again; if this repeats, the file at the source has changed: report it.",
            )
        part.replace(destination)
    except OSError as error:
        raise _disk_error(error, destination) from error
    finally:
        with contextlib.suppress(OSError):
            if part.stat().st_size == 0:
                part.unlink()  # nothing came: leave nothing
    log.info("downloaded %s to %s", url, destination)


def _fetch(url: str, file: BufferedRandom, size_hint: int, progress: Progress, timeout_s: float) -> None:
    """Append what is missing to `file`; network troubles become ModelError, disk troubles stay OSError."""
    have = file.seek(0, os.SEEK_END)
    try:
        response = _open(url, have, timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return  # nothing is missing, or the part is of another file: the hash tells
            raise ModelError(
                f"{url} answered {error.code} {error.reason}.", "Try again later; if this repeats, report it."
            ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _network_error(url, error, have) from error
    with response:
        if have and not (
            response.status == http.client.PARTIAL_CONTENT
            and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        ):
            file.truncate(0)  # this server does not resume: from the start
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() and len(length) < 16 else size_hint
        _require_space(file, total - have)
        done = have
        progress(done, total)
        while chunk := _read(response, url, done):
            file.write(chunk)
            done += len(chunk)
            if done > (size_hint or LARGEST):
                return  # longer than the pinned file: the hash will refuse it, so spare the disk
            progress(done, total)
        file.flush()
        if done < total:
            raise _network_error(url, ConnectionError("the connection was cut"), done)


def _open(url: str, offset: int, timeout_s: float) -> Any:
    headers = {"User-Agent": "mattecam", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    handlers: list[urllib.request.BaseHandler] = [_CheckedRedirects()]
    if _is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_s)


def _read(response: Any, url: str, done: int) -> bytes:
    try:
        data: bytes = response.read(CHUNK)
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException) as error:
        raise _network_error(url, error, done) from error
    return data


def _hash(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _require_space(file: BufferedRandom, needed: int) -> None:
    free = shutil.disk_usage(Path(str(file.name)).parent).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed >> 20} MB are needed, {free >> 20} MB are free")


def _require_safe(url: str) -> None:
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and _is_loopback(url)):
        raise ModelError(f"{url} is not fetched, because it is not an https:// address.", "Use an https:// address.")


def _is_loopback(url: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(urllib.parse.urlsplit(url).hostname or "").is_loopback
    return False


def _lock(file: BufferedRandom, part: Path) -> None:
    """One download of a file at a time."""
    try:
        lock_file(file)
    except OSError as error:
        if not is_held(error):
            log.warning("this file system has no lock against a second download (%s)", error)
            return
        raise ModelError(f"{part.name} is already being downloaded.", "Wait for the other download.") from error


def _network_error(url: str, error: Exception, done: int) -> ModelError:
    host = urllib.parse.urlsplit(url).hostname
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return ModelError(
            f"{host} cannot be trusted ({reason.verify_message}).", "Check this machine's clock and certificates."
        )
    if done:
        return ModelError(f"The download from {host} was interrupted after {done / 1e6:.1f} MB.", AGAIN)
    why = "no answer in time" if isinstance(reason, TimeoutError) else getattr(reason, "strerror", None) or reason
    return ModelError(f"{host} cannot be reached ({why}).", "Check the network, then run the same command again.")


def _disk_error(error: OSError, destination: Path) -> ModelError:
    if error.errno == errno.ENOSPC:
        return ModelError(f"The disk is full: {destination} does not fit.", f"Free up disk space. {AGAIN}")
    return ModelError(
        f"{destination} cannot be written ({error.strerror or error}).",
        "Fix the folder's permissions, or check the disk.",
    )
