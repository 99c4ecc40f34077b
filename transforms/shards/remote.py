"""A dataset (or release) that lies in object storage, read through a bounded local cache.

The manifest and the index are read at once, shards when they are needed, and nothing is believed
that the manifest's hashes do not confirm. In which order to read many sequences is not here.
"""

import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import GaitworksError, InputError, IntegrityError
from transforms.files import sha256_bytes
from transforms.manifest import MANIFEST_NAME, read_manifest
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX
from transforms.shards.codec import decode_silhouettes
from transforms.shards.object_store import ObjectStore, is_plain_name
from transforms.shards.parquet import OpenShard, open_shard, read_table
from transforms.shards.reader import read_participants_tsv
from transforms.shards.shard_cache import CacheItem, ShardCache, write_all

_INDEX_NAME: Final = "index.parquet"
_PARTICIPANTS_NAMES: Final = ("participants.tsv", "participants.parquet")  # of a release, or not
_TAR_SUFFIX: Final = ".tar"
_MANIFEST_LIMIT_BYTES: Final = 256 << 20
_NAMED_SEQUENCES: Final = 5
_BLOB_COLUMNS: Final = ["sequence_id", "silhouettes"]

Blobs = dict[str, bytes]
"""Encoded silhouettes by sequence id."""


class RemoteDataset:
    """One dataset version behind a URL; made by `open_remote_dataset`.

    May be shared by threads, inherited by a fork and sent to a spawned process. Sequences are
    known by their id or by their row in the index.

    Attributes:
        version: the sha256 of its manifest.
        index: one row per sequence (schema `SEQUENCE_INDEX`), in the order of the shards.
        participants: one row per participant, as `SilhouetteDataset` has them.
        sequence_ids: of each row of the index.
        shards: the Parquet shards, in the order of the index.
        shard_of: `(sequence,) int64`: which of `shards` holds each row of the index.
        tar_shards: the tar shards, sorted; empty where the dataset has none.
    """

    def __init__(
        self, store: ObjectStore, cache: ShardCache, version: str, items: Mapping[str, CacheItem]
    ) -> None:
        self.version = version
        self._store = store
        self._cache = cache
        self._items = dict(items)
        self.tar_shards = tuple(sorted(name for name in items if name.endswith(_TAR_SUFFIX)))
        self.index, self.participants = self._read_tables()
        # Plain values beside the table: polars' threads must not be touched in a forked worker.
        self.sequence_ids: tuple[str, ...] = tuple(self.index["sequence_id"])
        self._row_of = {name: row for row, name in enumerate(self.sequence_ids)}
        shards = self.index["shard"].to_list()
        self.shards = tuple(dict.fromkeys(shards))
        codes = {shard: code for code, shard in enumerate(self.shards)}
        self.shard_of = np.array([codes[shard] for shard in shards], dtype=np.int64)
        self._shard_row = self.index["row"].to_list()
        self._codec = self.index["codec"].to_list()
        shape = self.index.select("frame_count", "height_px", "width_px")
        self._shape: list[tuple[int, int, int]] = shape.rows()
        self._check_index()

    def __len__(self) -> int:
        return len(self.sequence_ids)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.name!r}, version={self.version!r})"

    def read(self, sequence_id: str) -> NDArray[np.uint8]:
        """Return one sequence's silhouettes, uint8 [frame, height, width] in 0..255.

        Raises:
            InputError: the dataset has no such sequence.
            GaitworksError: its shard can't be had (see `hold`); names the shard and the sequence.
        """
        row = self.find_rows([sequence_id])[0]
        shard = self.shards[self.shard_of[row]]
        with _naming(shard, [sequence_id]), self.hold(shard) as path:
            data = _read_row(path, shard, int(self._shard_row[row]), sequence_id)
        return self.decode(int(row), data)

    def iterate(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Yield `(sequence_id, silhouettes)` of all sequences in index order; see `read`."""
        rows_by_shard: dict[int, list[int]] = {}
        for row, shard in enumerate(self.shard_of.tolist()):
            rows_by_shard.setdefault(shard, []).append(row)
        for shard, rows in rows_by_shard.items():
            blobs = self.read_shard(shard, rows)
            for row in rows:
                sequence_id = self.sequence_ids[row]
                yield sequence_id, self.decode(row, blobs[sequence_id])

    def find_rows(self, sequence_ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the index rows of sequences.

        Raises:
            InputError: the dataset does not have one of them.
        """
        try:
            return np.array([self._row_of[name] for name in sequence_ids], dtype=np.int64)
        except KeyError as error:
            raise InputError(
                "no such sequence", where=self._store.name, found=repr(error.args[0])
            ) from None

    def read_shard(
        self, shard: int, rows: Sequence[int], *, stop: threading.Event | None = None
    ) -> Blobs:
        """Return the encoded silhouettes of some sequences of one shard, all read at once.

        Args:
            shard: which of `shards`.
            rows: the sequences, as rows of the index.
            stop: gives up between two tries once it is set.

        Raises:
            GaitworksError: the shard can't be had (see `hold`), or lacks a sequence; names both.
        """
        name = self.shards[shard]
        wanted = [self.sequence_ids[row] for row in rows]
        with _naming(name, wanted), self.hold(name, stop=stop) as path, open_shard(path) as file:
            try:
                table = file.read(columns=_BLOB_COLUMNS, use_threads=False)
                ids = table.column("sequence_id").to_pylist()
                places = dict(zip(ids, table.column("silhouettes"), strict=True))
                return {sequence_id: places[sequence_id].as_py() for sequence_id in wanted}
            except (OSError, ValueError) as error:
                raise IntegrityError("rows do not decode", where=name, found=error) from error
            except KeyError as error:
                raise IntegrityError(
                    "the index names a row that is not there", where=name, found=error
                ) from error

    def decode(self, row: int, data: bytes) -> NDArray[np.uint8]:
        """Return uint8 [frame, height, width] of a row of the index from its encoded bytes."""
        where = f"{self.shards[self.shard_of[row]]}, sequence {self.sequence_ids[row]}"
        return decode_silhouettes(data, self._codec[row], self._shape[row], where=where)

    @contextmanager
    def hold(self, name: str, *, stop: threading.Event | None = None) -> Iterator[Path]:
        """Yield the local path of a file of the manifest, checked; it stays until the block ends.

        Raises:
            IntegrityError: the storage has no such file, or another one.
            MissingDependencyError: the storage can't be reached.
            RefusalError: the storage refuses, or the cache has no room.
        """
        item = self._items.get(name)
        if item is None:
            raise InputError("no such file", where=self._store.name, found=repr(name))

        def fill(stream: FileIO) -> None:
            self._store.fill(name, item, stream, stop=stop)

        with self._cache.hold(item, fill) as path:
            yield path

    def _read_tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        with self.hold(_INDEX_NAME) as path:
            index = pl.DataFrame(read_table(path, SEQUENCE_INDEX))
        for name in _PARTICIPANTS_NAMES:
            if name in self._items:
                with self.hold(name) as path:
                    if name.endswith(".tsv"):
                        return index, read_participants_tsv(path)
                    return index, pl.DataFrame(read_table(path, PARTICIPANTS))
        raise IntegrityError(
            "the manifest lists no participants",
            where=self._store.name,
            expected=" or ".join(_PARTICIPANTS_NAMES),
        )

    def _check_index(self) -> None:
        unlisted = sorted(set(self.shards) - self._items.keys())
        if unlisted or len(self._row_of) != len(self.sequence_ids):
            raise IntegrityError(
                "the index does not fit the manifest",
                where=f"{self._store.name}/{_INDEX_NAME}",
                expected="shards the manifest lists, and every sequence once",
                found=", ".join(unlisted[:_NAMED_SEQUENCES]) or "a sequence twice",
                fix="publish the dataset again",
            )
        for name in self.shards:
            self._cache.check_fits(self._items[name], where=f"{self._store.name}/{name}")


def open_remote_dataset(
    url: str,
    cache: ShardCache,
    *,
    version: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> RemoteDataset:
    """Open a dataset or a release by URL; only its manifest and its tables are read now.

    Args:
        url: see `ObjectStore`.
        cache: where its files are kept; may be shared with other datasets and processes.
        version: the version it must have. Without it, whatever is published there is taken. With
            it, a cached dataset opens without the storage.
        storage_options: see `ObjectStore`.

    Raises:
        IntegrityError: it has another version, or its manifest or a table is damaged.
        InputError: the URL is of no known filesystem, or the cache can't hold its largest shard.
        MissingDependencyError: the storage can't be reached, or its package is not installed.
    """
    return open_stored_dataset(ObjectStore(url, storage_options), cache, version=version)


def open_stored_dataset(
    store: ObjectStore, cache: ShardCache, *, version: str | None = None
) -> RemoteDataset:
    """Open a dataset in a store of one's own settings; see `open_remote_dataset`."""
    where = f"{store.name}/{MANIFEST_NAME}"
    data = None if version is None else cache.recall(version)
    if data is None:
        data = store.read(MANIFEST_NAME, limit_bytes=_MANIFEST_LIMIT_BYTES)
    found = sha256_bytes(data)
    if version is not None and found != version:
        raise IntegrityError(
            "another version of the dataset is published here",
            where=where,
            expected=version,
            found=found,
            fix="ask for the version that is there, or publish the expected one",
        )
    items = _parse_items(data, where)
    with cache.hold(CacheItem(found, len(data)), lambda stream: _write(stream, data)):
        pass  # kept, so that this version opens without the storage
    return RemoteDataset(store, cache, found, items)


def _parse_items(data: bytes, where: str) -> dict[str, CacheItem]:
    with tempfile.TemporaryDirectory(prefix="gaitworks-") as folder:
        (Path(folder) / MANIFEST_NAME).write_bytes(data)
        try:
            entries = read_manifest(Path(folder))["files"]
        except IntegrityError as error:
            raise _at(error, where) from error
    items = {
        entry["path"]: CacheItem(entry["sha256"], entry["bytes"])
        for entry in entries
        if is_plain_name(entry["path"]) and _is_plausible(entry)
    }
    if len(items) != len(entries) or _INDEX_NAME not in items:
        raise IntegrityError(
            "the manifest lists no index, or files that no dataset has",
            where=where,
            fix="publish the dataset again",
        )
    return items


def _write(stream: FileIO, data: bytes) -> None:
    stream.seek(0)
    stream.truncate(0)
    write_all(stream, data)


def _is_plausible(entry: Mapping[str, Any]) -> bool:
    digest, size = entry["sha256"], entry["bytes"]
    return len(digest) == 64 and set(digest) <= set("0123456789abcdef") and 0 <= size < 1 << 50


def _read_row(path: Path, shard: str, row: int, sequence_id: str) -> bytes:
    where = f"{shard}, row {row}"
    with closing(OpenShard(path)) as opened:
        try:
            found, data = opened.read(row)
        except (OSError, ValueError, IndexError) as error:
            raise IntegrityError("the row does not decode", where=where, found=error) from error
    if found != sequence_id:
        raise IntegrityError("the index names another row", where=where, found=found)
    return data


@contextmanager
def _naming(shard: str, sequence_ids: Sequence[str]) -> Iterator[None]:
    """Add to errors of a shard which sequences they concern."""
    try:
        yield
    except GaitworksError as error:
        where = error.where if error.where and shard in error.where else shard
        noun = "sequence" if len(sequence_ids) == 1 else "sequences"
        named = ", ".join(sequence_ids[:_NAMED_SEQUENCES])
        more = len(sequence_ids) - _NAMED_SEQUENCES
        named += f" and {more} more" if more > 0 else ""
        raise _at(error, f"{where}, {noun} {named}") from error


def _at(error: GaitworksError, where: str) -> GaitworksError:
    return type(error)(
        error.what, where=where, expected=error.expected, found=error.found, fix=error.fix
    )
