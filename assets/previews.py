"""What people see of an asset in the Dagster UI: counts, tables and small pictures.

Every picture is inline and below 100 KB; none shows a raw video frame.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster import (
    MarkdownMetadataValue,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
    TableSchemaMetadataValue,
)

from assets.column_words import describe_column

if TYPE_CHECKING:
    import polars as pl

PICTURE_MAX_BYTES: Final = 74_000  # base64 makes it 99 KB
_JSON_MAX_BYTES: Final = 60_000
_TABLE_ROWS: Final = 20


def show_png(png: bytes, alternative: str) -> MarkdownMetadataValue:
    """Return a picture as Markdown that the UI renders in place."""
    if len(png) > PICTURE_MAX_BYTES:
        raise ValueError(f"preview of {len(png)} bytes; at most {PICTURE_MAX_BYTES}")
    data = base64.b64encode(png).decode()
    return MetadataValue.md(f"![{alternative}](data:image/png;base64,{data})")


def show_table(frame: "pl.DataFrame") -> MarkdownMetadataValue:
    """Return the first rows of a table as Markdown."""
    lines = [_row(frame.columns), _row(["---"] * frame.width)]
    lines += [_row(row) for row in frame.head(_TABLE_ROWS).iter_rows()]
    if frame.height > _TABLE_ROWS:
        lines.append(f"\n… {frame.height - _TABLE_ROWS} more rows in the file")
    return MetadataValue.md("\n".join(lines))


def _row(values: Sequence[Any]) -> str:
    cells = (_cell(value).replace("|", "\\|").replace("\n", " ") for value in values)
    return "| " + " | ".join(cells) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_json(path: Path) -> MetadataValue[Any]:
    """Return a JSON file's content where it is small, else the way to it. `Any`: Dagster's own."""
    data = path.read_bytes()
    if len(data) > _JSON_MAX_BYTES:
        return MetadataValue.path(path)
    return MetadataValue.json(json.loads(data))


def show_files(manifest: Mapping[str, Any]) -> MarkdownMetadataValue:
    """Return the files of a manifest with sizes, rows and hashes, the largest first."""
    files = sorted(manifest["files"], key=lambda entry: (-entry["bytes"], entry["path"]))
    lines = [_row(["file", "bytes", "rows", "sha256"]), _row(["---"] * 4)]
    for entry in files[:_TABLE_ROWS]:
        cells = (entry["path"], entry["bytes"], entry.get("rows"), entry["sha256"])
        lines.append(_row(cells))
    if len(files) > _TABLE_ROWS:
        lines.append(f"\n… {len(files) - _TABLE_ROWS} more in manifest.json")
    return MetadataValue.md("\n".join(lines))


def count_by(frame: "pl.DataFrame", *columns: str) -> "pl.DataFrame":
    """Return how many rows there are of each combination of values."""
    import polars as pl

    return frame.group_by(columns).agg(pl.len().alias("count")).sort(columns)


def read_table(directory: Path, name: str) -> "pl.DataFrame":
    """Read one Parquet table of a published directory."""
    import polars as pl

    return pl.read_parquet(directory / name)


def describe_table(directory: Path, name: str) -> dict[str, Any]:
    """Return an asset's main table as Dagster shows it: its row count and columns, from its footer.

    `Any`: values of several kinds of metadata.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(directory / name) as file:
        rows = file.metadata.num_rows
    return {
        "dagster/row_count": rows,
        "dagster/column_schema": show_columns(directory / name),
        "table": MetadataValue.path(directory / name),
    }


def show_columns(path: Path) -> TableSchemaMetadataValue:
    """Return the columns of a Parquet file: name, type, meaning, and whether it may be empty."""
    import pyarrow.parquet as pq

    columns = [
        TableColumn(
            field.name,
            type=str(field.type),
            description=describe_column(field.name),
            constraints=TableColumnConstraints(nullable=field.nullable),
        )
        for field in pq.read_schema(path)
    ]
    return MetadataValue.table_schema(TableSchema(columns))
