"""Writes very small ONNX networks by hand: the onnx package is not needed to run Mattecam, so neither to test it."""

from pathlib import Path

FLOAT, INT64 = 1, 7  # TensorProto.DataType
Shape = tuple[int | str, ...]


def write_network(
    path: Path,
    operators: tuple[str, ...] = ("ReduceMean", "Sigmoid"),
    shape: Shape = ("n", 3, "h", "w"),
    second_input: bool = False,
) -> Path:
    """A chain of operators from `input` to `output`; ReduceMean is over the channels and keeps the axis."""
    nodes, before = b"", "input"
    for index, operator in enumerate(operators):
        after = "output" if index == len(operators) - 1 else f"t{index}"
        inputs = [before, "other"] if operator == "Add" else [before]
        attributes = _ints("axes", [1]) + _int("keepdims", 1) if operator == "ReduceMean" else b""
        node = b"".join(_text(1, name) for name in inputs) + _text(2, after) + _text(4, operator) + attributes
        nodes += _field(1, node)
        before = after
    inputs = _field(11, _value("input", shape)) + (_field(11, _value("other", shape)) if second_input else b"")
    graph = nodes + _text(2, "tiny") + inputs + _field(12, _value("output", ("n", "c", "h2", "w2")))
    model = _number(1, 7) + _field(7, graph) + _field(8, _number(2, 11))  # IR version 7, operator set 11
    path.write_bytes(model)
    return path


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())


def _int(name: str, value: int) -> bytes:
    return _field(5, _text(1, name) + _number(3, value) + _number(20, 2))


def _ints(name: str, values: list[int]) -> bytes:
    return _field(5, _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, INT64))


def _value(name: str, shape: Shape) -> bytes:
    sides = b"".join(_field(1, _number(1, side) if isinstance(side, int) else _text(2, side)) for side in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, FLOAT) + _field(2, sides)))
