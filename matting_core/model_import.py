"""What is done to a file before it joins the user's models: what it may be called, and how it becomes an .onnx."""

import errno
import os
import re
import shutil
from pathlib import Path

from matting_core.errors import UsageError
from matting_core.inputs import open_regular
from matting_core.manifest import NAME_PATTERN
from matting_core.modnet import require_train_extra
from matting_core.onnx_scan import LARGEST

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")
# Windows gives these names to devices, whatever the suffix.
DEVICE_NAMES = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$")


def model_name(stem: str) -> str:
    """A model's name made from that of a file: lower case, everything else than a-z, 0-9, _ and - as _."""
    return re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_-")


def checked_name(name: str) -> str:
    """The name itself. UsageError where a model cannot be called so."""
    if not re.fullmatch(NAME_PATTERN, name) or DEVICE_NAMES.match(name):
        raise UsageError(
            f"'{name}' is not a valid model name.",
            "Use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit.",
        )
    return name


def make_onnx(path: Path, copy: Path) -> None:
    """Put `path` into `copy` as ONNX: copied, or made from a checkpoint, which takes some seconds.

    Raises OSError, and ModelError for a checkpoint that does not fit or where the `train` extra is missing.
    """
    if path.suffix.lower() not in TORCH_SUFFIXES:
        copy_onnx(path, copy)
        return
    require_train_extra(f"Importing {path.name}")
    from matting_core.modnet.exporter import export_network
    from matting_core.modnet.weights import load_network

    export_network(load_network(path).model, copy)


def copy_onnx(path: Path, copy: Path) -> None:
    """Copy a plain file of bounded size: no pipe or device, and not the disk full of it. Raises OSError."""
    with open_regular(path) as source, copy.open("wb") as file:
        if os.fstat(source.fileno()).st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST >> 20} MiB", str(path))
        shutil.copyfileobj(source, file)
