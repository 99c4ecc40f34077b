"""Read a dataset (or a release of one): the index at once, silhouettes by sequence on demand.

Reading for training at full speed is not here; this is the plain, exact access everything else
stands on.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_file
from transforms.manifest import directory_version, read_version, verify_directory
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX
from transforms.shards.codec import decode_silhouettes
from transforms.shards.parquet import OpenShard, read_table

_OPEN_SHARDS: Final = 16  # per thread; bounds descriptors and footers held in memory


class _Place(NamedTuple):
    shard: str
    row: int
    shape: tuple[int, int, int]
    codec: str


class _Places:
    """Where every sequence lies, in plain values: a forked worker must not touch polars."""

    def __init__(self, index: pl.DataFrame) -> None:
        ids: list[str] = index["sequence_id"].to_list()
        self.positions = dict(zip(ids, range(len(ids)), strict=True))
        self._shards = _share_equal(index["shard"].to_list())
        self._codecs = _share_equal(index["codec"].to_list())
        numbers = ("row", "frame_count", "height_px", "width_px")
        self._numbers = np.stack([index[name].to_numpy() for name in numbers], axis=1)

    def find(self, sequence_id: str) -> _Place | None:
        position = self.positions.get(sequence_id)
        if position is None:
            return None
        row, frames, height, width = self._numbers[position].tolist()
        return _Place(self._shards[position], row, (frames, height, width), self._codecs[position])


def _share_equal(texts: list[str]) -> list[str]:
    """Return the texts with one object for all that are equal."""
    known: dict[str, str] = {}
    return [known.setdefault(text, text) for text in texts]


class _OpenShards(threading.local):
    """The open shards of one thread, least recently used first."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.files: OrderedDict[str, OpenShard] = OrderedDict()


class SilhouetteDataset:
    """One dataset version on disk; made by `open_dataset`.

    May be shared by threads, inherited by a fork and sent to a spawned process. The index and a
    few open shards are all it keeps in memory. A shard is hashed before its first use in a process,
    so that a damaged one raises and never yields a wrong frame.

    Attributes:
        directory: where it lies.
        version: the sha256 of its manifest.
        index: one row per sequence (schema `SEQUENCE_INDEX`), in the order of the shards.
        participants: one row per participant (schema `PARTICIPANTS`); in a release, the binned
            `participants.tsv`, all columns text.
    """

    def __init__(
        self,
        directory: Path,
        version: str,
        index: pl.DataFrame,
        participants: pl.DataFrame,
        hashes: dict[str, str],
    ) -> None:
        self.directory = directory
        self.version = version
        self.index = index
        self.participants = participants
        self._hashes = hashes
        self._places = _Places(index)
        self._intact: set[str] = set()
        self._open = _OpenShards()

    def __len__(self) -> int:
        return len(self._places.positions)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_open"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open = _OpenShards()

    def read(self, sequence_id: str) -> NDArray[np.uint8]:
        """Return one sequence's silhouettes, uint8 [frame, height, width] in 0..255.

        Raises:
            InputError: the dataset has no such sequence.
            IntegrityError: its shard is missing or damaged; names the shard and the sequence.
        """
        place = self._places.find(sequence_id)
        if place is None:
            raise InputError("no such sequence", where=self.directory, found=repr(sequence_id))
        where = f"{place.shard}, sequence {sequence_id}"
        try:
            found, data = self._shard(place.shard).read(place.row)
        except IntegrityError as error:
            raise IntegrityError(
                error.what,
                where=where,
                expected=error.expected,
                found=error.found,
                fix=error.fix,
            ) from error
        except (OSError, ValueError, IndexError) as error:
            raise IntegrityError("the row does not decode", where=where, found=error) from error
        if found != sequence_id:
            raise IntegrityError("the index names another row", where=where, found=found)
        return decode_silhouettes(data, place.codec, place.shape, where=where)

    def iterate(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Yield `(sequence_id, silhouettes)` of all sequences in index order; see `read`."""
        for sequence_id in self._places.positions:
            yield sequence_id, self.read(sequence_id)

    def _shard(self, shard: str) -> OpenShard:
        held = self._open
        if held.process_id != os.getpid():  # forked: descriptors are the parent's
            held.process_id, held.files = os.getpid(), OrderedDict()
        opened = held.files.pop(shard, None)
        if opened is None:
            path = self.directory / shard
            self._check_hash(path, shard)
            opened = OpenShard(path)
        held.files[shard] = opened
        if len(held.files) > _OPEN_SHARDS:
            held.files.popitem(last=False)[1].close()
        return opened

    def _check_hash(self, path: Path, shard: str) -> None:
        if shard in self._intact:
            return
        if not path.is_file():
            raise IntegrityError("the shard is gone", where=path, fix="open the dataset again")
        digest, expected = sha256_file(path), self._hashes.get(shard)
        if digest != expected:
            raise IntegrityError(
                "the shard is damaged",
                where=path,
                expected=f"sha256 {expected}",
                found=digest,
                fix="copy or build the dataset again",
            )
        self._intact.add(shard)


def open_dataset(directory: Path) -> SilhouetteDataset:
    """Open a dataset or a release; names and sizes of all files are checked, shards on first use.

    A version that is replaced while it is opened is let go, and the new one opened.

    Raises:
        IntegrityError: the directory differs from its manifest or its index is damaged.
    """
    while True:
        version = directory_version(directory)
        try:
            dataset = _open(directory)
        except (IntegrityError, OSError):  # files vanish while they are looked at
            if directory_version(directory) == version:
                raise
        else:
            if dataset.version == version == directory_version(directory):
                return dataset


def _open(directory: Path) -> SilhouetteDataset:
    manifest, version = read_version(directory)
    problems = verify_directory(directory, deep=False, manifest=manifest)
    if problems:
        raise IntegrityError(
            f"{len(problems)} file(s) differ from the manifest",
            where=directory,
            found=problems[0],
            fix="copy or build the dataset again",
        )
    hashes = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    is_release = "participants.tsv" in hashes
    participants_name = "participants.tsv" if is_release else "participants.parquet"
    for name in ("index.parquet", participants_name):
        if hashes.get(name) != sha256_file(directory / name):
            raise IntegrityError("the file is damaged", where=directory / name)
    if is_release:
        participants = read_participants_tsv(directory / participants_name)
    else:
        participants = pl.DataFrame(read_table(directory / participants_name, PARTICIPANTS))
    index = pl.DataFrame(read_table(directory / "index.parquet", SEQUENCE_INDEX))
    return SilhouetteDataset(directory, version, index, participants, hashes)


def read_participants_tsv(path: Path) -> pl.DataFrame:
    """Read a release's participants, all columns as text, `n/a` as null."""
    return pl.read_csv(path, separator="\t", infer_schema=False, null_values="n/a")
