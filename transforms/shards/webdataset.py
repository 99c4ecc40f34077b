"""WebDataset tar shards: two members per sequence, `ID.json` and `ID.silhouettes.zst`.

The JSON holds the row's other columns; the second member is the very bytes of the Parquet column
`silhouettes`. Headers are plain ustar with fixed fields; nothing in a shard is ever unpickled or
extracted by name.
"""

import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.shards.codec import decode_silhouettes
from transforms.shards.parquet import list_values
from transforms.shards.sample_json import FIELDS, decode_row, encode_row

JSON_SUFFIX: Final = ".json"
FRAMES_SUFFIX: Final = ".silhouettes.zst"
# A dot would end the sample's key; 80 characters and a suffix fit the 100 of a ustar name.
SEQUENCE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_BLOCK_BYTES: Final = 512
_END: Final = bytes(2 * _BLOCK_BYTES)
_MAX_MEMBER_BYTES: Final = 1 << 30
"""A sparse file can have any size: more is never taken into memory at once."""


@dataclass(frozen=True)
class TarSample:
    """One sequence of a tar shard.

    Attributes:
        sequence_id: the sample's key.
        fields: the row's other columns, as in `SEQUENCES`.
        data: the silhouettes, encoded.
    """

    sequence_id: str
    fields: dict[str, Any]
    data: bytes

    def silhouettes(self, *, where: object = None) -> NDArray[np.uint8]:
        """Return uint8 [frame, height, width], values as the codec holds them.

        Raises:
            IntegrityError: the bytes do not decode to what the row says.
        """
        names = ("frame_count", "height_px", "width_px")
        frames, height, width = (int(self.fields[name]) for name in names)
        shape = (frames, height, width)
        return decode_silhouettes(self.data, str(self.fields["codec"]), shape, where=where)


def encode_tar(table: pa.Table) -> bytes:
    """Return one tar shard of sequences (schema `SEQUENCES`), rows in the given order."""
    indices, times = (list_values(table, name) for name in ("frame_index", "pts_s"))
    names = [name for name in FIELDS if name not in ("frame_index", "pts_s")]
    parts = []
    for number, row in enumerate(table.select([*names, "silhouettes"]).to_pylist()):
        sequence_id = row["sequence_id"]
        fields = encode_row(row, indices[number], times[number])
        parts += _member(sequence_id + JSON_SUFFIX, fields)
        parts += _member(sequence_id + FRAMES_SUFFIX, row["silhouettes"])
    return b"".join([*parts, _END])


def read_tar(path: Path) -> Iterator[TarSample]:
    """Yield the sequences of a tar shard in file order.

    Raises:
        IntegrityError: the tar is damaged, or holds anything but pairs as `encode_tar` writes them;
            the message names the shard and, where it is known, the sequence.
    """
    waiting: tuple[str, dict[str, Any]] | None = None
    for name, data in _read_members(path):
        if waiting is None:
            if not name.endswith(JSON_SUFFIX):
                raise IntegrityError("unexpected member", where=path, found=repr(name))
            sequence_id = name.removesuffix(JSON_SUFFIX)
            where = f"{path}, sequence {sequence_id}"
            fields = decode_row(data, where=where)
            if fields["sequence_id"] != sequence_id or not SEQUENCE_ID.fullmatch(sequence_id):
                raise IntegrityError(
                    "the row is of another sequence", where=where, found=fields["sequence_id"]
                )
            waiting = (sequence_id, fields)
            continue
        sequence_id, fields = waiting
        if name != sequence_id + FRAMES_SUFFIX:
            where = f"{path}, sequence {sequence_id}"
            raise IntegrityError("no silhouettes", where=where, found=repr(name))
        yield TarSample(sequence_id, fields, data)
        waiting = None
    if waiting is not None:
        raise IntegrityError("no silhouettes", where=f"{path}, sequence {waiting[0]}")


def _member(name: str, data: bytes) -> list[bytes]:
    return [_header(name, len(data)), data, _padding(len(data))]


def _header(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode, header.mtime = 0o644, 0
    header.uid, header.gid, header.uname, header.gname = 0, 0, "", ""
    return header.tobuf(tarfile.USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK_BYTES)


def _read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each member; nothing is taken that `_member` would not write."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            raise IntegrityError("not a readable tar shard", where=path, found="no regular file")
        with path.open("rb") as stream:
            left = status.st_size
            place = str(path)
            while (block := stream.read(_BLOCK_BYTES)) != _END[:_BLOCK_BYTES]:
                name, size = _parse_header(block, where=place)
                place = f"{path}, behind {name}"
                left -= _BLOCK_BYTES + size + len(_padding(size))
                if left < 0:
                    raise IntegrityError("the tar is cut short", where=f"{path}, {name}")
                if size > _MAX_MEMBER_BYTES:
                    raise IntegrityError(
                        "a member is too large",
                        where=f"{path}, {name}",
                        expected=f"at most {_MAX_MEMBER_BYTES} bytes",
                        found=size,
                    )
                yield name, stream.read(size)
                if stream.read(len(_padding(size))) != _padding(size):
                    raise IntegrityError("the tar is damaged", where=place)
            if stream.read(_BLOCK_BYTES + 1) != _END[_BLOCK_BYTES:]:
                raise IntegrityError("the tar is damaged", where=place, found="no proper end")
    except OSError as error:
        raise IntegrityError("not a readable tar shard", where=path, found=error) from error


def _parse_header(block: bytes, *, where: object) -> tuple[str, int]:
    if not block:
        raise IntegrityError("the tar is cut short", where=where, found="no end")
    name = block[:100].split(b"\0")[0].decode("ascii", errors="replace")
    try:
        size = int(block[124:135], 8)
        is_ours = size >= 0 and block == _header(name, size)
    except ValueError:
        is_ours = False
    # Links, devices, sparse and extended headers: whatever is not ours to the byte is refused.
    if not is_ours:
        raise IntegrityError("unexpected member", where=where, found=repr(name))
    return name, size
