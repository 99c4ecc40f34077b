"""WebDataset tar shards: the rows of a Parquet shard as `<sequence_id>.json` + `.silhouettes.npy`.

The array is stored as the codec packs it before zstd (`bits-zstd/1`: rows of bits, most significant
bit first), so that a loader may map the tar and leave unpacking to the device. Headers are plain
ustar with fixed fields; nothing in a shard is ever unpickled or extracted by name.
"""

import io
import json
import math
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.schemas import SEQUENCES
from transforms.shards.codec import decode_silhouettes, pack_frames, unpack_frames

JSON_SUFFIX: Final = ".json"
ARRAY_SUFFIX: Final = ".silhouettes.npy"
# A dot would end the sample's key; 80 characters and a suffix fit the 100 of a ustar name.
SEQUENCE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_NPY_MAGIC: Final = b"\x93NUMPY\x01\x00"
_NPY_ALIGNMENT: Final = 64
_NPY_HEADER: Final = re.compile(
    re.escape(_NPY_MAGIC)
    + rb"(..)\{'descr': '\|u1', 'fortran_order': False, "
    + rb"'shape': \((\d{1,9}), (\d{1,9}), (\d{1,9})\), \} *\n",
    re.DOTALL,
)
FIELDS: Final = tuple(name for name in SEQUENCES.names if name != "silhouettes")


@dataclass(frozen=True)
class TarSample:
    """One sequence of a tar shard.

    Attributes:
        sequence_id: the sample's key.
        fields: the row's other columns, as in `SEQUENCES`.
        packed: uint8 [frame, height, row byte].
    """

    sequence_id: str
    fields: dict[str, Any]
    packed: NDArray[np.uint8]

    def silhouettes(self, *, where: object = None) -> NDArray[np.uint8]:
        """Return uint8 [frame, height, width], values as the codec holds them."""
        names = ("frame_count", "height_px", "width_px")
        frames, height, width = (int(self.fields[name]) for name in names)
        codec = str(self.fields["codec"])
        return unpack_frames(self.packed, codec, (frames, height, width), where=where)


def encode_tar(table: pa.Table) -> bytes:
    """Return one tar shard of sequences (schema `SEQUENCES`), rows in the given order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for row in table.to_pylist():
            sequence_id = row["sequence_id"]
            fields = {name: row[name] for name in FIELDS}
            shape = (row["frame_count"], row["height_px"], row["width_px"])
            silhouettes = decode_silhouettes(
                row["silhouettes"], row["codec"], shape, where=sequence_id
            )
            _add(archive, sequence_id + JSON_SUFFIX, _encode_json(fields))
            packed = pack_frames(silhouettes, row["codec"])
            _add(archive, sequence_id + ARRAY_SUFFIX, _encode_array(packed))
    return buffer.getvalue()


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
            waiting = (sequence_id, _decode_json(data, where=f"{path}, sequence {sequence_id}"))
            continue
        sequence_id, fields = waiting
        where = f"{path}, sequence {sequence_id}"
        if name != sequence_id + ARRAY_SUFFIX:
            raise IntegrityError("no silhouettes", where=where, found=repr(name))
        yield TarSample(sequence_id, fields, _decode_array(data, where=where))
        waiting = None
    if waiting is not None:
        raise IntegrityError("no silhouettes", where=f"{path}, sequence {waiting[0]}")


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    header.mode, header.mtime = 0o644, 0
    header.uid, header.gid, header.uname, header.gname = 0, 0, "", ""
    archive.addfile(header, io.BytesIO(data))


def _read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, mode="r:") as archive:
            size = path.stat().st_size
            for member in archive:
                # Sparse members and extended headers could claim sizes the file does not have.
                if member.type != tarfile.REGTYPE or member.pax_headers or member.size > size:
                    raise IntegrityError("unexpected member", where=path, found=repr(member.name))
                stream = archive.extractfile(member)
                data = stream.read() if stream else b""
                if len(data) != member.size:
                    raise IntegrityError("the tar is cut short", where=f"{path}, {member.name}")
                yield member.name, data
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise IntegrityError("not a readable tar shard", where=path, found=error) from error


def _encode_json(fields: dict[str, Any]) -> bytes:
    text = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _decode_json(data: bytes, *, where: object) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise IntegrityError("the row does not decode", where=where, found=error) from error
    if not isinstance(fields, dict) or set(fields) != set(FIELDS):
        raise IntegrityError("columns differ from the contract", where=where, expected=FIELDS)
    return fields


def _encode_array(packed: NDArray[np.uint8]) -> bytes:
    # Written out rather than left to numpy: the header's padding has changed between its versions.
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {packed.shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % _NPY_ALIGNMENT) + b"\n"
    return _NPY_MAGIC + len(header).to_bytes(2, "little") + header + packed.tobytes()


def _decode_array(data: bytes, *, where: object) -> NDArray[np.uint8]:
    # numpy's own reader would allocate whatever the header claims before it looks at the data.
    match = _NPY_HEADER.match(data)
    if match is None or match.end() != 10 + int.from_bytes(match[1], "little"):
        raise IntegrityError("not a uint8 .npy of three axes", where=where)
    shape = tuple(int(size) for size in match.groups()[1:])
    pixels = np.frombuffer(data, dtype=np.uint8, offset=match.end())
    if pixels.size != math.prod(shape):
        raise IntegrityError(
            "silhouettes have another length", where=where, expected=shape, found=pixels.size
        )
    return pixels.reshape(shape)
