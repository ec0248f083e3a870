"""Quantised models: one .zip with the two files of an OpenVINO network, whose convolutions compute in int8.

ONNX Runtime's own int8 was measured slower than its float32 here, and OpenVINO misread the same ONNX file; so a
quantised model is OpenVINO's, and the other engines run the float model that it was made from.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from matting_core.errors import ModelError

SUFFIX = ".zip"
GRAPH, WEIGHTS = "model.xml", "model.bin"
LARGEST = 64 * 2**20
DATE = (2020, 1, 1, 0, 0, 0)  # the same network gives the same file


def pack(graph: bytes, weights: bytes) -> bytes:
    """The .zip of OpenVINO's two files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in ((GRAPH, graph), (WEIGHTS, weights)):
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def read_quantised(openvino: Any, core: Any, path: Path) -> Any:
    """The openvino.Model in the file; nothing is unpacked to the disk. Raises ModelError for a file that is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [archive.getinfo(name) for name in (GRAPH, WEIGHTS)]
            if any(part.file_size > LARGEST for part in parts):
                raise ModelError(f"{path.name} is too large for a quantised model.", "Get the file anew.")
            graph, weights = (archive.read(part) for part in parts)
        return core.read_model(graph, openvino.Tensor(np.frombuffer(weights, np.uint8)))
    except (OSError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
        raise ModelError(f"{path.name} is damaged or is no quantised model.", "Get the file anew.") from error
