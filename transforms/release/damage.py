"""Which sequences a damaged shard has lost: their own checksums tell, without the whole file.

A row of a Parquet shard stands under the checksum of its page, and its silhouettes under that of
their zstd frame; a sample of a tar under those of its header, its JSON and its silhouettes. Where
nothing in the file can be blamed, all its sequences are doubtful.
"""

import mmap
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import IntegrityError
from transforms.manifest import Problem
from transforms.progress import Progress
from transforms.schemas import SEQUENCES
from transforms.shards.codec import decode_silhouettes
from transforms.shards.integrity import ShardProblem, listed_hashes, shard_pairs
from transforms.shards.parquet import count_rows
from transforms.shards.sample_json import decode_row
from transforms.shards.verify import sequences_by_shard
from transforms.shards.webdataset import FRAMES_SUFFIX, JSON_SUFFIX

INDEX_NAME: Final = "index.parquet"
_READABLE: Final = frozenset({"size", "sha256"})  # problems of a file that is still there
_MAX_INDEX_ROWS: Final = 5_000_000
_BLOCK_BYTES: Final = 512
_SILHOUETTES: Final = "silhouettes"
_SHAPE: Final = ("frame_count", "height_px", "width_px")
# What Arrow raises on damaged files; ArrowInvalid is a ValueError, ArrowKeyError a KeyError.
_UNREADABLE: Final = (OSError, ValueError, MemoryError, LookupError, pa.ArrowException)

_Ids = tuple[str, ...]


def name_affected(
    directory: Path, problems: Sequence[Problem], progress: Progress
) -> list[Problem]:
    """Add to every problem of a shard which sequences it concerns.

    Args:
        directory: a release whose manifest is whole.
        problems: how its files differ from the manifest.
        progress: advanced once per damaged shard.
    """
    listed = listed_hashes(directory)
    pairs = {a: b for a, b in shard_pairs(directory).items() if a in listed and b in listed}
    partners = pairs | {tar: shard for shard, tar in pairs.items()}
    damaged = {problem.path: problem.kind for problem in problems}
    concerned = [problem for problem in problems if problem.path in partners]
    if not concerned:
        return list(problems)
    indexed = {} if INDEX_NAME in damaged else _read_index(directory)
    progress.start("looking into damaged shards", len(concerned))
    named: dict[str, _Ids] = {}
    for problem in concerned:
        name = problem.path
        ids = indexed.get(name) or _list_sequences(directory, (partners[name], name), damaged)
        if problem.kind in _READABLE and ids:
            ids = find_hit_sequences(directory / name, ids)
        named[name] = ids
        progress.advance()
    return [
        ShardProblem(**asdict(problem), sequences=named[problem.path])
        if problem.path in named
        else problem
        for problem in problems
    ]


def _read_index(directory: Path) -> Mapping[str, _Ids]:
    try:
        if count_rows(directory / INDEX_NAME) > _MAX_INDEX_ROWS:
            return {}
    except IntegrityError:
        return {}
    return sequences_by_shard(directory)


def _list_sequences(directory: Path, names: Sequence[str], damaged: Mapping[str, str]) -> _Ids:
    """Return the ids that the first readable of some shards holds, where no index tells."""
    for name in names:
        if damaged.get(name, "sha256") not in _READABLE:
            continue
        try:
            if name.endswith(".tar"):
                with tarfile.open(directory / name, "r:") as tar:
                    members = [member.name for member in tar]
                ids = [n.removesuffix(JSON_SUFFIX) for n in members if n.endswith(JSON_SUFFIX)]
            else:
                with pq.ParquetFile(directory / name, page_checksum_verification=True) as file:
                    ids = [str(name) for name in file.read(["sequence_id"])["sequence_id"]]
        except (*_UNREADABLE, tarfile.TarError):
            continue
        return tuple(ids)
    return ()


def find_hit_sequences(path: Path, ids: _Ids) -> _Ids:
    """Return which of the sequences of a damaged shard, Parquet or tar, are hit.

    Args:
        path: the shard.
        ids: the sequences that it should hold, in its order.

    Returns:
        Some of `ids`; all, if the file does not say.
    """
    find = _find_hit_in_tar if path.suffix == ".tar" else _find_hit_in_parquet
    try:
        hit = find(path, ids)
    except _UNREADABLE:
        return ids
    return tuple(name for name in ids if name in hit) or ids


def _find_hit_in_parquet(path: Path, ids: _Ids) -> set[str]:
    hit: set[str] = set()
    with (
        pq.ParquetFile(path, page_checksum_verification=True) as checked,
        pq.ParquetFile(path, page_checksum_verification=False) as unchecked,
    ):
        footer = checked.metadata
        if not checked.schema_arrow.equals(SEQUENCES) or footer.num_rows != len(ids):
            return set(ids)
        start = 0
        for group in range(footer.num_row_groups):
            expected = ids[start : start + footer.row_group(group).num_rows]
            start += len(expected)
            hit |= _find_hit_in_group(checked, unchecked, group, expected)
    return hit


def _find_hit_in_group(
    checked: pq.ParquetFile, unchecked: pq.ParquetFile, group: int, expected: _Ids
) -> set[str]:
    """Return the rows of a row group that are hit: all, unless their zstd frames say which."""
    others = [name for name in SEQUENCES.names if name != _SILHOUETTES]
    try:
        rows = checked.read_row_group(group, columns=others, use_threads=False).to_pylist()
    except _UNREADABLE:
        return set(expected)
    if [row["sequence_id"] for row in rows] != list(expected):
        return set(expected)
    try:
        checked.read_row_group(group, columns=[_SILHOUETTES], use_threads=False)
        is_page_whole = True
    except _UNREADABLE:
        is_page_whole = False
    try:
        table = unchecked.read_row_group(group, columns=[_SILHOUETTES], use_threads=False)
        frames = [value.as_py() or b"" for value in table[_SILHOUETTES]]
    except _UNREADABLE:
        return set(expected)
    hit = {
        row["sequence_id"]
        for row, data in zip(rows, frames, strict=True)
        if not _decodes(data, row)
    }
    return hit if hit or is_page_whole else set(expected)


def _decodes(data: bytes, row: Mapping[str, Any]) -> bool:
    frames, height, width = (row[name] for name in _SHAPE)
    try:
        decode_silhouettes(data, row["codec"], (frames, height, width))
    except IntegrityError:
        return False
    return True


def _find_hit_in_tar(path: Path, ids: _Ids) -> set[str]:
    hit: set[str] = set()
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        position: int | None = 0
        sound_up_to = 0
        for sequence_id, following in zip(ids, (*ids[1:], None), strict=True):
            end = None if position is None else _read_sample(content, position, sequence_id)
            if end is None:
                hit.add(sequence_id)
                position = _find_header(content, sound_up_to, following) if following else None
            else:
                position = sound_up_to = end
    return hit


def _find_header(content: mmap.mmap, start: int, sequence_id: str) -> int | None:
    name = (sequence_id + JSON_SUFFIX).encode() + b"\0"
    place = content.find(name, start)
    while place >= 0 and place % _BLOCK_BYTES:
        place = content.find(name, place + 1)
    return place if place >= 0 else None


def _read_sample(content: mmap.mmap, position: int, sequence_id: str) -> int | None:
    """Return where a sequence's two members end, None if they are not whole."""
    described = _read_member(content, position, sequence_id + JSON_SUFFIX)
    if described is None:
        return None
    pixels = _read_member(content, described[1], sequence_id + FRAMES_SUFFIX)
    if pixels is None:
        return None
    try:
        row = decode_row(described[0], where=sequence_id)
    except IntegrityError:
        return None
    return pixels[1] if _decodes(pixels[0], row) else None


def _read_member(content: mmap.mmap, position: int, name: str) -> tuple[bytes, int] | None:
    block = content[position : position + _BLOCK_BYTES]
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.TarError, ValueError):
        return None
    start = position + _BLOCK_BYTES
    end = start + header.size
    padded = end + -header.size % _BLOCK_BYTES
    is_ours = header.name == name and header.size >= 0 and padded <= len(content)
    if not is_ours or content[end:padded].strip(b"\0"):
        return None
    return content[start:end], padded
