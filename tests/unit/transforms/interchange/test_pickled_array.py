import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.interchange.hostile_pickles import (
    list_bombs,
    list_damaged,
    list_gadgets,
)
from transforms.interchange.pickle_values import read_values
from transforms.interchange.pickled_array import encode_pickled_array, read_pickled_array
from transforms.interchange.refusal import Refused

SILHOUETTES = np.random.default_rng(0).integers(0, 256, (3, 64, 44), dtype=np.uint8)

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda array: array,
    "small": lambda array: array[:1, :2, :3],
    "transposed": lambda array: array.transpose(1, 2, 0),
    "swapped": lambda array: array.transpose(2, 1, 0),
    "fortran": np.asfortranarray,
    "strided": lambda array: array[:, ::2],
    "empty": lambda array: array[:0],
    "one_axis": lambda array: array[0, 0],
    "no_axis": lambda array: np.asarray(array[0, 0, 0]),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_numpy_pickles_is_read_exactly(protocol: int, layout: str) -> None:
    for dtype in ("u1", "i1", "?", "<i8", ">i4", "<u2", "f2", "f4", ">f8"):
        array = LAYOUTS[layout](SILHOUETTES.astype(dtype))
        for data in (pickle.dumps(array, protocol), _as_numpy_1(array, protocol)):
            read = read_pickled_array(data)
            assert read.dtype == array.dtype
            assert read.shape == array.shape
            assert (read == array).all()


def _as_numpy_1(array: Any, protocol: int) -> bytes:
    """Return the pickle with the module names of NumPy 1, lengths mended."""
    data = pickle.dumps(array, protocol)
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        data = data.replace(b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(old)]) + old)
        data = data.replace(b"c" + new + b"\n", b"c" + old + b"\n")
    assert b"numpy._core" not in data
    return data


def test_python_2_pickles_are_read() -> None:
    # Protocol 2 of Python 2.7 and NumPy 1.16: strings stand as bytes.
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
        b"\x87Rq\x03(K\x01K\x02K\x01K\x03\x87cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05(K\x03"
        b"U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftb."
    )
    read = read_pickled_array(data)
    assert read.shape == (2, 1, 3)
    assert read.tobytes() == b"abcdef"


def test_written_pickles_are_what_any_unpickler_takes_for_the_array() -> None:
    data = encode_pickled_array(SILHOUETTES)
    loaded = pickle.loads(data)
    assert type(loaded) is np.ndarray
    assert loaded.dtype == np.uint8
    assert loaded.flags.writeable
    assert (loaded == SILHOUETTES).all()
    assert (read_pickled_array(data) == SILHOUETTES).all()
    # NumPy 1 does not know the module that NumPy 2 writes.
    assert b"numpy.core.multiarray" in data
    assert b"_core" not in data
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(data)) == 4


def test_written_pickles_depend_on_the_values_alone() -> None:
    fortran = np.asfortranarray(SILHOUETTES)
    assert encode_pickled_array(fortran) == encode_pickled_array(SILHOUETTES)


@pytest.mark.parametrize("array", [SILHOUETTES[0], SILHOUETTES.astype(np.int64)])
def test_only_silhouettes_are_written(array: Any) -> None:
    with pytest.raises(ValueError, match="expected uint8 of three axes"):
        encode_pickled_array(array)


def test_gadgets_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    gadgets = list_gadgets(canary)
    assert len(gadgets) > 40
    for name, data in gadgets.items():
        with pytest.raises(Refused):
            pytest.fail(f"{name} was read as {read_pickled_array(data)!r}")
    assert not canary.exists()


def test_the_gadgets_would_work_on_an_unpickler(tmp_path: Path) -> None:
    # In a child: what a gadget does to its process is its own affair.
    canary = tmp_path / "canary"
    worked = []
    for name, data in list_gadgets(canary).items():
        child = os.fork()
        if child == 0:
            try:
                pickle.loads(data)
            except BaseException:
                pass
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if canary.exists():
            canary.unlink()
            worked.append(name)
    assert {"os.system", "eval", "stack_global_from_memo", "inst", "obj", "object_array"} <= set(
        worked
    )
    assert len(worked) > 15, worked


@pytest.mark.parametrize(("name", "data"), list_bombs().items())
def test_bombs_are_refused_at_once(name: str, data: bytes) -> None:
    import time
    import tracemalloc

    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(Refused):
        pytest.fail(f"{name} was read as {read_pickled_array(data)!r}")
    took = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(data) + 100_000, peak
    assert took < 1.0


def test_whatever_is_cut_off_or_no_array_is_refused() -> None:
    damaged = list_damaged()
    assert len(damaged) > 1000
    for name, data in damaged.items():
        with pytest.raises(Refused):
            pytest.fail(f"{name} was read as {read_pickled_array(data)!r}")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x80\x04cos\nsystem\n.", "forbidden_name"),
        (b"\x80\x04]N" + b"a.", "forbidden_opcode"),
        (b"\x80\x04\x8e\xff", "truncated_file"),
        (b"\x80\x04N.", "not_an_array"),
        (pickle.dumps(np.array([None])), "wrong_dtype"),
        (pickle.dumps(np.array(["text"])), "wrong_dtype"),
        (pickle.dumps(np.zeros(2, "c8")), "wrong_dtype"),
        (pickle.dumps(np.zeros(2, "u1,u1"), 4), "wrong_dtype"),
        (pickle.dumps(np.zeros(2, "M8[s]"), 4), "wrong_dtype"),
    ],
)
def test_refusals_say_why(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_pickled_array(data)
    assert refused.value.fault.code == code


def test_a_forbidden_name_is_shown_harmlessly() -> None:
    with pytest.raises(Refused) as refused:
        read_pickled_array(b"c\x1b[2J" + b"x" * 100 + b"\nsystem\n.")
    assert refused.value.fault.found is not None
    assert refused.value.fault.found.isprintable()
    assert len(refused.value.fault.found) < 100


def test_nothing_is_imported_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    def refuse(name: str, *_: object, **__: object) -> Any:
        raise AssertionError(f"import of {name}")

    data = pickle.dumps(SILHOUETTES)
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", refuse)
        read = read_pickled_array(data)
    assert (read == SILHOUETTES).all()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(Refused):
        pytest.fail(repr(read_pickled_array(data)))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_changed_pickles_are_read_or_refused(data: st.DataObject) -> None:
    protocol = data.draw(st.integers(0, 5))
    pickled = bytearray(pickle.dumps(SILHOUETTES[:2, :4, :4], protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(pickled) - 1))
        pickled[position] = data.draw(st.integers(0, 255))
    try:
        read = read_pickled_array(bytes(pickled))
    except Refused:
        return
    assert isinstance(read, np.ndarray)
    assert read.nbytes <= len(pickled)


def test_no_name_is_admitted_that_is_not_asked_for() -> None:
    with pytest.raises(Refused):
        read_values(b"cnumpy\nndarray\n.", frozenset(), lambda call: None)
