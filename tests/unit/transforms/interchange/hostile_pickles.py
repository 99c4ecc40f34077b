"""Pickles made to run code, to eat memory or to never end, built byte by byte.

Every gadget tries to create the file `canary`. None of them is ever given to a real unpickler but
by the test that shows that the canary works.
"""

import pickle
import struct
from pathlib import Path

import numpy as np

SHORT = b"\x8c"


def _text(value: str) -> bytes:
    raw = value.encode()
    return SHORT + bytes([len(raw)]) + raw


def _global(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def _array(shape: bytes, *, dtype: str = "u1", content: bytes = b"C\x00") -> bytes:
    """Return the pickle of an array whose shape, type and content say anything."""
    return (
        b"\x80\x04"
        + _global("numpy.core.multiarray", "_reconstruct")
        + _global("numpy", "ndarray")
        + b"K\x00\x85C\x01b\x87R(K\x01"
        + shape
        + _global("numpy", "dtype")
        + _text(dtype)
        + b"\x89\x88\x87R(K\x03"
        + _text("|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + content
        + b"tb."
    )


def list_gadgets(canary: Path) -> dict[str, bytes]:
    """Return pickles that would create `canary` if anything of them ran."""
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    call = _text(command) + b"\x85R"
    run = _text(code) + b"\x85R"
    long_code = b"X" + struct.pack("<I", len(code)) + code.encode()

    class Reduced:
        def __reduce__(self) -> tuple[object, ...]:
            return (eval, (f"open({str(canary)!r}, 'w').close()",))

    class Chained:
        def __reduce__(self) -> tuple[object, ...]:
            return (np.array, ([Reduced()],))

    gadgets = {
        "os.system": b"\x80\x04" + _global("os", "system") + call + b".",
        "posix.system": b"\x80\x04" + _global("posix", "system") + call + b".",
        "eval": b"\x80\x04" + _global("builtins", "eval") + run + b".",
        "exec": b"\x80\x04" + _global("builtins", "exec") + run + b".",
        "python_2_builtins": b"\x80\x02" + _global("__builtin__", "eval") + run + b".",
        "protocol_0": b"cposix\nsystem\n(V" + command.encode() + b"\ntR.",
        "subprocess": b"\x80\x04"
        + _global("subprocess", "call")
        + b"("
        + _text("touch")
        + _text(str(canary))
        + b"l\x85R.",
        "numpy_load": b"\x80\x04" + _global("numpy", "load") + _text(str(canary)) + b"\x85R.",
        "numpy_testing_runstring": b"\x80\x04"
        + _global("numpy.testing._private.utils", "runstring")
        + long_code
        + b"}\x86R.",
        "numpy_f2py_compile": b"\x80\x04"
        + _global("numpy.f2py.diagnose", "run_command")
        + call
        + b".",
        "numpy_vectorize": b"\x80\x04"
        + _global("numpy", "vectorize")
        + _global("os", "system")
        + b"\x85R"
        + call
        + b".",
        "functools_partial": b"\x80\x04"
        + _global("functools", "partial")
        + _global("os", "system")
        + _text(command)
        + b"\x86R)R.",
        "stack_global": b"\x80\x04" + _text("os") + _text("system") + b"\x93" + call + b".",
        "stack_global_from_memo": b"\x80\x04"
        + _text("os")
        + b"\x94"
        + _text("system")
        + b"\x94"
        + _global("numpy", "ndarray")
        + b"q\x02h\x00h\x01\x93"
        + call
        + b".",
        "memo_name_overwritten": b"\x80\x04"
        + _text("numpy")
        + b"q\x00"
        + _text("os")
        + b"q\x00h\x00"
        + _text("system")
        + b"\x93"
        + call
        + b".",
        "nested_name": b"\x80\x04"
        + _text("numpy")
        + _text("ndarray.__class__.__base__.__subclasses__")
        + b"\x93)R.",
        "nested_module": b"\x80\x04"
        + _text("numpy.core.os")
        + _text("system")
        + b"\x93"
        + call
        + b".",
        "dotted_name_under_numpy": b"\x80\x04"
        + _text("numpy")
        + _text("os.system")
        + b"\x93"
        + call
        + b".",
        "inst": b"(V" + command.encode() + b"\nios\nsystem\n.",
        "obj": b"(" + _global("os", "system") + _text(command) + b"o.",
        "newobj": b"\x80\x02" + _global("os", "system") + _text(command) + b"\x85\x81.",
        "newobj_ex": b"\x80\x04" + _global("os", "system") + _text(command) + b"\x85}\x92.",
        "newobj_of_admitted": b"\x80\x04" + _global("numpy", "ndarray") + b"K\x02\x85\x81.",
        "build_setstate": b"\x80\x04"
        + _global("numpy", "ndarray")
        + b"}"
        + _text("__setstate__")
        + _global("os", "system")
        + b"sb"
        + _text(command)
        + b"b.",
        "build_on_admitted_name": b"\x80\x04"
        + _global("numpy", "dtype")
        + b"}"
        + _text("__reduce__")
        + _text(code)
        + b"sb.",
        "copyreg": b"\x80\x04" + _global("copyreg", "_reconstructor") + b")R.",
        "copyreg_add_extension": b"\x80\x04"
        + _global("copyreg", "add_extension")
        + b"("
        + _text("os")
        + _text("system")
        + b"K\x01tR0\x82\x01"
        + call
        + b".",
        "ext1": b"\x80\x04\x82\x01" + call + b".",
        "ext2": b"\x80\x04\x83\x01\x00" + call + b".",
        "ext4": b"\x80\x04\x84\x01\x00\x00\x00" + call + b".",
        "persistent_id": b"P" + command.encode() + b"\n.",
        "binary_persistent_id": b"\x80\x04" + _text(command) + b"Q.",
        "codecs_other_encoding": b"\x80\x02"
        + _global("_codecs", "encode")
        + _text(command)
        + _text("rot13")
        + b"\x86R.",
        "codecs_decode": b"\x80\x02" + _global("_codecs", "decode") + call + b".",
        "reduce_of_object": pickle.dumps(Reduced()),
        "reduce_chain": pickle.dumps(Chained()),
        "object_array": pickle.dumps(np.array([Reduced(), None], dtype=object)),
        "gadget_before_array": b"\x80\x04"
        + _global("os", "system")
        + call
        + b"0"
        + _array(b"K\x01K\x40K\x40\x87", content=b"B\x00\x10\x00\x00" + bytes(4096))[2:],
        "gadget_as_content": _array(b"K\x01K\x40K\x40\x87", content=_global("os", "system") + call),
        "gadget_as_dtype": b"\x80\x04"
        + _global("numpy._core.numeric", "_frombuffer")
        + b"(C\x00"
        + _global("os", "system")
        + call
        + b"K\x00\x85"
        + _text("C")
        + b"tR.",
        "gadget_behind_array": _array(b"K\x00K\x40K\x40\x87")
        + _global("os", "system")
        + call
        + b".",
        "subclass_as_array_class": b"\x80\x04"
        + _global("numpy.core.multiarray", "_reconstruct")
        + _global("numpy", "memmap")
        + b"K\x00\x85C\x01b\x87R.",
        "reconstruct_of_dtype": b"\x80\x04"
        + _global("numpy.core.multiarray", "_reconstruct")
        + _global("numpy", "dtype")
        + b"K\x00\x85C\x01b\x87R.",
        "call_of_text": b"\x80\x04" + _text("os.system") + call + b".",
        "call_of_call": b"\x80\x04"
        + _global("numpy", "dtype")
        + _text("u1")
        + b"\x85R"
        + call
        + b".",
    }
    return gadgets


def list_bombs() -> dict[str, bytes]:
    """Return pickles that would take memory or time out of proportion to their size."""
    huge = b"\x8a\x08" + struct.pack("<q", 2**62)
    million = 1_000_000
    return {
        "huge_shape": _array(b"J\xff\xff\xff\x7fK\x40K\x40\x87"),
        "huge_shape_times_zero_content": _array(huge + huge + huge + b"\x87"),
        "overflowing_product": _array(
            b"\x8a\x08"
            + struct.pack("<q", 2**32)
            + b"\x8a\x08"
            + struct.pack("<q", 2**32)
            + b"K\x01\x87"
        ),
        "negative_size": _array(b"J\xff\xff\xff\xffK\x40K\x40\x87"),
        "negative_twice": _array(b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00\x87"),
        "boolean_size": _array(b"\x88K\x40K\x40\x87", content=b"B\x00\x10\x00\x00" + bytes(4096)),
        "many_axes": _array(b"(" + b"K\x01" * 65 + b"t", content=b"C\x01\x00"),
        "zero_axis_of_many": _array(huge + b"K\x00" + huge + b"\x87")[:-1],
        "giant_dtype": _array(b"K\x01\x85", dtype="V2147483647"),
        "giant_text_dtype": _array(b"K\x01\x85", dtype="U536870911"),
        "structured_dtype": _array(b"K\x01\x85", dtype="u1,u1"),
        "subarray_dtype": _array(b"K\x01\x85", dtype="(65535,65535)u1"),
        "object_dtype": _array(b"K\x01\x85", dtype="O8"),
        "time_dtype": _array(b"K\x01\x85", dtype="M8"),
        "big_binbytes8": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.",
        "negative_binbytes8": b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"abc.",
        "big_bytearray8": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
        "big_binunicode8": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",
        "repeated_binbytes8": b"\x80\x04"
        + (b"\x8e" + struct.pack("<Q", 2**32) + b"x" * 9) * 1000
        + b".",
        "big_binstring": b"T" + struct.pack("<i", -1) + b".",
        "big_frame": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"N.",
        "long4_giant": b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"\xff" * million + b".",
        "long1_giant": b"\x80\x02\x8a\xff" + b"\xff" * 255 + b".",
        "decimal_giant": b"L" + b"9" * million + b"L\n.",
        "int_giant": b"I" + b"9" * million + b"\n.",
        "nesting_of_tuples": b"\x80\x02)" + b"\x85" * million + b".",
        "nesting_of_marks": b"(" * million + b".",
        "nesting_of_lists": b"]" * million + b"a" * (million - 1) + b".",
        "memo_bomb": b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 100_000 + b".",
        "memo_bomb_short": b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"h\x00.",
        "memo_bomb_as_shape": _array(b")q\x00" + b"h\x00h\x00\x86q\x00" * 60),
        "memo_far_index": b"\x80\x02Nr\xff\xff\xff\xff.",
        "memo_flood": b"\x80\x04N" + b"\x94" * million + b".",
        "self_reference": b"\x80\x02]q\x00h\x00a.",
        "quadratic_setitems": b"\x80\x02}" + b"(K\x00K\x00u" * 100_000 + b".",
        "quadratic_text": b"V" + b"\\u00ff" * 100_000 + b"\n.",
        "dup_flood": b"N" + b"2" * million + b".",
        "encoded_many_times": b"\x80\x02"
        + b"X"
        + struct.pack("<I", million)
        + b"a" * million
        + b"q\x00"
        + _array_of_encodings(),
    }


def _array_of_encodings() -> bytes:
    encode = _global("_codecs", "encode")
    return encode + b"q\x01" + (b"h\x01h\x00" + _text("latin1") + b"\x86R0") * 80 + b"."


def list_damaged() -> dict[str, bytes]:
    """Return an array's pickle cut off everywhere, and other things that are no pickle."""
    whole = {
        protocol: pickle.dumps(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), protocol)
        for protocol in range(6)
    }
    cut = {
        f"cut_{protocol}_{end}": data[:end]
        for protocol, data in whole.items()
        for end in range(len(data))
    }
    return cut | {
        "empty": b"",
        "only_stop": b".",
        "two_values": b"NN.",
        "open_mark": b"(N.",
        "pop_below_mark": b"N(\x85.",
        "bad_get": b"h\x05.",
        "future_protocol": b"\x80\x09N.",
        "text_file": b"hello, world\n",
        "zip_file": b"PK\x03\x04" + bytes(40),
        "npy_file": b"\x93NUMPY\x01\x00" + bytes(100),
        "behind_the_end": whole[4] + b"more",
        "invalid_utf_8": b"\x80\x04\x8c\x02\xff\xfe.",
        "list_of_arrays": pickle.dumps([np.zeros((2, 2), np.uint8)] * 2),
        "number": pickle.dumps(5),
        "dictionary": pickle.dumps({"a": 1}),
        "numpy_scalar": pickle.dumps(np.uint8(5)),
        "masked_array": pickle.dumps(np.ma.masked_array([1, 2], [0, 1])),
    }
