"""Rebuild a dataset's damaged or missing files, byte for byte as its manifest has them.

A file is replaced only by one with the manifest's sha256; sound files are never touched. Where the
bytes come from: the shard of the other container, or the tables of the batches.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from transforms.errors import GaitworksError, IntegrityError
from transforms.files import fsync_directory, sha256_file, staging_directory
from transforms.manifest import MANIFEST_NAME, Problem
from transforms.progress import Progress
from transforms.schemas import SEQUENCES
from transforms.shards.integrity import check_files, listed_hashes, name_sequences, shard_pairs
from transforms.shards.parquet import encode_shard, read_table
from transforms.shards.verify import sequences_by_shard
from transforms.shards.webdataset import encode_tar, read_tar

Rebuild = Callable[[Path], None]
"""Writes the whole dataset into an empty directory, from the tables of its batches."""

_REPAIRABLE: Final = frozenset({"missing", "size", "sha256", "link"})


@dataclass(frozen=True)
class RepairedFile:
    """A file that has its bytes again, and what they were rebuilt from."""

    path: str
    source: str


@dataclass(frozen=True)
class _Offer:
    """A rebuilt file: which one it should be, what it was made from, where it lies."""

    name: str
    source: str
    made: Path


@dataclass(frozen=True)
class Repair:
    """What a repair came to.

    Attributes:
        repaired: the files that are sound again.
        left: the problems that remain.
        obstacles: why what was tried did not do.
    """

    repaired: tuple[RepairedFile, ...]
    left: tuple[Problem, ...]
    obstacles: tuple[str, ...]


def repair_dataset(directory: Path, rebuild: Rebuild, *, progress: Progress) -> Repair:
    """Rebuild every damaged or missing file of a dataset that can be, in place.

    Nobody may publish to `directory` meanwhile. A kill leaves files repaired or as they were.

    Args:
        directory: a dataset as `write_shards` lays it out, with its manifest.
        rebuild: called if the other container does not do; may raise a `GaitworksError`.
        progress: advanced as files are hashed and rebuilt.

    Raises:
        IntegrityError: the manifest itself is damaged, so that nothing says what is right.
    """
    problems = check_files(directory, deep=True, progress=progress)
    if any(problem.path == MANIFEST_NAME for problem in problems):
        raise IntegrityError(
            "the manifest is damaged: nothing says which bytes the files should have",
            where=directory / MANIFEST_NAME,
            fix="copy the dataset again, or run `gaitworks run --force silhouette_shards`",
        )
    problems = name_sequences(problems, sequences_by_shard(directory))
    hashes = listed_hashes(directory)
    progress.start("repairing files", sum(p.kind in _REPAIRABLE for p in problems))
    wanted = {p.path: hashes[p.path] for p in problems if p.kind in _REPAIRABLE}
    obstacles: list[str] = []
    repaired: list[RepairedFile] = []
    with staging_directory(directory) as staging:
        for offers in (
            _from_other_container(directory, staging, wanted, obstacles),
            _from_batches(rebuild, staging / "batches", wanted, obstacles),
        ):
            for offer in offers:
                obstacle = _accept(offer, directory, wanted[offer.name])
                if obstacle:
                    obstacles.append(f"{offer.name}: {obstacle}")
                else:
                    del wanted[offer.name]
                    repaired.append(RepairedFile(offer.name, offer.source))
                    progress.advance(note=offer.name)
    done = {file.path for file in repaired}
    left = tuple(problem for problem in problems if problem.path not in done)
    return Repair(tuple(repaired), left, tuple(obstacles) if left else ())


def _from_other_container(
    directory: Path, staging: Path, wanted: Mapping[str, str], obstacles: list[str]
) -> Iterator[_Offer]:
    listed = listed_hashes(directory)
    for shard, tar in shard_pairs(directory).items():
        for name, source, convert in ((shard, tar, _tar_to_parquet), (tar, shard, _parquet_to_tar)):
            if name not in wanted:
                continue
            if source in wanted or source not in listed:
                obstacles.append(f"{name}: {source} is damaged, too")
                continue
            try:
                data = convert(directory / source)
            except IntegrityError as error:
                obstacles.append(f"{name}: {error}")
                continue
            made = staging / Path(name).name
            made.write_bytes(data)
            yield _Offer(name, source, made)


def _from_batches(
    rebuild: Rebuild, output: Path, wanted: Mapping[str, str], obstacles: list[str]
) -> Iterator[_Offer]:
    if not wanted:
        return
    output.mkdir()
    try:
        rebuild(output)
    except GaitworksError as error:
        obstacles.append(f"the batches do not give a dataset: {error}")
        return
    for name in sorted(wanted):
        if (output / name).is_file():
            yield _Offer(name, "the batches", output / name)
        else:
            obstacles.append(f"{name}: the batches, as they are now, give no such file")


def _accept(offer: _Offer, directory: Path, digest: str) -> str | None:
    """Put a rebuilt file in its place if it is the one; return what speaks against it."""
    if sha256_file(offer.made) != digest:
        return f"rebuilt from {offer.source}, it has other bytes"
    target = directory / offer.name
    if target.parent.resolve() != directory.resolve() / Path(offer.name).parent:
        return "its folder is a link"
    try:
        with offer.made.open("rb") as stream:
            os.fsync(stream.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        offer.made.replace(target)
        fsync_directory(target.parent)
    except OSError as error:
        return str(error)
    return None


def _parquet_to_tar(path: Path) -> bytes:
    return encode_tar(read_table(path, SEQUENCES))


def _tar_to_parquet(path: Path) -> bytes:
    rows = [sample.fields | {"silhouettes": sample.data} for sample in read_tar(path)]
    return encode_shard(pa.Table.from_pylist(rows, schema=SEQUENCES))
