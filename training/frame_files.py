"""How a frame store lies on disk: `frames.bin`, `index.parquet`, `store.json`; and its building.

`frames.bin` is nothing but rows, 352 bytes of a binary or 2816 of a grey 64x44 frame, sequence
after sequence: every byte of it is under the checksum of a sequence.
"""

import errno
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from training.frame_index import FrameIndex, read_index, write_index
from training.unpack import FRAME_HEIGHT_PX, FRAME_PX, FRAME_WIDTH_PX, PACKED_BYTES
from transforms.errors import GaitworksError, InputError, IntegrityError
from transforms.files import canonical_json, sha256_file
from transforms.progress import Progress
from transforms.shards.codec import BITS
from transforms.shards.reader import SilhouetteDataset

FRAMES_NAME: Final = "frames.bin"
INDEX_NAME: Final = "index.parquet"
STORE_NAME: Final = "store.json"
# The field's 64x44 is the middle of its 64x64: ten columns off each side.
_CUT_PX: Final = {FRAME_WIDTH_PX: 0, 64: 10}
# Part of what is left free: the index, and files of others that grow meanwhile.
_SPARE_BYTES: Final = 64 << 20

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class StoreFiles:
    """A frame store on disk whose index is intact; the rows are checked as they are read."""

    frames: Path
    row_bytes: int
    index: FrameIndex


def read_store(directory: Path, dataset_version: str) -> StoreFiles:
    """Read what is needed to map the frames, in time that does not grow with their number.

    Raises:
        IntegrityError: the store is missing, damaged, cut short, or another dataset's.
    """
    description = _read_description(directory / STORE_NAME)
    found = description.get("dataset_version")
    if found != dataset_version:
        raise _damaged(directory / STORE_NAME, f"dataset {dataset_version}", found)
    index_path, frames_path = directory / INDEX_NAME, directory / FRAMES_NAME
    try:
        digest, size = sha256_file(index_path), frames_path.stat().st_size
    except OSError as error:
        raise _damaged(directory, f"{INDEX_NAME} and {FRAMES_NAME}", error) from error
    if digest != description.get("index_sha256"):
        raise _damaged(index_path, f"sha256 {description.get('index_sha256')}", digest)
    index = read_index(index_path)
    row_bytes = description.get("row_bytes")
    if row_bytes not in (PACKED_BYTES, FRAME_PX):
        raise _damaged(directory / STORE_NAME, f"row_bytes {PACKED_BYTES} or {FRAME_PX}", row_bytes)
    if size != (expected := int(index.offsets[-1]) * row_bytes):
        raise _damaged(frames_path, f"{expected} bytes", size)
    return StoreFiles(frames_path, row_bytes, index)


def build_store(dataset: SilhouetteDataset, staging: Path, progress: Progress) -> None:
    """Write a dataset's frames into an empty directory.

    Raises:
        InputError: there is nothing to train on, or a sequence has a size that no model takes.
        IntegrityError: a sequence is not what the dataset's index says.
        GaitworksError: the disk is full.
    """
    table = dataset.index.select("sequence_id", "frame_count", "codec").sort("sequence_id")
    sequence_ids: list[str] = table["sequence_id"].to_list()
    counts = table["frame_count"].to_numpy().astype(np.int64)
    if not sequence_ids or counts.min() < 1:
        raise InputError(
            "nothing to train on",
            where="silhouette_shards",
            expected="at least one sequence, each of at least one frame",
            found=f"{len(sequence_ids)} sequence(s), the shortest of {min(counts, default=0)}",
        )
    is_binary = table["codec"].unique().to_list() == [BITS]
    row_bytes = PACKED_BYTES if is_binary else FRAME_PX
    needed = int(counts.sum()) * row_bytes + _SPARE_BYTES
    if (free := shutil.disk_usage(staging).free) < needed:
        raise _disk_full(staging, needed, free)
    progress.start("frame store", len(sequence_ids))
    checksums = []
    try:
        with (staging / FRAMES_NAME).open("wb") as stream:
            for sequence_id, count in zip(sequence_ids, counts.tolist(), strict=True):
                checksums.append(_append(stream, dataset, sequence_id, count, is_binary=is_binary))
                progress.advance()
        write_index(sequence_ids, counts, checksums, staging / INDEX_NAME)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _disk_full(staging, needed, shutil.disk_usage(staging).free) from error
    description = {
        "dataset_version": dataset.version,
        "index_sha256": sha256_file(staging / INDEX_NAME),
        "row_bytes": row_bytes,
    }
    (staging / STORE_NAME).write_bytes(canonical_json(description))


def _append(
    stream: BinaryIO, dataset: SilhouetteDataset, sequence_id: str, count: int, *, is_binary: bool
) -> int:
    """Write one sequence's rows and return their checksum."""
    frames = _cut_to_model_width(dataset.read(sequence_id), sequence_id)
    if len(frames) != count:
        raise IntegrityError(
            "the sequence has another length than the index says",
            where=f"sequence {sequence_id}",
            expected=count,
            found=len(frames),
            fix="build silhouette_shards again",
        )
    flat = frames.reshape(count, FRAME_PX)
    rows = np.packbits(flat, axis=-1) if is_binary else np.ascontiguousarray(flat)
    stream.write(rows.data)
    return xxh3_64_intdigest(rows.data)


def _cut_to_model_width(frames: Frames, sequence_id: str) -> Frames:
    height, width = frames.shape[1:]
    if height != FRAME_HEIGHT_PX or width not in _CUT_PX:
        raise InputError(
            "silhouettes of a size that no model takes",
            where=f"sequence {sequence_id}",
            expected="64x44 or 64x64",
            found=f"{height}x{width}",
            fix="build silhouette_shards again",
        )
    cut = _CUT_PX[width]
    return frames[:, :, cut : width - cut]


def _read_description(path: Path) -> dict[str, Any]:
    """Return plain JSON; every value is compared with what it describes."""
    try:
        description = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, "a description", error) from error
    if not isinstance(description, dict):
        raise _damaged(path, "a description", type(description).__name__)
    return description


def _damaged(where: Path, expected: object, found: object) -> IntegrityError:
    return IntegrityError(
        "damaged frame store",
        where=where,
        expected=expected,
        found=found,
        fix="it is built again when it is opened the next time",
    )


def _disk_full(where: Path, needed: int, free: int) -> GaitworksError:
    return GaitworksError(
        "no room for the frame store",
        where=where.parent,
        expected=f"{needed} bytes",
        found=f"{free} bytes free",
        fix="free some space, or move the scratch directory to another disk",
    )
