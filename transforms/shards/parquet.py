"""Parquet with fixed writer settings: equal tables give equal bytes for one pyarrow version.

Shards hold silhouettes in small row groups for random access; tables hold everything else.
What the rows mean is said in `transforms.schemas`.
"""

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from transforms.errors import IntegrityError
from transforms.schemas import SEQUENCES

# A read of one sequence fetches its whole row group, and each group costs a description of its
# columns: groups of 1, 4 and 16 rows add 7.5, 2.3 and 0.9 bytes a frame to the silhouettes.
ROWS_PER_GROUP: Final = 4
_TABLE_ROWS_PER_GROUP: Final = 1 << 16
_ZSTD_LEVEL: Final = 3
_COMMON: Final[dict[str, Any]] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "write_page_checksum": True,
    "store_schema": False,  # the Parquet types say all; no second, Arrow-made description
}


def encode_shard(table: pa.Table) -> bytes:
    """Return one Parquet shard of sequences (schema `SEQUENCES`), rows in the given order."""
    leaves = _leaf_columns(SEQUENCES)
    return _encode(
        table.select(SEQUENCES.names).cast(SEQUENCES),
        row_group_size=ROWS_PER_GROUP,
        use_dictionary=False,
        write_statistics=False,
        # The silhouettes are zstd already; compressing them again only costs time.
        compression={name: "none" if name == "silhouettes" else "zstd" for name in leaves},
        compression_level={name: _ZSTD_LEVEL for name in leaves if name != "silhouettes"},
        column_encoding=_number_encodings(leaves),
    )


def encode_table(table: pa.Table) -> bytes:
    """Return one Parquet file of a table without pixels."""
    leaves = _leaf_columns(table.schema)
    return _encode(
        table,
        row_group_size=_TABLE_ROWS_PER_GROUP,
        use_dictionary=[name for name, kind in leaves.items() if pa.types.is_string(kind)],
        write_statistics=True,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        column_encoding=_number_encodings(leaves),
    )


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table without pixels; see `encode_table`."""
    path.write_bytes(encode_table(table))


def open_shard(path: Path) -> pq.ParquetFile:
    """Open a Parquet shard; its pages are checked against their checksums when read.

    Raises:
        IntegrityError: the file is missing, damaged or of another schema.
    """
    file = _open(path)
    if not file.schema_arrow.equals(SEQUENCES):
        file.close()
        raise _schema_error(path, SEQUENCES, file.schema_arrow)
    return file


class OpenShard:
    """A shard to read single rows of.

    Raises:
        IntegrityError: the file is missing, damaged or of another schema.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_shard(path)
        footer = self._file.metadata
        counts = (footer.row_group(group).num_rows for group in range(footer.num_row_groups))
        self._starts = list(itertools.accumulate(counts, initial=0))

    def read(self, row: int) -> tuple[str, bytes]:
        """Return the id and the encoded silhouettes of a row.

        Raises:
            IndexError: there is no such row.
            OSError: the row does not decode; or ValueError.
        """
        if not 0 <= row < self._starts[-1]:
            raise IndexError(f"no row {row} among {self._starts[-1]}")
        group = bisect.bisect_right(self._starts, row) - 1
        table = self._file.read_row_group(
            group, columns=["sequence_id", "silhouettes"], use_threads=False
        )
        place = row - self._starts[group]
        return (
            table.column("sequence_id")[place].as_py(),
            table.column("silhouettes")[place].as_py(),
        )

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file of `schema`, or some of its columns.

    Other writers' wider types (`large_string`) are taken if every value fits.

    Raises:
        IntegrityError: the file is missing, damaged or of another schema.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    with open_table(path, schema) as file:
        try:
            return file.read(columns=columns, use_threads=False).select(wanted.names).cast(wanted)
        except (OSError, ValueError) as error:
            raise IntegrityError("rows do not decode", where=path, found=error) from error


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a Parquet file with the columns of `schema`, to read it in pieces.

    Raises:
        IntegrityError: the file is missing, damaged or of another schema.
    """
    file = _open(path)
    if file.schema_arrow.names != schema.names:
        file.close()
        raise _schema_error(path, schema, file.schema_arrow)
    return file


def read_rows(
    file: pq.ParquetFile, schema: pa.Schema, rows: Sequence[int], *, where: object
) -> pa.Table:
    """Read some rows of a file that `open_table` opened, in the given order.

    Only the row groups that hold them are read.

    Raises:
        IntegrityError: the rows do not decode or do not exist.
    """
    counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    ends = np.cumsum(counts, dtype=np.int64)
    wanted = np.asarray(rows, dtype=np.int64)
    groups, group_of = np.unique(np.searchsorted(ends, wanted, side="right"), return_inverse=True)
    try:
        table = file.read_row_groups(groups.tolist(), use_threads=False).select(schema.names)
        sizes = np.asarray(counts)[groups]
        inside = wanted - (ends - counts)[groups][group_of] + (np.cumsum(sizes) - sizes)[group_of]
        return table.take(inside).combine_chunks().cast(schema)
    except (OSError, ValueError, IndexError) as error:
        raise IntegrityError("rows do not decode", where=where, found=error) from error


def list_values(table: pa.Table, name: str) -> list[NDArray[Any]]:
    """Return the values of a list column of numbers, one array per row."""
    return [np.asarray(scalar.values) for chunk in table.column(name).chunks for scalar in chunk]


def count_rows(path: Path) -> int:
    """Return the number of rows that a Parquet file's footer states.

    Raises:
        IntegrityError: the file is missing or damaged.
    """
    with _open(path) as file:
        return file.metadata.num_rows


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
    except FileNotFoundError:
        raise IntegrityError("no such file", where=path, fix="build the stage again") from None
    except (OSError, ValueError) as error:
        raise IntegrityError("not a readable Parquet file", where=path, found=error) from error


def _schema_error(path: Path, expected: pa.Schema, found: pa.Schema) -> IntegrityError:
    return IntegrityError(
        "columns differ from the contract",
        where=path,
        expected=", ".join(f"{field.name} {field.type}" for field in expected),
        found=", ".join(f"{field.name} {field.type}" for field in found),
    )


def _encode(table: pa.Table, **settings: Any) -> bytes:  # pyarrow's own keyword arguments
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **_COMMON, **settings)
    return sink.getvalue().to_pybytes()


def _leaf_columns(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Return name and type of every column as Parquet has it: lists by their innermost values."""
    leaves = {}
    for field in schema:
        name, kind = field.name, field.type
        while pa.types.is_list(kind):
            name, kind = f"{name}.list.element", kind.value_type
        leaves[name] = kind
    return leaves


def _number_encodings(leaves: dict[str, pa.DataType]) -> dict[str, str]:
    # A frame ledger takes 12 bytes a row instead of 19 with dictionaries of numbers.
    encodings = {
        name: "DELTA_BINARY_PACKED" for name, kind in leaves.items() if pa.types.is_integer(kind)
    }
    return encodings | {
        name: "BYTE_STREAM_SPLIT" for name, kind in leaves.items() if pa.types.is_floating(kind)
    }
