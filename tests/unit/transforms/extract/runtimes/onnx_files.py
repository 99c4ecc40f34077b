"""ONNX files of a few nodes, written byte by byte: the package `onnx` is no dependency."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transforms.files import sha256_bytes
from transforms.weights.verified import Weights, WeightsFile

FLOAT, HALF = 1, 10
_ELEMENTS = {np.dtype(np.float32): FLOAT, np.dtype(np.float16): HALF, np.dtype(np.int64): 7}


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _value(name: str, shape: Sequence[int | str], element: int) -> bytes:
    axes = b"".join(
        _bytes(1, _number(1, axis) if isinstance(axis, int) else _bytes(2, axis)) for axis in shape
    )
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, element) + _bytes(2, axes)))


def _tensor(name: str, array: np.ndarray) -> bytes:
    axes = b"".join(_number(1, axis) for axis in array.shape)
    element = _number(2, _ELEMENTS[array.dtype])
    return axes + element + _bytes(8, name) + _bytes(9, array.tobytes())


def _node(operation: str, sources: Sequence[str], target: str, **attributes: int) -> bytes:
    read = b"".join(_bytes(1, source) for source in sources)
    written = b"".join(
        _bytes(5, _bytes(1, name) + _number(3, value) + _number(20, 2))
        for name, value in attributes.items()
    )
    return read + _bytes(2, target) + _bytes(4, operation) + written


def _model(graph: bytes, metadata: dict[str, str]) -> bytes:
    written = b"".join(
        _bytes(14, _bytes(1, key) + _bytes(2, value)) for key, value in metadata.items()
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)) + written


def echo_model(
    shape: Sequence[int | str], *, element: int = FLOAT, inputs: Sequence[str] = ("images",)
) -> bytes:
    """A model that answers with its first input."""
    graph = _bytes(1, _node("Identity", inputs[:1], "output")) + _bytes(2, "echo")
    graph += b"".join(_bytes(11, _value(name, shape, element)) for name in inputs)
    return _model(graph + _bytes(12, _value("output", shape, element)), {})


def constant_model(
    input_shape: Sequence[int | str], outputs: Sequence[np.ndarray], **metadata: str
) -> bytes:
    """A model that answers the same to every picture."""
    graph = _bytes(2, "constant") + _bytes(11, _value("images", input_shape, FLOAT))
    for index, array in enumerate(outputs):
        graph += _bytes(1, _node("Identity", [f"fixed{index}"], f"output{index}"))
        graph += _bytes(5, _tensor(f"fixed{index}", array))
        graph += _bytes(12, _value(f"output{index}", array.shape, FLOAT))
    return _model(graph, metadata)


def first_plane_model(side: int, row_length: int) -> bytes:
    """A model that answers with its input's first plane, cut into rows."""
    shape = (1, side * side // row_length, row_length)
    graph = _bytes(2, "first_plane") + _bytes(11, _value("images", (1, 3, side, side), FLOAT))
    graph += _bytes(1, _node("Gather", ["images", "first"], "plane", axis=1))
    graph += _bytes(1, _node("Reshape", ["plane", "shape"], "output"))
    graph += _bytes(5, _tensor("first", np.array(0, np.int64)))
    graph += _bytes(5, _tensor("shape", np.array(shape, np.int64)))
    return _model(graph + _bytes(12, _value("output", shape, FLOAT)), {})


def write_weights(
    folder: Path, data: bytes, *, name: str = "model.onnx", **contract: object
) -> Weights:
    """Write a file and return it as a registry entry."""
    (folder / name).write_bytes(data)
    file = WeightsFile(name, sha256_bytes(data), len(data))
    kind = "onnx" if name.endswith(".onnx") else "torch"
    return Weights("tiny", kind, "detect", (file,), folder, contract)
