"""What people see of an asset in the Dagster UI: counts, tables and small pictures.

Every picture is inline and below 100 KB; none shows a raw video frame.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster import MarkdownMetadataValue, MetadataValue

if TYPE_CHECKING:
    import polars as pl

PICTURE_MAX_BYTES: Final = 74_000  # base64 makes it 99 KB
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


def count_by(frame: "pl.DataFrame", *columns: str) -> "pl.DataFrame":
    """Return how many rows there are of each combination of values."""
    import polars as pl

    return frame.group_by(columns).agg(pl.len().alias("count")).sort(columns)


def read_table(directory: Path, name: str) -> "pl.DataFrame":
    """Read one Parquet table of a published directory."""
    import polars as pl

    return pl.read_parquet(directory / name)
