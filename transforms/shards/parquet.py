"""Parquet with fixed writer settings: equal tables give equal bytes for one pyarrow version.

Shards hold silhouettes in small row groups for random access; tables hold everything else.
What the rows mean is said in `transforms.schemas`.
"""

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import IntegrityError
from transforms.schemas import SEQUENCES

# A read of one sequence fetches its whole row group. Measured on 16 sequences of 300 frames: groups
# of 1, 4 and 16 rows take 65, 58 and 55 bytes a frame and 0.05, 0.08 and 0.23 ms a random read.
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
    # The silhouettes are zstd already; compressing them again only costs time.
    compression = {
        column: "none" if column == "silhouettes" else "zstd" for column in _leaf_columns(table)
    }
    return _encode(
        table.select(SEQUENCES.names).cast(SEQUENCES),
        row_group_size=ROWS_PER_GROUP,
        use_dictionary=False,
        write_statistics=False,
        compression=compression,
    )


def encode_table(table: pa.Table) -> bytes:
    """Return one Parquet file of a table without pixels."""
    return _encode(
        table,
        row_group_size=_TABLE_ROWS_PER_GROUP,
        use_dictionary=True,
        write_statistics=True,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
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


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file of `schema`, or some of its columns.

    Other writers' wider types (`large_string`) are taken if every value fits.

    Raises:
        IntegrityError: the file is missing, damaged or of another schema.
    """
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    with _open(path) as file:
        if file.schema_arrow.names != schema.names:
            raise _schema_error(path, schema, file.schema_arrow)
        try:
            return file.read(columns=columns, use_threads=False).select(wanted.names).cast(wanted)
        except (OSError, ValueError) as error:
            raise IntegrityError("rows do not decode", where=path, found=error) from error


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


def _leaf_columns(table: pa.Table) -> list[str]:
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in table.schema
    ]
