"""The hot cache of a dataset's frames: one memory-mapped array, any frame in one step.

Shards are made to be small and immutable; training draws single frames at random. The store is
built once per dataset version in scratch, checked each time it is opened, and safe to delete.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from training.scratch import is_whole
from transforms.errors import InputError, IntegrityError
from transforms.files import canonical_json, publish_directory
from transforms.manifest import write_manifest
from transforms.progress import Progress
from transforms.shards.codec import BITS
from transforms.shards.reader import SilhouetteDataset

FRAME_HEIGHT_PX: Final = 64
FRAME_WIDTH_PX: Final = 44
_FRAME_PX: Final = FRAME_HEIGHT_PX * FRAME_WIDTH_PX
# The field's 64x44 is the middle of its 64x64: ten columns off each side.
_CUT_PX: Final = {FRAME_WIDTH_PX: 0, 64: 10}
_FORMAT: Final = "1"  # part of the folder's name: a changed layout is another store
_FRAMES_NAME: Final = "frames.npy"
_INDEX_NAME: Final = "index.json"

Frames = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrameStore:
    """All frames of a dataset, sequence after sequence in the order of their ids.

    Attributes:
        rows: memory map, bit-packed `(frame, 352) uint8` or grey `(frame, 2816) uint8`.
        offsets: `(sequence + 1,)`: frames of sequence i are the rows `offsets[i]:offsets[i + 1]`.
        sequence_ids: sorted.
    """

    rows: Frames
    offsets: Positions
    sequence_ids: tuple[str, ...]

    @property
    def lengths(self) -> Positions:
        """The number of frames of each sequence."""
        return np.diff(self.offsets)

    def gather(self, sequences: Positions, frames: Positions) -> npt.NDArray[np.float32]:
        """Return exactly the frames asked for.

        Args:
            sequences: `(sample,)` positions in `sequence_ids`.
            frames: `(sample, frame)` positions inside each sequence.

        Returns:
            `(sample, 1, frame, 64, 44) float32` in [0, 1].
        """
        return self._unpack(self.rows[self.offsets[sequences][:, None] + frames])

    def read(self, sequence: int, *, cap: int) -> npt.NDArray[np.float32]:
        """Return the first `cap` frames of a sequence in order: `(1, 1, frame, 64, 44) float32`."""
        start, stop = self.offsets[sequence : sequence + 2]
        return self._unpack(self.rows[None, start : min(stop, start + cap)])

    def _unpack(self, rows: Frames) -> npt.NDArray[np.float32]:
        shape = (rows.shape[0], 1, rows.shape[1], FRAME_HEIGHT_PX, FRAME_WIDTH_PX)
        if rows.shape[-1] == _FRAME_PX:
            return (rows.astype(np.float32) / np.float32(255)).reshape(shape)
        return np.unpackbits(rows, axis=-1, count=_FRAME_PX).astype(np.float32).reshape(shape)


def open_frame_store(dataset: SilhouetteDataset, scratch: Path, progress: Progress) -> FrameStore:
    """Open the store of a dataset version, building it if it is missing or damaged.

    Several processes may ask at once: one builds, the others wait.

    Raises:
        InputError: a sequence has a size that no model takes.
        IntegrityError: a sequence is not what the dataset's index says.
    """
    directory = scratch / "frames" / f"{dataset.version[:32]}-{_FORMAT}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(directory.name + ".lock")):
        if not is_whole(directory):
            with publish_directory(directory) as staging:
                _build(dataset, staging, progress)
                write_manifest(staging, kind="frame_store", facts={"dataset": dataset.version})
        return _open(directory)


def _open(directory: Path) -> FrameStore:
    index = json.loads((directory / _INDEX_NAME).read_bytes())
    rows = np.load(directory / _FRAMES_NAME, mmap_mode="r", allow_pickle=False)
    offsets = np.asarray(index["offsets"], dtype=np.int64)
    return FrameStore(rows, offsets, tuple(index["sequence_ids"]))


def _build(dataset: SilhouetteDataset, staging: Path, progress: Progress) -> None:
    index = dataset.index.sort("sequence_id")
    sequence_ids: list[str] = index["sequence_id"].to_list()
    counts: list[int] = index["frame_count"].to_list()
    if not sequence_ids or min(counts) < 1:
        raise InputError(
            "nothing to train on",
            where="silhouette_shards",
            expected="at least one sequence, each of at least one frame",
            found=f"{len(sequence_ids)} sequence(s), the shortest of {min(counts, default=0)}",
        )
    is_binary = index["codec"].unique().to_list() == [BITS]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = np.lib.format.open_memmap(
        staging / _FRAMES_NAME,
        mode="w+",
        dtype=np.uint8,
        shape=(int(offsets[-1]), _FRAME_PX // 8 if is_binary else _FRAME_PX),
    )
    progress.start("frame store", len(sequence_ids))
    for position, sequence_id in enumerate(sequence_ids):
        frames = _cut_to_model_width(dataset.read(sequence_id), sequence_id)
        if len(frames) != counts[position]:
            raise IntegrityError(
                "the sequence has another length than the index says",
                where=f"sequence {sequence_id}",
                expected=counts[position],
                found=len(frames),
                fix="build silhouette_shards again",
            )
        flat = frames.reshape(len(frames), _FRAME_PX)
        rows[offsets[position] : offsets[position + 1]] = (
            np.packbits(flat, axis=-1) if is_binary else flat
        )
        progress.advance()
    rows.flush()
    facts: dict[str, Any] = {"sequence_ids": sequence_ids, "offsets": offsets.tolist()}
    (staging / _INDEX_NAME).write_bytes(canonical_json(facts))


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


def find_positions(store: FrameStore, sequence_ids: Sequence[str]) -> Positions:
    """Return the store's positions of sequences.

    Raises:
        IntegrityError: the store does not hold one of them.
    """
    known = {sequence_id: position for position, sequence_id in enumerate(store.sequence_ids)}
    missing = [sequence_id for sequence_id in sequence_ids if sequence_id not in known]
    if missing:
        raise IntegrityError(
            f"{len(missing)} sequence(s) of the split are not in the dataset",
            where=f"sequence {missing[0]}",
            fix="build participant_splits again",
        )
    return np.array([known[sequence_id] for sequence_id in sequence_ids], dtype=np.int64)
