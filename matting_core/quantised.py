"""Quantised models: one .zip with the two files of an OpenVINO network, whose convolutions compute in int8.

ONNX Runtime's own int8 was measured slower than its float32 here, and OpenVINO misread the same ONNX file; so a
quantised model is OpenVINO's, and the other engines run the float model that it was made from.
"""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.errors import ModelError
from matting_core.inputs import read_bounded

SUFFIX = ".zip"
GRAPH, WEIGHTS = "model.xml", "model.bin"
LARGEST = 64 * 2**20
MOST_PARTS = 16
DATE = (2020, 1, 1, 0, 0, 0)  # the same network gives the same file


def pack(graph: bytes, weights: bytes) -> bytes:
    """The .zip of OpenVINO's two files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in ((GRAPH, graph), (WEIGHTS, weights)):
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def read_quantised(openvino: Any, core: Any, path: Path) -> Any:
    """The openvino.Model in the file; nothing is unpacked to the disk. Raises ModelError for any other file."""
    try:
        graph, weights = _unpack(path)
        return core.read_model(graph, openvino.Tensor(np.frombuffer(weights, np.uint8)))
    except (OSError, EOFError, KeyError, ValueError, TypeError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise ModelError(f"{path.name} is damaged or is not a quantised model.", "Download the file again.") from error


def _unpack(path: Path) -> tuple[bytes, bytes]:
    """The bytes of the two files. Raises ModelError for what is too large, and what zipfile raises."""
    with zipfile.ZipFile(io.BytesIO(read_bounded(path, 2 * LARGEST))) as archive:
        if len(archive.infolist()) > MOST_PARTS:
            raise zipfile.BadZipFile("too many files")
        return _unpack_part(archive, GRAPH, path), _unpack_part(archive, WEIGHTS, path)


def _unpack_part(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    part = archive.getinfo(name)
    # The other packers have no bound on what one read makes of a few bytes.
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("packed in a way that Mattecam does not use")
    if part.file_size > LARGEST:
        raise ModelError(f"{path.name} is too large for a quantised model.", "Download the file again.")
    with archive.open(part) as file:
        # Not read(): that unpacks all there is before it looks at the declared size, which may be a lie.
        data = b"".join(iter(lambda: file.read(1 << 20), b""))
    if len(data) != part.file_size:
        raise zipfile.BadZipFile("cut short")
    return data
