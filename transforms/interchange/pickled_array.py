"""One NumPy array from a pickle and into one.

Reading works on inert values (`pickle_values`): sizes are compared with the bytes that are there
before memory is taken. Writing gives the same bytes with every NumPy, readable by every NumPy.
"""

import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.interchange.pickle_values import Call, Data, Name, read_values
from transforms.interchange.refusal import Refused

_RECONSTRUCT: Final = frozenset(
    Name(module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
)
_FROM_BUFFER: Final = frozenset(
    Name(module, "_frombuffer") for module in ("numpy.core.numeric", "numpy._core.numeric")
)
_ARRAY: Final = Name("numpy", "ndarray")
_DTYPE: Final = Name("numpy", "dtype")
# Up to protocol 2 bytes are written as a text to be encoded, and no bytes as `bytes()`.
_ENCODE: Final = Name("_codecs", "encode")
_BYTES: Final = frozenset(Name(module, "bytes") for module in ("__builtin__", "builtins"))
_NAMES: Final = _RECONSTRUCT | _FROM_BUFFER | _BYTES | {_ARRAY, _DTYPE, _ENCODE}

_NUMBER_CODE: Final = re.compile(r"([<>|=]?)(b1|[iu][1248]|f[248])")
_MAX_AXES: Final = 8
_EXPECTED: Final = "one array of numbers"

_Array = NDArray[Any]  # `Any`: any type of numbers

# Protocol 4, and the module's name that NumPy 1 and 2 both import. `%s`: three sizes, length.
_TEMPLATE: Final = (
    b"\x80\x04cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    b"(K\x01%s\x87cnumpy\ndtype\n\x8c\x02u1\x89\x88\x87R"
    b"(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89\x8e%s"
)


def read_pickled_array(data: bytes) -> _Array:
    """Return the array of numbers that a pickle holds, as a view on `data` where possible.

    Pickles of protocol 0 to 5 written by NumPy 1 or 2 are taken, in any memory order.

    Raises:
        Refused: it holds anything but one array of plain numbers, or is cut short or damaged.
    """
    value = read_values(data, _NAMES, _check_call)
    if not isinstance(value, Call):
        raise _no_array("another value")
    if value.function in _RECONSTRUCT:
        return _read_reconstructed(value)
    if value.function in _FROM_BUFFER:
        return _read_buffer(value)
    raise _no_array(str(value.function))


def encode_pickled_array(array: NDArray[np.uint8]) -> bytes:
    """Return the pickle (protocol 4) of a uint8 array of three axes, a function of its values."""
    if array.ndim != 3 or array.dtype != np.uint8:
        raise ValueError(f"expected uint8 of three axes, found {array.dtype} {array.shape}")
    sizes = b"".join(b"J" + size.to_bytes(4, "little") for size in array.shape)
    pixels = np.ascontiguousarray(array).tobytes()
    return _TEMPLATE % (sizes, len(pixels).to_bytes(8, "little")) + pixels + b"tb."


def _check_call(call: Call) -> None:
    # Here, because what stands behind another type (objects in a list) would be refused by its
    # opcodes, which tells nobody what is wrong.
    if call.function == _DTYPE:
        _read_dtype(call)


def _read_reconstructed(value: Call) -> _Array:
    """Read what `ndarray.__reduce__` writes: `_reconstruct(ndarray, (0,), b"b")` and a state."""
    if value.arguments[:1] != (_ARRAY,):
        raise _no_array("a subclass of an array")
    match value.state:
        case (int(), tuple() as shape, Call() as dtype, bool() | 0 | 1 as is_fortran, content):
            return _build(content, dtype, shape, order="F" if is_fortran else "C")
    raise _no_array("an array without content")


def _read_buffer(value: Call) -> _Array:
    """Read what protocol 5 writes: `_frombuffer(bytes, dtype, shape, order[, axes])`."""
    match value.arguments:
        case (content, Call() as dtype, tuple() as shape, ("C" | "F") as order):
            return _build(content, dtype, shape, order=order)
        case (content, Call() as dtype, tuple() as shape, "C" | "F" as order, None):
            return _build(content, dtype, shape, order=order)
        case (content, Call() as dtype, tuple() as shape, "K", tuple() as axes):
            array = _build(content, dtype, shape, order="C")
            if not all(type(axis) is int for axis in axes) or sorted(axes) != list(
                range(array.ndim)
            ):
                raise _no_array("axes that do not fit the array")
            return array.transpose(axes)
    raise _no_array("a buffer of another kind")


def _build(content: object, dtype: Call, shape: tuple[Any, ...], *, order: Any) -> _Array:
    kind = _read_dtype(dtype)
    if len(shape) > _MAX_AXES or not all(type(size) is int and size >= 0 for size in shape):
        raise _no_array("sizes that are none")
    # Plain integers: these do not overflow, and nothing is allocated before the comparison.
    expected = math.prod(shape) * kind.itemsize
    raw = _read_content(content, expected)
    if len(raw) != expected:
        raise Refused(
            "damaged_pickle",
            "the array's size is not that of its content",
            f"{expected} bytes for the shape {shape}",
            f"{len(raw)} bytes",
        )
    return np.frombuffer(raw, dtype=kind).reshape(shape, order=order)


def _read_dtype(value: Call) -> np.dtype[Any]:
    code = _short_text(value.arguments[0]) if value.arguments else None
    matched = _NUMBER_CODE.fullmatch(code or "")
    if value.function != _DTYPE or matched is None:
        kind = "objects" if code and code.lstrip("<>|=").startswith("O") else ascii(code)
        raise Refused("wrong_dtype", "the array does not hold plain numbers", "uint8", kind)
    sign = matched[1]
    if value.state is not None:
        match value.state:
            # Version, byte order; no subarray, no field names, no fields.
            case (int(), order, None, None, None, *_) if _short_text(order) in ("<", ">", "|", "="):
                sign = _short_text(order) or ""
            case _:
                raise Refused("wrong_dtype", "the array does not hold plain numbers", "uint8")
    return np.dtype(matched[2]).newbyteorder(">" if sign == ">" else "<")


def _read_content(content: object, expected: int) -> memoryview | bytes:
    if isinstance(content, Call) and content.function in _BYTES and not content.arguments:
        return b""
    if isinstance(content, Data) and content.form == "bytes":
        return content.raw
    match content:
        case Call(function=function, arguments=(text, "latin1")) if function == _ENCODE:
            return _encode_text(text, expected)
    raise _no_array("content that is no bytes")


def _encode_text(text: object, expected: int) -> bytes:
    try:
        if isinstance(text, str):
            return text.encode("latin-1")
        if isinstance(text, Data) and text.form != "bytes":
            # A character takes at least one byte here and six at most there (`\u00ff`).
            if not expected <= len(text.raw) <= 6 * expected:
                raise _no_array("content of another size")
            return str(text.raw, text.form).encode("latin-1")
    except UnicodeError:
        raise _no_array("a text in the place of bytes") from None
    raise _no_array("content that is no bytes")


def _short_text(value: object) -> str | None:
    """Return a text, or a string that Python 2 wrote, which stands as bytes."""
    if isinstance(value, Data) and value.form == "bytes" and len(value.raw) <= 8:
        return str(value.raw, "latin-1")
    return value if isinstance(value, str) else None


def _no_array(found: str) -> Refused:
    return Refused("not_an_array", "the pickle does not hold an array", _EXPECTED, found)
