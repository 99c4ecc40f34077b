"""Find every way in which a dataset's files, rows, pixels and tables fail to agree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.manifest import Problem, read_manifest
from transforms.schemas import FRAMES, PARTICIPANTS, REJECTS, SEQUENCE_INDEX, SEQUENCES
from transforms.shards.codec import decode_silhouettes
from transforms.shards.integrity import (
    ShardProblem,
    check_files,
    listed_hashes,
    name_sequences,
)
from transforms.shards.parquet import count_rows, read_table
from transforms.shards.webdataset import TarSample, read_tar

_Row = dict[str, Any]  # one row of SEQUENCES or SEQUENCE_INDEX as plain values
_Decoded = tuple[_Row, NDArray[np.uint8]]  # a row without its bytes, and its silhouettes


def verify_dataset(directory: Path, deep: bool = True) -> list[Problem]:
    """Return every problem of a dataset; an empty list means that it is sound.

    Args:
        directory: a dataset as `write_shards` lays it out, with its manifest.
        deep: hash all files and compare every row and pixel of both containers with each other and
            with the index; otherwise compare names and sizes only.
    """
    problems = check_files(directory, deep=deep)
    if any(problem.kind == "manifest" for problem in problems):
        return problems
    problems = name_sequences(problems, sequences_by_shard(directory))
    if not deep:
        return problems
    damaged = {problem.path for problem in problems}
    if "index.parquet" in damaged:
        return problems  # without an index nothing says what the shards should hold
    index = pl.DataFrame(read_table(directory / "index.parquet", SEQUENCE_INDEX))
    problems += _check_shard_list(directory, index)
    rows_of = index.partition_by("shard", as_dict=True)
    for shard, tar in _shard_pairs(directory).items():
        expected = rows_of[(shard,)].to_dicts() if (shard,) in rows_of else []
        decoded: dict[str, _Decoded] = {}
        if shard not in damaged:
            problems += _check_shard(directory, shard, expected, decoded)
        if decoded and tar not in damaged:
            expected_ids = [row["sequence_id"] for row in expected]
            problems += _check_tar(directory, tar, shard, expected_ids, decoded)
    problems += _check_tables(directory, index, damaged)
    problems += _check_row_counts(directory, damaged)
    return problems


def sequences_by_shard(directory: Path) -> dict[str, tuple[str, ...]]:
    """Return the sequence ids of every shard file of both containers, as far as the index tells.

    Nothing is returned if the index itself is damaged.
    """
    try:
        index = read_table(directory / "index.parquet", SEQUENCE_INDEX, ["sequence_id", "shard"])
    except IntegrityError:
        return {}
    groups = pl.DataFrame(index).group_by("shard", maintain_order=True).agg("sequence_id")
    found = {shard: tuple(ids) for shard, ids in groups.iter_rows()}
    tars = {tar: found[shard] for shard, tar in _shard_pairs(directory).items() if shard in found}
    return found | tars


def _shard_pairs(directory: Path) -> dict[str, str]:
    """Return the tar shard of every Parquet shard, as far as the manifest's facts pair them."""
    pairs = read_manifest(directory)["facts"].get("shards")
    return {
        pair["parquet"]: pair["tar"]
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, dict)
        and isinstance(pair.get("parquet"), str)
        and isinstance(pair.get("tar"), str)
    }


def _check_shard_list(directory: Path, index: pl.DataFrame) -> list[Problem]:
    pairs = _shard_pairs(directory)
    paired, indexed = set(pairs) | set(pairs.values()), set(index["shard"])
    hashes = listed_hashes(directory)
    listed = {name for name in hashes if name.endswith(".tar") or name.startswith("sequences/")}
    problems = [
        Problem(name, "index", "a shard that index and manifest agree on", "only one names it")
        for name in sorted((paired ^ listed) | (indexed ^ set(pairs)))
    ]
    problems += [
        Problem(name, "name", f"part-{hashes[name][:16]}", Path(name).stem)
        for name in sorted(listed)
        if Path(name).stem != f"part-{hashes[name][:16]}"
    ]
    repeated = index.filter(pl.col("sequence_id").is_duplicated())["sequence_id"].unique().sort()
    problems += [Problem("index.parquet", "index", "one row", f"two of {n}") for n in repeated]
    return problems


def _check_shard(
    directory: Path, shard: str, expected: list[_Row], decoded: dict[str, _Decoded]
) -> Iterator[Problem]:
    """Yield what is wrong with one Parquet shard; put the sequences that decode into `decoded`."""
    try:
        rows = read_table(directory / shard, SEQUENCES).to_pylist()
    except IntegrityError as error:
        yield Problem(shard, "decode", "a readable shard", str(error))
        return
    found_ids = [row["sequence_id"] for row in rows]
    expected_ids = [row["sequence_id"] for row in expected]
    if found_ids != expected_ids or [row["row"] for row in expected] != list(range(len(rows))):
        yield Problem(shard, "index", ", ".join(expected_ids), ", ".join(found_ids))
        return
    for row, entry in zip(rows, expected, strict=True):
        name = row["sequence_id"]
        differing = [key for key in entry if key in row and row[key] != entry[key]]
        if differing:
            yield ShardProblem(shard, "index", "equal columns", ", ".join(differing), (name,))
        shape = (row["frame_count"], row["height_px"], row["width_px"])
        data = row.pop("silhouettes")
        try:
            decoded[name] = (row, decode_silhouettes(data, row["codec"], shape, where=name))
        except IntegrityError as error:
            yield ShardProblem(shard, "decode", f"frames of {shape}", str(error), (name,))


def _check_tar(
    directory: Path,
    tar: str,
    shard: str,
    expected_ids: list[str],
    decoded: dict[str, _Decoded],
) -> Iterator[Problem]:
    """Yield where a tar shard differs from its Parquet shard."""
    found_ids: list[str] = []
    try:
        for sample in read_tar(directory / tar):
            name = sample.sequence_id
            found_ids.append(name)
            difference = _compare(sample, decoded[name]) if name in decoded else None
            if difference:
                yield ShardProblem(tar, "content", f"that of {shard}", difference, (name,))
    except IntegrityError as error:
        yield Problem(tar, "decode", "a readable shard", str(error))
        return
    if found_ids != expected_ids:
        yield Problem(tar, "content", ", ".join(expected_ids), ", ".join(found_ids))


def _compare(sample: TarSample, decoded: _Decoded) -> str | None:
    row, silhouettes = decoded
    if sample.fields != row:
        return "other columns"
    try:
        is_equal = np.array_equal(sample.silhouettes(where=sample.sequence_id), silhouettes)
    except IntegrityError as error:
        return str(error)
    return None if is_equal else "other pixels"


def _check_tables(directory: Path, index: pl.DataFrame, damaged: set[str]) -> Iterator[Problem]:
    tables = {}
    for name, schema in (
        ("participants.parquet", PARTICIPANTS),
        ("frames.parquet", FRAMES),
        ("rejects.parquet", REJECTS),
    ):
        if name in damaged:
            continue
        try:
            tables[name] = pl.DataFrame(read_table(directory / name, schema))
        except IntegrityError as error:
            yield Problem(name, "decode", "a readable table", str(error))
    if (participants := tables.get("participants.parquet")) is not None:
        pairs = ["participant_id", "label"]
        missing = index.join(participants, on=pairs, how="anti")["participant_id"].unique().sort()
        for name in missing:
            yield Problem("participants.parquet", "index", f"{name} as in the index", "another")
    if (frames := tables.get("frames.parquet")) is not None:
        yield from _check_ledger(index, frames)


def _check_row_counts(directory: Path, damaged: set[str]) -> Iterator[Problem]:
    """Yield where the manifest states another number of rows than a file has."""
    entries = read_manifest(directory)["files"]
    stated = {entry["path"]: entry.get("rows") for entry in entries}
    parquet_of = {tar: shard for shard, tar in _shard_pairs(directory).items()}
    for name in sorted(stated.keys() - damaged):
        counted = parquet_of.get(name, name)
        if counted in damaged or not counted.endswith(".parquet"):
            continue
        try:
            found = count_rows(directory / counted)
        except IntegrityError as error:
            yield Problem(name, "decode", "a readable table", str(error))
            continue
        if stated[name] != found:
            yield Problem(name, "rows", str(stated[name]), str(found))


def _check_ledger(index: pl.DataFrame, frames: pl.DataFrame) -> Iterator[Problem]:
    kept = frames.group_by("recording_id").agg(kept=(pl.col("status") == "kept").sum())
    differing = (
        index.join(kept, on="recording_id", how="left")
        .filter(pl.col("kept").fill_null(0) != pl.col("frame_count"))
        .sort("sequence_id")
    )
    for row in differing.iter_rows(named=True):
        yield ShardProblem(
            "frames.parquet",
            "ledger",
            f"{row['frame_count']} kept frames",
            str(row["kept"] or 0),
            (row["sequence_id"],),
        )
