"""The JSON file in which the field passes splits on: lists of ids, read as what it is, hostile.

What the ids mean in a dataset is the business of `transforms.splits.imported`.
"""

import json
from pathlib import Path
from typing import Any, Final

from transforms.errors import InputError
from transforms.intake.problems import show_value
from transforms.interchange.refusal import Refused
from transforms.interchange.regular_file import read_regular_file
from transforms.splits.split import SELECTION, TEST, TRAIN

MAX_BYTES: Final = 16 * 2**20
"""A list of 150,000 ids of 80 characters has 12.6 million bytes."""
MAX_ID_CHARACTERS: Final = 128
LISTS: Final = {
    "TRAIN_SET": TRAIN,
    "TEST_SET": TEST,
    "SELECTION_SET": SELECTION,
    "VAL_SET": SELECTION,
}
_REQUIRED: Final = ("TRAIN_SET", "TEST_SET")
_FORM: Final = 'a JSON object {"TRAIN_SET": [ids], "TEST_SET": [ids][, "SELECTION_SET": [ids]]}'


def read_partition(path: Path) -> dict[str, tuple[str, ...]]:
    """Return side -> ids in the order of the file; `selection` only where the file has such a list.

    Raises:
        InputError: it is no regular file of at most `MAX_BYTES`, no strict JSON, or not of the
            form; nothing of it is taken then.
    """
    try:
        data = read_regular_file(path, max_bytes=MAX_BYTES)
    except Refused as refused:
        fault = refused.fault
        expected = _FORM if fault.code == "empty_file" else fault.expected
        raise InputError(fault.message, where=path, expected=expected, found=fault.found) from None
    content = _parse(data, path)
    if not isinstance(content, dict):
        raise InputError("not a partition", where=path, expected=_FORM, found=_kind(content))
    _check_names(content, path)
    return {LISTS[name]: _check_ids(name, ids, path) for name, ids in content.items()}


def _parse(data: bytes, path: Path) -> Any:  # `Any`: JSON from outside
    try:
        text = data.decode("utf-8-sig")  # editors on Windows put a byte order mark first
        return json.loads(text, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant)
    except RecursionError:
        found = "lists in lists without end"
        raise InputError("not a partition", where=path, expected=_FORM, found=found) from None
    except ValueError as error:
        raise InputError("not valid JSON", where=path, expected=_FORM, found=error) from error


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise ValueError(f"the name {show_value(name)} twice in one object")
        names[name] = value
    return names


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is no JSON")


def _check_names(content: dict[str, Any], path: Path) -> None:
    unknown = sorted(set(content) - set(LISTS))
    if unknown:
        raise InputError(
            "a list whose side is not known",
            where=path,
            expected=", ".join(LISTS),
            found=", ".join(show_value(name) for name in unknown[:5]),
            fix="rename or remove it",
        )
    missing = [name for name in _REQUIRED if not content.get(name)]
    if missing:
        raise InputError(
            f"no ids in {' and '.join(missing)}",
            where=path,
            expected=_FORM,
            fix="name at least one id to train on and one to test on",
        )
    if {"SELECTION_SET", "VAL_SET"} <= set(content):
        raise InputError(
            "two lists for one side",
            where=path,
            expected="SELECTION_SET or VAL_SET",
            found="both",
            fix="join them",
        )


def _check_ids(name: str, ids: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(ids, list):
        raise InputError(
            f"{name} is no list", where=path, expected="a list of ids", found=_kind(ids)
        )
    for place, one in enumerate(ids):
        if not isinstance(one, str):
            raise InputError(
                f"{name}[{place}] is no id",
                where=path,
                expected="a string",
                found=_kind(one),
                fix='write ids in quotation marks: "00001"',
            )
        if not 1 <= len(one) <= MAX_ID_CHARACTERS:
            raise InputError(
                f"{name}[{place}] is no id",
                where=path,
                expected=f"1 to {MAX_ID_CHARACTERS} characters",
                found=f"{len(one)} characters",
            )
    return tuple(ids)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
