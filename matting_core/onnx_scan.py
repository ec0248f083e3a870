"""A look at an .onnx file's bytes before any library loads it: what points out of the file, or asks for too much.

It reads protobuf's wire format and the few messages of onnx.proto that hold tensors and graphs; the package onnx is
not needed, and nothing that the file merely declares is allocated.
"""

from collections.abc import Iterator
from pathlib import Path

from matting_core.errors import ModelError
from matting_core.inputs import read_bounded

LARGEST = 512 * 2**20
"""Bytes of a model file that are read at most; the released MODNet has 26 MB."""
LARGEST_TENSOR = 1 << 28
"""Values that one tensor may declare; the released MODNet's largest has a few million."""
DEEPEST = 16
MEND = "Import an .onnx file of a released MODNet."

# Fields of onnx.proto that hold further messages: by message, the field's number and what it holds.
_HOLDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "function": {7: "node", 11: "attribute", 12: "value"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {2: "shape"},
    "shape": {1: "dimension"},
}
_DIMS, _EXTERNAL_DATA, _DATA_LOCATION = 1, 13, 14  # of TensorProto
_DIM_VALUE = 1  # of TensorShapeProto.Dimension
_LOWEST_SIGNED = 1 << 63


class _Malformed(Exception):
    """The bytes are not protobuf."""


def scan_onnx(path: Path, shown_as: str = "") -> None:
    """Refuse an .onnx file that names other files for its weights, or declares shapes that no network here has.

    shown_as: what messages call the file, by default its name. Raises ModelError.
    """
    name = shown_as or path.name
    try:
        data = memoryview(read_bounded(path, LARGEST))
    except OSError as error:
        raise ModelError(f"{name} cannot be read ({error.strerror}).", MEND) from error
    if not data:
        raise ModelError(f"{name} is empty.", MEND)
    try:
        _look(data, "model", name, 0)
    except _Malformed as error:
        raise ModelError(f"{name} cannot be loaded and run as an ONNX network (it is damaged).", MEND) from error


def _look(message: memoryview, kind: str, name: str, depth: int) -> None:
    if depth > DEEPEST * len(_HOLDS):
        raise ModelError(f"{name} nests its graphs too deeply.", MEND)
    if kind == "tensor":
        _check_tensor(message, name)
        return
    for number, value in _fields(message):
        if kind == "dimension":
            if number == _DIM_VALUE and isinstance(value, int) and LARGEST_TENSOR < value < _LOWEST_SIGNED:
                raise ModelError(f"{name} declares a side of {value}, more than any picture has.", MEND)
        elif number in _HOLDS[kind] and not isinstance(value, int):
            _look(value, _HOLDS[kind][number], name, depth + 1)


def _check_tensor(message: memoryview, name: str) -> None:
    values = 1
    for number, value in _fields(message):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
            raise ModelError(
                f"{name} keeps weights in other files, which an imported model may not refer to.",
                "Save it as one file: onnx.save(model, path, save_as_external_data=False).",
            )
        if number == _DIMS:
            for side in [value] if isinstance(value, int) else _packed(value):
                values *= side
                if values > LARGEST_TENSOR:
                    raise ModelError(f"{name} declares a tensor of more than {LARGEST_TENSOR} values.", MEND)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number with its integer, or with the bytes of what it holds."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _Malformed
        if number == 0 or length > len(message) - at:
            raise _Malformed
        yield number, message[at : at + length]
        at += length


def _packed(values: memoryview) -> Iterator[int]:
    at = 0
    while at < len(values):
        value, at = _varint(values, at)
        yield value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Malformed
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
    raise _Malformed
