"""One of two releases that are compared, read so that older and newer layouts can be told apart.

Columns are taken as they are: which of them two releases have in common is asked by the comparison.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import InputError, IntegrityError
from transforms.manifest import FORMAT, MANIFEST_NAME, verify_directory
from transforms.progress import Progress
from transforms.release.verify import RELEASE_KIND, verify_release
from transforms.release.verify_tree import MAX_DOCUMENT_BYTES, survey_tree
from transforms.shards.reader import read_participants_tsv

INDEX_NAME: Final = "index.parquet"
FRAMES_NAME: Final = "frames.parquet"
PEOPLE_NAME: Final = "participants.tsv"
SHARDS: Final = "sequences/"
SPLITS: Final = "splits/"
RESULTS: Final = "results/"
_MAX_ROWS: Final = 50_000_000  # a hundred times the frames of the largest published cohort
_Table = dict[str, str]  # column: type


@dataclass(frozen=True)
class Side:
    """A release.

    Attributes:
        directory: where it lies.
        version: its number, `YYYY.M.patch`.
        format: of its manifest, `gaitworks/1`.
        licence: its SPDX name, empty if it does not say.
        hashes: the sha256 of every file but the manifest, by path.
        tables: the columns and types of each table.
        index: one row per sequence.
        participants: one row per participant, all text.
        frames: the frame ledger; without rows if there is none.
        split: `split`, `sequence_id`, `side`; one row per split and sequence.
        metrics: the numbers of each experiment, by their place in `metrics.json`.
    """

    directory: Path
    version: str
    format: str
    licence: str
    hashes: dict[str, str]
    tables: dict[str, _Table]
    index: pl.DataFrame
    participants: pl.DataFrame
    frames: pl.DataFrame
    split: pl.DataFrame
    metrics: dict[str, dict[str, float]]


def read_side(directory: Path, progress: Progress) -> Side:
    """Read a release, after its files have been compared with its manifest.

    Raises:
        InputError: it is no release, or lacks what a comparison needs.
        IntegrityError: it is damaged.
    """
    manifest = _read_manifest(directory)
    _refuse_damaged(directory, manifest, progress)
    hashes = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    for name in (INDEX_NAME, PEOPLE_NAME):
        if name not in hashes:
            raise InputError(
                "a release without this file can't be compared", where=directory / name
            )
    parquet = [name for name in sorted(hashes) if name.endswith(".parquet")]
    splits = [name for name in parquet if name.startswith(SPLITS)]
    facts = manifest["facts"]
    release = facts.get("release")
    release = release if isinstance(release, dict) else {}
    participants = read_participants_tsv(directory / PEOPLE_NAME)
    tables = {_name_table(name): _read_columns(directory / name) for name in parquet}
    tables[PEOPLE_NAME] = dict.fromkeys(participants.columns, "text")
    return Side(
        directory=directory,
        version=str(release.get("version", "")),
        format=manifest["format"],
        licence=str(release.get("licence", "")),
        hashes=hashes,
        tables=tables,
        index=_read_table(directory / INDEX_NAME, "sequence_id"),
        participants=_with_columns(participants, directory / PEOPLE_NAME, "participant_id"),
        frames=_read_table(directory / FRAMES_NAME, "recording_id")
        if FRAMES_NAME in hashes
        else pl.DataFrame(),
        split=_read_splits(directory, splits),
        metrics={
            name.removeprefix(RESULTS).rpartition("/")[0]: _read_numbers(directory / name)
            for name in sorted(hashes)
            if name.startswith(RESULTS) and name.endswith("/metrics.json")
        },
    )


def _read_manifest(directory: Path) -> dict[str, Any]:
    """Return the manifest of a release of any format."""
    tree = survey_tree(directory)
    path = directory / MANIFEST_NAME
    size = tree.files.get(MANIFEST_NAME)
    manifest = _read_json(path) if size is not None and size <= MAX_DOCUMENT_BYTES else None
    if not isinstance(manifest, dict) or manifest.get("kind") != RELEASE_KIND:
        raise InputError(
            "not a release", where=directory, expected=f"{RELEASE_KIND} in {path.name}"
        )
    files = manifest.get("files")
    is_sound = (
        isinstance(manifest.get("format"), str)
        and isinstance(manifest.get("facts"), dict)
        and isinstance(files, list)
        and all(_is_file_of(entry, tree.files) for entry in files)
    )
    if not is_sound:
        raise IntegrityError(
            "the manifest does not list the files that are there",
            where=path,
            fix=f"run `gaitworks release verify {directory}`",
        )
    return manifest


def _is_file_of(entry: object, files: dict[str, int]) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("bytes"), int)
        and entry["path"] in files  # and so inside the release, and no link
    )


def _refuse_damaged(directory: Path, manifest: dict[str, Any], progress: Progress) -> None:
    """Refuse a release that is not as published; of another format, only files are compared."""
    if manifest["format"] == FORMAT:
        problems = verify_release(directory, progress=progress)
    else:
        problems = verify_directory(directory, progress=progress, manifest=manifest)
    if problems:
        raise IntegrityError(
            "a damaged release can't be compared",
            where=directory,
            found=f"{len(problems)} problem(s), the first: {problems[0]}",
            fix="get the release again from where it was published",
        )


def _name_table(name: str) -> str:
    """Return the table that a file belongs to: shards are pieces of one."""
    return SHARDS if name.startswith(SHARDS) else name


def _read_columns(path: Path) -> _Table:
    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise IntegrityError("not a readable table", where=path, found=error) from error
    return {field.name: str(field.type) for field in schema}


def _read_table(path: Path, *needed: str) -> pl.DataFrame:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            count = file.metadata.num_rows
            if count > _MAX_ROWS:
                limit = f"at most {_MAX_ROWS} rows"
                raise InputError("the table is too large", where=path, expected=limit, found=count)
            table = pl.DataFrame(file.read())
    except (OSError, ValueError, pa.ArrowException) as error:
        raise IntegrityError("not a readable table", where=path, found=error) from error
    return _with_columns(table, path, *needed)


def _with_columns(table: pl.DataFrame, path: Path, *needed: str) -> pl.DataFrame:
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(
            "the table can't be compared without this column",
            where=path,
            expected=", ".join(missing),
            found=", ".join(table.columns),
        )
    return table


def _read_splits(directory: Path, names: list[str]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=dict.fromkeys(("split", "sequence_id", "side"), pl.String))]
    for name in names:
        table = _read_table(directory / name, "sequence_id", "side")
        words = [word for word in ("protocol", "variant") if word in table.columns]
        named = pl.concat_str(words, separator="/") if words else pl.lit(name)
        parts.append(table.select(named.alias("split"), "sequence_id", "side"))
    return pl.concat(parts)


def _read_numbers(path: Path) -> dict[str, float]:
    """Return every number of a JSON document by its place, `units.participant.count`."""
    numbers: dict[str, float] = {}
    left: list[tuple[str, Any]] = [("", _read_json(path))]  # `Any`: plain JSON values
    while left:
        place, value = left.pop()
        if isinstance(value, dict):
            left += [(f"{place}.{key}" if place else key, item) for key, item in value.items()]
        elif isinstance(value, list):
            left += [(f"{place}[{number}]", item) for number, item in enumerate(value)]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[place] = value
    return numbers


def _read_json(path: Path) -> Any:  # plain JSON values, None where unreadable
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
