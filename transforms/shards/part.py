"""One part of a dataset: a shard in both containers, or a batch's frame ledger.

A part is a function of one table of one batch and the settings, so that parts are made in any
process and in any order, and a part made before need not be made again.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.errors import InputError
from transforms.files import canonical_json, sha256_bytes
from transforms.schemas import FRAMES, SEQUENCE_INDEX, SEQUENCES, conform
from transforms.settings import ShardSettings
from transforms.shards.codec import BITS, GREY, recode
from transforms.shards.parquet import (
    encode_shard,
    encode_table,
    list_values,
    open_table,
    read_rows,
    read_table,
)
from transforms.shards.webdataset import encode_tar

PARQUET_FOLDER: Final = "sequences"
TAR_FOLDER: Final = "webdataset"
FRAMES_FOLDER: Final = "frames"
CODEC_OF: Final = {"binary": BITS, "grey": GREY}
_LAYOUT: Final = 2
"""Raise this with every change that changes a part's bytes, or old parts would be taken for new."""
_STORED_WIDTH_PX: Final = 64
_NAME_DIGITS: Final = 16
_SOURCE_DIGITS: Final = 32


@dataclass(frozen=True)
class ShardPlan:
    """A shard to be: some sequences of one batch's table.

    Attributes:
        batch_id: the batch.
        table: its `sequences.parquet`.
        sequence_ids: which sequences, in order.
        rows: where they lie in the table.
        source: the hash of everything that the shard's bytes follow from.
    """

    batch_id: str
    table: Path
    sequence_ids: tuple[str, ...]
    rows: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class LedgerPlan:
    """A batch's frame ledger to be; attributes as of `ShardPlan`."""

    batch_id: str
    table: Path
    source: str


@dataclass(frozen=True)
class Part:
    """What was written: file names inside the dataset, rows, and a shard's rows of the index."""

    names: tuple[str, ...]
    row_count: int
    index: pa.Table | None = None


def hash_source(table_sha256: str, settings: ShardSettings, sequence_ids: tuple[str, ...]) -> str:
    """Return the hash of everything that a part's bytes follow from."""
    facts = {
        "layout": _LAYOUT,
        "libraries": list_libraries(),
        "settings": settings.model_dump(mode="json"),
        "table": table_sha256,
        "sequences": list(sequence_ids),
    }
    return sha256_bytes(canonical_json(facts))[:_SOURCE_DIGITS]


@cache
def list_libraries() -> dict[str, str]:
    """Return what could change the bytes: the version of pyarrow, and its zstd by what it writes.

    The zstd that pyarrow is built with does not tell its version.
    """
    steps = np.arange(1 << 14, dtype=np.uint32)
    probe = (steps * steps >> 9).astype(np.uint8).tobytes()
    outputs = [
        pa.Codec("zstd", compression_level=level).compress(probe, asbytes=True)
        for level in (3, 7, 9, 15)
    ]
    return {"pyarrow": pa.__version__, "zstd_output": sha256_bytes(b"".join(outputs))[:16]}


def write_shards_of(
    plans: tuple[ShardPlan, ...], settings: ShardSettings, output: Path
) -> list[Part]:
    """Write some shards of one batch, in both containers.

    Raises:
        InputError: a sequence is not what its row says.
        IntegrityError: the table or a sequence does not decode.
    """
    with open_table(plans[0].table, SEQUENCES) as file:
        return [
            _write_shard(
                read_rows(file, SEQUENCES, plan.rows, where=plan.table), plan, settings, output
            )
            for plan in plans
        ]


def write_ledger(plan: LedgerPlan, output: Path) -> Part:
    """Write a batch's frame ledger, sorted by recording and frame.

    Raises:
        IntegrityError: the table is damaged.
    """
    frames = pl.DataFrame(read_table(plan.table, FRAMES)).sort("recording_id", "frame_index")
    data = encode_table(conform(frames, FRAMES, where=plan.table))
    return Part((_write_named(output / FRAMES_FOLDER, ".parquet", data),), frames.height)


def _write_shard(table: pa.Table, plan: ShardPlan, settings: ShardSettings, output: Path) -> Part:
    packed = _repack(table, settings, where=plan.batch_id)
    shard = _write_named(output / PARQUET_FOLDER, ".parquet", encode_shard(packed))
    tar = _write_named(output / TAR_FOLDER, ".tar", encode_tar(packed))
    index = packed.append_column("shard", pa.array([shard] * packed.num_rows, pa.string()))
    index = index.append_column("row", pa.array(range(packed.num_rows), pa.int32()))
    return Part(
        (shard, tar), packed.num_rows, index.select(SEQUENCE_INDEX.names).cast(SEQUENCE_INDEX)
    )


def kept_columns(settings: ShardSettings) -> tuple[int, int]:
    """Return which columns of a normalised silhouette the dataset holds, half-open."""
    margin = (_STORED_WIDTH_PX - settings.width_px) // 2
    return margin, _STORED_WIDTH_PX - margin


def _repack(table: pa.Table, settings: ShardSettings, *, where: str) -> pa.Table:
    """Cut to the dataset's width and encode with its codec."""
    codec = CODEC_OF[settings.codec]
    columns = kept_columns(settings)
    indices, times = (list_values(table, name) for name in ("frame_index", "pts_s"))
    names = ("sequence_id", "codec", "frame_count", "height_px", "width_px", "fps", "quality_score")
    silhouettes = []
    for number, row in enumerate(table.select([*names, "silhouettes"]).to_pylist()):
        place = f"{where}, sequence {row['sequence_id']}"
        _check_row(row, indices[number], times[number], where=place)
        silhouettes.append(
            recode(
                row["silhouettes"],
                row["codec"],
                (row["frame_count"], row["height_px"], row["width_px"]),
                columns=columns,
                to=codec,
                level=settings.compression_level,
                where=place,
            )
        )
    count = table.num_rows
    for name, values in (
        ("codec", [codec] * count),
        ("width_px", [settings.width_px] * count),
        ("silhouettes", silhouettes),
    ):
        field = SEQUENCES.field(name)
        column = pa.array(values, field.type)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    return table


def _check_row(
    row: dict[str, Any], indices: np.ndarray[Any, Any], times: np.ndarray[Any, Any], *, where: str
) -> None:
    lengths = (len(indices), len(times))
    if row["width_px"] != _STORED_WIDTH_PX or lengths != (row["frame_count"],) * 2:
        raise InputError(
            "sequence is not what its row says",
            where=where,
            expected=f"width {_STORED_WIDTH_PX}, {row['frame_count']} frame indices and times",
            found=f"width {row['width_px']}, {lengths[0]} and {lengths[1]}",
            fix="run the extraction of the batch again",
        )
    # A missing number among others arrives as not-a-number.
    numbers = [row["fps"], row["quality_score"] or 0.0]
    if not all(np.isfinite(values).all() for values in (numbers, indices, times)):
        raise InputError(
            "fps, times and quality must be finite numbers",
            where=where,
            fix="run the extraction of the batch again",
        )


def _write_named(folder: Path, suffix: str, data: bytes) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name_part(sha256_bytes(data), suffix)
    path.write_bytes(data)
    return f"{folder.name}/{path.name}"


def name_part(sha256: str, suffix: str) -> str:
    """Return the name of a part's file, which its content determines."""
    return f"part-{sha256[:_NAME_DIGITS]}{suffix}"
