"""Compare what the files of a dataset mean: both containers, the index and the tables.

Whether they are the files of the manifest is not asked here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.manifest import MANIFEST_NAME, Problem, read_manifest
from transforms.progress import Progress
from transforms.schemas import FRAMES, PARTICIPANTS, REJECTS, SEQUENCE_INDEX, SEQUENCES
from transforms.shards.codec import decode_silhouettes
from transforms.shards.integrity import (
    ShardProblem,
    listed_hashes,
    shard_pairs,
)
from transforms.shards.ledgers import ledgers_by_batch
from transforms.shards.parquet import count_rows, read_table
from transforms.shards.part import FRAMES_FOLDER, PARQUET_FOLDER, TAR_FOLDER, name_part
from transforms.shards.webdataset import TarSample, read_tar

_PART_FOLDERS: Final = tuple(f"{name}/" for name in (PARQUET_FOLDER, TAR_FOLDER, FRAMES_FOLDER))
_Row = dict[str, Any]  # one row of SEQUENCES or SEQUENCE_INDEX as plain values
_Decoded = tuple[_Row, NDArray[np.uint8]]  # a row without its bytes, and its silhouettes


def compare_content(directory: Path, damaged: set[str], progress: Progress) -> Iterator[Problem]:
    """Yield every contradiction between the index, the shards of both containers and the tables.

    Args:
        directory: a dataset whose manifest and index are whole.
        damaged: files to leave out.
        progress: advanced once per shard.
    """
    index = pl.DataFrame(read_table(directory / "index.parquet", SEQUENCE_INDEX))
    yield from _check_parts(directory, index)
    yield from _check_shards(directory, index, damaged, progress)
    yield from _check_tables(directory, index, damaged)
    yield from _check_row_counts(directory, damaged)


def _check_parts(directory: Path, index: pl.DataFrame) -> list[Problem]:
    """Compare the parts that the manifest's facts, its list of files and the index name."""
    pairs = shard_pairs(directory)
    shards, indexed = set(pairs) | set(pairs.values()), set(index["shard"])
    ledgers = set(ledgers_by_batch(directory).values())
    hashes = listed_hashes(directory)
    listed = {name for name in hashes if name.startswith(_PART_FOLDERS)}
    problems = [
        Problem(name, "index", "a part that index and manifest agree on", "only one names it")
        for name in sorted(((shards | ledgers) ^ listed) | (indexed ^ set(pairs)))
    ]
    problems += [
        Problem(name, "name", name_part(hashes[name], Path(name).suffix), Path(name).name)
        for name in sorted(listed)
        if Path(name).name != name_part(hashes[name], Path(name).suffix)
    ]
    repeated = index.filter(pl.col("sequence_id").is_duplicated())["sequence_id"].unique().sort()
    problems += [Problem("index.parquet", "index", "one row", f"two of {n}") for n in repeated]
    return problems


def _check_shards(
    directory: Path, index: pl.DataFrame, damaged: set[str], progress: Progress
) -> Iterator[Problem]:
    pairs = shard_pairs(directory)
    rows_of = index.partition_by("shard", as_dict=True)
    progress.start("decoding shards", len(pairs))
    for shard, tar in pairs.items():
        expected = rows_of[(shard,)].to_dicts() if (shard,) in rows_of else []
        decoded: dict[str, _Decoded] = {}
        if shard not in damaged:
            yield from _check_shard(directory, shard, expected, decoded)
        if decoded and tar not in damaged:
            expected_ids = [row["sequence_id"] for row in expected]
            yield from _check_tar(directory, tar, shard, expected_ids, decoded)
        progress.advance()


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
    rejects, participants = "rejects.parquet", "participants.parquet"
    if rejects not in damaged:
        _, problems = _read(directory, rejects, REJECTS)
        yield from problems
    if participants not in damaged:
        found, problems = _read(directory, participants, PARTICIPANTS)
        yield from problems
        if found is not None:
            missing = index.join(found, on=["participant_id", "label"], how="anti")
            for name in missing["participant_id"].unique().sort():
                yield Problem(participants, "index", f"{name} as in the index", "another")
    ledgers = ledgers_by_batch(directory)
    for batch_id in sorted({*index["batch_id"], *ledgers}):
        ledger = ledgers.get(batch_id)
        if ledger is None:
            yield Problem(MANIFEST_NAME, "ledger", f"a frame ledger of {batch_id}", "none")
        elif ledger not in damaged:
            found, problems = _read(directory, ledger, FRAMES)
            yield from problems
            if found is not None:
                yield from _check_ledger(ledger, found, index.filter(batch_id=batch_id))


def _read(
    directory: Path, name: str, schema: pa.Schema
) -> tuple[pl.DataFrame | None, list[Problem]]:
    try:
        return pl.DataFrame(read_table(directory / name, schema)), []
    except IntegrityError as error:
        return None, [Problem(name, "decode", "a readable table", str(error))]


def _check_row_counts(directory: Path, damaged: set[str]) -> Iterator[Problem]:
    """Yield where the manifest states another number of rows than a file has."""
    entries = read_manifest(directory)["files"]
    stated = {entry["path"]: entry.get("rows") for entry in entries}
    parquet_of = {tar: shard for shard, tar in shard_pairs(directory).items()}
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


def _check_ledger(name: str, frames: pl.DataFrame, index: pl.DataFrame) -> Iterator[Problem]:
    """Yield where a batch's ledger keeps another number of frames than its sequences have."""
    kept = frames.group_by("recording_id").agg(kept=(pl.col("status") == "kept").sum())
    differing = (
        index.join(kept, on="recording_id", how="left")
        .filter(pl.col("kept").fill_null(0) != pl.col("frame_count"))
        .sort("sequence_id")
    )
    for row in differing.iter_rows(named=True):
        expected, found = f"{row['frame_count']} kept frames", str(row["kept"] or 0)
        yield ShardProblem(name, "ledger", expected, found, (row["sequence_id"],))
