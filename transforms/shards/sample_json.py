"""A sequence's row as the small JSON of a tar sample: frame indices as runs, times by a rule.

`frame_index` becomes `[[first, count], ...]`. `pts_s` becomes `{"rate", "start", "step"}`, whole
numbers of which frame n's time is exactly `(start + step * n) / rate`, where there are such, else
the list of times. `xxh64` is the hash of the JSON without it. A row from outside is hostile:
nothing grows beyond what it may hold.
"""

import json
import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.schemas import SEQUENCES
from transforms.shards.codec import MAX_FRAMES

FIELDS: Final = tuple(name for name in SEQUENCES.names if name != "silhouettes")
_SEAL: Final = b',"xxh64":'  # stands last, before the hash of what the JSON is without it
_LISTS: Final = ("frame_index", "pts_s")
_LARGEST_RATE: Final = 1_000_000  # per second; 90,000 is usual in video
_EXACT: Final = 2**53  # whole numbers up to here are floats exactly
_KINDS: Final = {
    field.name: (str,)
    if pa.types.is_string(field.type)
    else (int,)
    if pa.types.is_integer(field.type)
    else (int, float)
    for field in SEQUENCES
    if field.name in FIELDS and field.name not in _LISTS
}

Row = dict[str, Any]  # one row of SEQUENCES as plain values


def encode_row(row: Row, frame_index: NDArray[np.int32], pts_s: NDArray[np.float64]) -> bytes:
    """Return the JSON of a row, whose two lists are given as arrays."""
    fields = {name: row[name] for name in FIELDS if name not in _LISTS}
    fields["frame_index"] = _list_runs(frame_index)
    fields["pts_s"] = _find_rule(frame_index, pts_s, row["fps"]) or pts_s.tolist()
    text = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return _seal(text.encode())


def decode_row(data: bytes, *, where: object) -> Row:
    """Return the columns of `SEQUENCES` but the silhouettes, the exact inverse of `encode_row`.

    Raises:
        IntegrityError: the JSON is damaged, or its values do not fit the columns.
    """
    content, _, _ = data.rpartition(_SEAL)
    content += b"}"
    if data != _seal(content):
        raise IntegrityError("the row is damaged", where=where, expected="the hash that it states")
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise IntegrityError("the row does not decode", where=where, found=error) from error
    if not isinstance(fields, dict) or set(fields) != set(FIELDS):
        raise IntegrityError(
            "columns differ from the contract", where=where, expected=", ".join(FIELDS)
        )
    for name, kinds in _KINDS.items():
        value = fields[name]
        if value is None and SEQUENCES.field(name).nullable:
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise IntegrityError(
                f"{name} does not fit the contract",
                where=where,
                expected=SEQUENCES.field(name).type,
                found=repr(value)[:80],
            )
    try:
        fields["frame_index"] = _expand_runs(fields["frame_index"], fields["frame_count"])
        fields["pts_s"] = _apply_rule(fields["pts_s"], fields["frame_index"])
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise IntegrityError("the frame times do not decode", where=where, found=error) from error
    return fields


def _seal(content: bytes) -> bytes:
    return content[:-1] + _SEAL + f'"{xxhash.xxh64_hexdigest(content)}"}}'.encode()


def _list_runs(frame_index: NDArray[np.int32]) -> list[list[int]]:
    breaks = np.flatnonzero(np.diff(frame_index.astype(np.int64)) != 1) + 1
    starts = [0, *breaks.tolist()] if len(frame_index) else []
    ends = [*starts[1:], len(frame_index)]
    return [
        [int(frame_index[start]), end - start] for start, end in zip(starts, ends, strict=False)
    ]


def _expand_runs(runs: Any, frame_count: int) -> list[int]:  # `Any`: JSON from outside
    if not all(type(value) is int and -(2**31) <= value < 2**31 for run in runs for value in run):
        raise ValueError("frame_index must be runs of whole numbers")
    total = sum(count for _, count in runs)
    if total != frame_count or total > MAX_FRAMES or any(count < 1 for _, count in runs):
        raise ValueError(f"expected runs of {frame_count} frames together, found {total}")
    return [number for first, count in runs for number in range(first, first + count)]


def _find_rule(
    frame_index: NDArray[np.int32], pts_s: NDArray[np.float64], fps: float
) -> dict[str, int] | None:
    """Return the rule that gives exactly these times, if the frame rate leads to one."""
    if not len(pts_s) or not 0 < fps < _LARGEST_RATE:
        return None
    # Most rates are whole, or whole times 1000/1001 as NTSC's.
    rate = Fraction(fps).limit_denominator(1001)
    if not 0 < rate.numerator <= _LARGEST_RATE:
        return None
    step, first = rate.denominator, float(pts_s[0]) * rate.numerator
    if not abs(first) < _EXACT:
        return None
    start = round(first) - step * int(frame_index[0])
    if abs(start) >= _EXACT:
        return None
    rule = {"rate": rate.numerator, "start": start, "step": step}
    times = np.array(_times(rule, frame_index.tolist()))
    return rule if times.tobytes() == pts_s.tobytes() else None  # -0.0 is not 0.0


def _apply_rule(rule: Any, frame_index: list[int]) -> list[float]:  # `Any`: JSON from outside
    if isinstance(rule, list):
        if len(rule) != len(frame_index) or not all(
            type(value) in (int, float) and math.isfinite(value) for value in rule
        ):
            raise ValueError(f"expected {len(frame_index)} finite times")
        return [float(value) for value in rule]
    if set(rule) != {"rate", "start", "step"} or not all(
        type(value) is int and abs(value) < _EXACT for value in rule.values()
    ):
        raise ValueError("expected whole numbers rate, start and step")
    return _times(rule, frame_index)


def _times(rule: dict[str, int], frame_index: list[int]) -> list[float]:
    return [(rule["start"] + rule["step"] * number) / rule["rate"] for number in frame_index]
