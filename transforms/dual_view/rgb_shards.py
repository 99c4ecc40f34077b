"""Restricted shards: the pictures of clips as JPEG in Parquet, written and read.

Why JPEG: see docs/decisions/0009-dual-view-pictures-as-jpeg.md. A row is one clip and view. Files
may come from elsewhere: sizes are bounded, checksums compared and headers read before anything is
decoded; there is no pickle.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from transforms.dual_view.files import RESTRICTED_FOLDER, RGB_INDEX_NAME
from transforms.dual_view.pairing import VIEWS
from transforms.errors import InputError, IntegrityError
from transforms.extract.arrays import as_uint8
from transforms.files import sha256_bytes
from transforms.schemas import RGB_CLIPS, RGB_INDEX
from transforms.shards.parquet import read_table

_ROWS_PER_GROUP: Final = 4
_MAX_FRAMES: Final = 256
_MAX_SIZE_PX: Final = 1024
_MAX_PICTURE_BYTES: Final = 4 * 2**20
_MAX_GROUP_BYTES: Final = 2**29
_MAX_SHARD_BYTES: Final = 2**31
_START_OF_IMAGE: Final = b"\xff\xd8\xff"
_FIX: Final = "cut them again: `gaitworks run --force dual_view_clips`"
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def encode_picture(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return `(height, width, 3)` uint8 BGR as JPEG bytes, the same for one version of OpenCV."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 0]
    is_written, data = cv2.imencode(".jpg", picture, options)
    if not is_written:
        raise ValueError(f"OpenCV can't encode an image of {picture.shape}")
    return data.tobytes()


def checksum(pictures: Sequence[bytes]) -> str:
    """Return the xxh64 over the pictures, each after its length."""
    digest = xxhash.xxh64()
    for data in pictures:
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def write_rgb_shard(rows: Sequence[dict[str, Any]], output: Path) -> str:
    """Write one shard, named by its content, below `output`; return its name there.

    Args:
        rows: values of the schema `RGB_CLIPS` without `checksum`.
        output: the directory of the clips.
    """
    checked = [{**row, "checksum": checksum(row["pictures"])} for row in rows]
    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(checked, schema=RGB_CLIPS),
        sink,
        row_group_size=_ROWS_PER_GROUP,
        compression="none",  # JPEG is compressed
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        store_schema=False,
        version="2.6",
    )
    data = sink.getvalue()
    name = f"{RESTRICTED_FOLDER}/rgb-{sha256_bytes(data)[:16]}.parquet"
    (output / RESTRICTED_FOLDER).mkdir(exist_ok=True)
    (output / name).write_bytes(data)
    return name


class RgbClips:
    """The restricted pictures of a directory of clips; made cheaply, read clip by clip.

    Raises:
        InputError: the directory holds no pictures.
        IntegrityError: the index of the pictures is damaged.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / RGB_INDEX_NAME
        if not path.is_file():
            raise InputError(
                "no pictures were cut for these clips",
                where=directory,
                fix="set clips.rgb to true and run `gaitworks run dual_view_clips`",
            )
        self._directory = directory
        index = pl.DataFrame(read_table(path, RGB_INDEX))
        self._places = {(row[0], row[1]): (row[2], row[3]) for row in index.iter_rows()}

    def has(self, clip_id: str) -> bool:
        """Tell whether a clip has pictures of both views; no video of its group may be left."""
        return all((clip_id, view) in self._places for view in VIEWS)

    def read(self, clip_id: str, view: str) -> NDArray[np.uint8]:
        """Return one view of a clip, `(frame, height, width, 3)` uint8 BGR.

        Raises:
            InputError: there is no such clip.
            IntegrityError: the shard is missing or damaged, or larger than any of ours.
        """
        place = self._places.get((clip_id, view))
        if place is None:
            raise InputError("no pictures of this clip", where=clip_id, found=view)
        row = self._read_row(*place)
        where = f"{place[0]}, {clip_id} {view}"
        if (row["clip_id"], row["view"]) != (clip_id, view):
            raise IntegrityError("the index names another row", where=where, found=row["clip_id"])
        return decode_pictures(row["pictures"], row["size_px"], row["checksum"], where=where)

    def _read_row(self, shard: str, number: int) -> dict[str, Any]:
        path = self._directory / shard
        # A name that leads out of the folder is nobody's.
        if path.parent != self._directory / RESTRICTED_FOLDER or not path.is_file():
            raise IntegrityError("no such shard of pictures", where=path, fix=_FIX)
        if path.stat().st_size > _MAX_SHARD_BYTES:
            raise IntegrityError("larger than any shard of pictures", where=path)
        try:
            with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
                if file.schema_arrow.names != RGB_CLIPS.names:
                    raise IntegrityError("columns differ from the contract", where=path)
                group, rest = divmod(number, _ROWS_PER_GROUP)
                if file.metadata.row_group(group).total_byte_size > _MAX_GROUP_BYTES:
                    raise IntegrityError("larger than any group of ours", where=path)
                table = file.read_row_group(group, use_threads=False).cast(RGB_CLIPS)
                row: dict[str, Any] = table.slice(rest, 1).to_pylist()[0]
        except (OSError, ValueError, IndexError) as error:
            raise IntegrityError(
                "a row of pictures does not decode", where=path, found=error, fix=_FIX
            ) from error
        if None in row.values() or None in row["pictures"]:
            raise IntegrityError("a value is missing", where=path, found=f"row {number}")
        return row


def decode_pictures(
    pictures: Sequence[bytes], size_px: int, expected: str, *, where: object
) -> NDArray[np.uint8]:
    """Return JPEG files as `(frame, size_px, size_px, 3)` uint8 BGR.

    Raises:
        IntegrityError: their checksum differs, there are too many or too large ones, or one is no
            JPEG picture of that size.
    """
    if not 0 < len(pictures) <= _MAX_FRAMES or not 0 < size_px <= _MAX_SIZE_PX:
        raise IntegrityError("no clip of ours", where=where, found=f"{len(pictures)} pictures")
    if max(len(data) for data in pictures) > _MAX_PICTURE_BYTES:
        raise IntegrityError("a picture is larger than any of ours", where=where)
    if checksum(pictures) != expected:
        raise IntegrityError("the pictures are damaged", where=where, expected=expected, fix=_FIX)
    frames = np.empty((len(pictures), size_px, size_px, 3), np.uint8)
    for place, data in enumerate(pictures):
        if read_jpeg_size(data) != (size_px, size_px):
            raise IntegrityError("not a picture of its size", where=where, expected=size_px)
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None or decoded.shape != frames.shape[1:]:
            raise IntegrityError("a picture does not decode", where=where, fix=_FIX)
        frames[place] = as_uint8(decoded)
    return frames


def read_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width that a JPEG file's header states, None where it is none.

    A decoder takes memory for what the header says, whatever follows.
    """
    if not data.startswith(_START_OF_IMAGE):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAME_HEADERS:
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(height, "big"), int.from_bytes(width, "big")
        if marker == 0xDA or length < 2:
            return None
        place += 2 + length
    return None
