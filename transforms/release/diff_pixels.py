"""Which sequences of two releases show other pixels, however they are packed.

Rows of shards with one sha256 are equal without a look, rows with equal bytes without unpacking.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.progress import Progress
from transforms.release.diff_sides import Side
from transforms.shards.codec import decode_silhouettes

_PLACE: Final = ("shard", "row")
_KIND: Final = ("codec", "frame_count", "height_px", "width_px")


@dataclass(frozen=True)
class PixelChanges:
    """What the comparison came to.

    Attributes:
        changed: sequences with other pixels, and the shapes before and after.
        unknown: sequences that this program can't unpack, and why.
    """

    changed: dict[str, tuple[str, str]]
    unknown: dict[str, str]


def compare_pixels(
    older: Side, newer: Side, sequence_ids: Iterable[str], progress: Progress
) -> PixelChanges:
    """Compare the silhouettes of sequences that both releases have.

    Args:
        older: the one release.
        newer: the other.
        sequence_ids: of sequences in both.
        progress: advanced once per sequence.
    """
    result = PixelChanges({}, {})
    names = list(sequence_ids)
    for side in (older, newer):
        missing = [name for name in (*_PLACE, *_KIND) if name not in side.index.columns]
        if missing:
            reason = f"the index of {side.version} has no column {', '.join(missing)}"
            result.unknown.update(dict.fromkeys(names, reason))
            return result
    progress.start("comparing silhouettes", len(names))
    readers = _Reader(older), _Reader(newer)
    for name in sorted(names, key=readers[0].place):
        if readers[0].fingerprint(name) != readers[1].fingerprint(name):
            _compare(name, readers, result)
        progress.advance()
    return result


def _compare(name: str, readers: "tuple[_Reader, _Reader]", result: PixelChanges) -> None:
    try:
        before, after = (reader.read(name) for reader in readers)
        if before == after:
            return
        old, new = _decode(name, *before), _decode(name, *after)
    except IntegrityError as error:
        result.unknown[name] = f"{error.what}: {error.found}"
        return
    if not np.array_equal(old, new):
        result.changed[name] = (_show_shape(old), _show_shape(new))


def _show_shape(pixels: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, pixels.shape))


def _decode(name: str, data: bytes, kind: tuple[Any, ...]) -> NDArray[np.uint8]:
    codec, frames, height, width = kind
    return decode_silhouettes(data, codec, (frames, height, width), where=name)


class _Reader:
    """Access to the packed silhouettes of a release, quick in the order of its shards."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._rows: dict[str, dict[str, Any]] = {
            row["sequence_id"]: row
            for row in side.index.select("sequence_id", *_PLACE, *_KIND).iter_rows(named=True)
        }
        self._shard = ""
        self._packed: dict[int, bytes] = {}

    def place(self, name: str) -> tuple[str, int]:
        """Return shard and row."""
        return self._rows[name]["shard"], self._rows[name]["row"]

    def fingerprint(self, name: str) -> tuple[Any, ...]:
        """Return what can only be equal in two releases if the pixels are."""
        row = self._rows[name]
        digest = self._side.hashes.get(row["shard"], row["shard"])
        return digest, row["row"], *(row[key] for key in _KIND)

    def read(self, name: str) -> tuple[bytes, tuple[Any, ...]]:
        """Return a sequence's bytes and how they are packed."""
        row = self._rows[name]
        if row["shard"] != self._shard:
            self._packed = self._read_shard(row["shard"])
            self._shard = row["shard"]
        data = self._packed.get(row["row"])
        if data is None:
            raise IntegrityError("the shard has no such row", where=name, found=row["row"])
        return data, tuple(row[key] for key in _KIND)

    def _read_shard(self, shard: str) -> dict[int, bytes]:
        """Return the packed silhouettes of a shard by row."""
        if shard not in self._side.hashes:
            raise IntegrityError("the index names a shard that is not there", found=shard)
        path = self._side.directory / shard
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                column = pl.DataFrame(file.read(columns=["silhouettes"]))["silhouettes"]
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise IntegrityError("not a readable shard", where=path, found=error) from error
        return dict(enumerate(column.to_list()))
