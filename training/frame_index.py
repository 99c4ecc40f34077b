"""What a frame store knows of its sequences: ids, where their frames lie, and their checksums.

One Parquet table; in memory flat arrays, no Python object per sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import IntegrityError
from transforms.shards.parquet import read_table, write_table

# `Any`: the type of one column says nothing of the others.
_FIELDS: Final[list["pa.Field[Any]"]] = [
    pa.field("sequence_id", pa.string(), nullable=False),
    pa.field("frame_count", pa.int64(), nullable=False),
    pa.field("xxh3_64", pa.uint64(), nullable=False),
]
_SCHEMA: Final = pa.schema(_FIELDS)

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrameIndex:
    """The sequences of a frame store, sorted by their ids; all arrays run along them.

    Attributes:
        sequence_ids: an Arrow array: 150,000 ids are one buffer, and a search is one call.
        offsets: `(sequence + 1,)`: frames of sequence i are the rows `offsets[i]:offsets[i + 1]`.
        checksums: xxh3_64 of each sequence's rows.
    """

    sequence_ids: pa.StringArray
    offsets: Positions
    checksums: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.sequence_ids)

    def find_positions(self, sequence_ids: Sequence[str]) -> Positions:
        """Return where sequences stand.

        Raises:
            IntegrityError: one of them is not here.
        """
        wanted = pa.array(sequence_ids, pa.string())
        found = pc.index_in(wanted, value_set=self.sequence_ids)
        if found.null_count:
            missing = wanted.filter(found.is_null())
            raise IntegrityError(
                f"{len(missing)} sequence(s) of the split are not in the dataset",
                where=f"sequence {missing[0]}",
                fix="build participant_splits again",
            )
        return _as_numpy(found).astype(np.int64)


def write_index(
    sequence_ids: Sequence[str], frame_counts: Positions, checksums: Sequence[int], path: Path
) -> None:
    """Write the index; the ids are sorted."""
    columns: list[pa.Array[Any]] = [
        pa.array(sequence_ids, pa.string()),
        pa.array(frame_counts, pa.int64()),
        pa.array(checksums, pa.uint64()),
    ]
    write_table(pa.table(columns, schema=_SCHEMA), path)


def read_index(path: Path) -> FrameIndex:
    """Read the index; its bytes were compared with their hash before.

    Raises:
        IntegrityError: the file is missing or no index.
    """
    table = read_table(path, _SCHEMA).combine_chunks()
    counts: Positions = _as_numpy(table["frame_count"])
    return FrameIndex(
        sequence_ids=cast(pa.StringArray, table["sequence_id"].chunk(0)),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        checksums=_as_numpy(table["xxh3_64"]),
    )


# `Any`: what the numbers are is known where they are used.
def _as_numpy(column: Any) -> npt.NDArray[Any]:
    """Return a column of one chunk without copying, and without `to_numpy`, which imports pandas.

    That would be the better part of opening a store.
    """
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return cast(npt.NDArray[Any], np.from_dlpack(cast(Any, array)))
