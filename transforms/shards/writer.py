"""Write a dataset: shards of both containers, the sequence index, participants, frames, rejects.

Shards never mix batches and carry the hash of their content in their name, so that a further batch
leaves the files of the earlier ones as they are. The caller adds the manifest.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from transforms.errors import InputError
from transforms.files import sha256_bytes
from transforms.progress import Progress
from transforms.schemas import FRAMES, PARTICIPANTS, REJECTS, SEQUENCE_INDEX, SEQUENCES, conform
from transforms.settings import ShardSettings
from transforms.shards.assemble import Assembly, Batch, assemble_batches
from transforms.shards.codec import BITS, GREY, binarise, decode_silhouettes, encode_silhouettes
from transforms.shards.parquet import encode_shard, read_table, write_table
from transforms.shards.webdataset import encode_tar

PARQUET_FOLDER: Final = "sequences"
TAR_FOLDER: Final = "webdataset"
_CODECS: Final = {"binary": BITS, "grey": GREY}
_STORED_WIDTH_PX: Final = 64
_NAME_DIGITS: Final = 16


def write_shards(
    intake_dirs: Sequence[Path],
    extraction_dirs: Sequence[Path],
    settings: ShardSettings,
    output: Path,
    *,
    progress: Progress,
) -> dict[str, Any]:
    """Write all batches' sequences as one dataset into the empty directory `output`.

    Args:
        intake_dirs: one directory per batch, in any order.
        extraction_dirs: the same batches' extractions, in the same order.
        settings: codec, width, sequences per shard, compression level.
        output: an empty directory.
        progress: advanced once per sequence.

    Returns:
        Facts for the manifest: rows per file, counts, shards, codec, and the version of the one
        library whose writer could change bytes.

    Raises:
        InputError: the batches do not fit together (see `assemble_batches`), or a sequence is not
            what its row says.
        IntegrityError: a table or a sequence does not decode.
    """
    assembly = assemble_batches(intake_dirs, extraction_dirs)
    total = sum(len(ids) for ids in assembly.sequence_ids)
    progress.start("packing silhouettes", total)
    rows: dict[str, int] = {}
    shards: list[dict[str, Any]] = []
    index_parts = [SEQUENCE_INDEX.empty_table()]
    for batch, sequence_ids in zip(assembly.batches, assembly.sequence_ids, strict=True):
        for table in _chunks(batch, sequence_ids, settings.sequences_per_shard):
            packed = _repack(table, settings, where=batch.batch_id)
            names = [
                _write_shard(output / PARQUET_FOLDER, ".parquet", encode_shard(packed)),
                _write_shard(output / TAR_FOLDER, ".tar", encode_tar(packed)),
            ]
            rows |= dict.fromkeys(names, packed.num_rows)
            shards.append({"batch_id": batch.batch_id, "parquet": names[0], "tar": names[1]})
            index_parts.append(_index_rows(packed, names[0]))
            progress.advance(packed.num_rows)
    index = pa.concat_tables(index_parts)
    frames = _merge_frames(assembly)
    tables = {
        "index.parquet": index,
        "participants.parquet": conform(
            assembly.participants, PARTICIPANTS, where="participants.parquet"
        ),
        "frames.parquet": frames,
        "rejects.parquet": conform(assembly.rejects, REJECTS, where="rejects.parquet"),
    }
    for name, table in tables.items():
        write_table(table, output / name)
        rows[name] = table.num_rows
    return {
        "rows": rows,
        "counts": _count(assembly, pl.DataFrame(index), frames.num_rows),
        "classes": _count_classes(pl.DataFrame(index)),
        "rejects": _count_rejects(assembly.rejects),
        "batches": [batch.batch_id for batch in assembly.batches],
        "shards": shards,
        "codec": _CODECS[settings.codec],
        "libraries": {"pyarrow": pa.__version__},
    }


def _chunks(batch: Batch, sequence_ids: Sequence[str], size: int) -> Iterator[pa.Table]:
    """Yield the batch's sequences in the given order, `size` at a time."""
    if not sequence_ids:
        return
    table = read_table(batch.extraction_dir / "sequences.parquet", SEQUENCES)
    position = {name: row for row, name in enumerate(table.column("sequence_id").to_pylist())}
    order = [position[name] for name in sequence_ids]
    for start in range(0, len(order), size):
        yield table.take(order[start : start + size])


def _repack(table: pa.Table, settings: ShardSettings, *, where: str) -> pa.Table:
    """Cut to the dataset's width and encode with its codec."""
    codec = _CODECS[settings.codec]
    margin = (_STORED_WIDTH_PX - settings.width_px) // 2
    rows = table.to_pylist()
    for row in rows:
        place = f"{where}, sequence {row['sequence_id']}"
        _check_row(row, where=place)
        shape = (row["frame_count"], row["height_px"], row["width_px"])
        silhouettes = decode_silhouettes(row["silhouettes"], row["codec"], shape, where=place)
        silhouettes = silhouettes[:, :, margin : _STORED_WIDTH_PX - margin]
        if codec == BITS:
            silhouettes = binarise(silhouettes)
        row["codec"], row["width_px"] = codec, settings.width_px
        row["silhouettes"] = encode_silhouettes(silhouettes, codec, settings.compression_level)
    return pa.Table.from_pylist(rows, schema=SEQUENCES)


def _check_row(row: dict[str, Any], *, where: str) -> None:
    lengths = (len(row["frame_index"]), len(row["pts_s"]))
    if row["width_px"] != _STORED_WIDTH_PX or lengths != (row["frame_count"],) * 2:
        raise InputError(
            "sequence is not what its row says",
            where=where,
            expected=f"width {_STORED_WIDTH_PX}, {row['frame_count']} frame indices and times",
            found=f"width {row['width_px']}, {lengths[0]} and {lengths[1]}",
            fix="run the extraction of the batch again",
        )
    numbers = [row["fps"], *row["pts_s"], row["quality_score"] or 0.0]
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(
            "fps, times and quality must be finite numbers",
            where=where,
            fix="run the extraction of the batch again",
        )


def _write_shard(folder: Path, suffix: str, data: bytes) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"part-{sha256_bytes(data)[:_NAME_DIGITS]}{suffix}"
    path.write_bytes(data)
    return f"{folder.name}/{path.name}"


def _index_rows(packed: pa.Table, shard: str) -> pa.Table:
    table = packed.append_column("shard", pa.array([shard] * packed.num_rows, pa.string()))
    table = table.append_column("row", pa.array(range(packed.num_rows), pa.int32()))
    return table.select(SEQUENCE_INDEX.names).cast(SEQUENCE_INDEX)


def _merge_frames(assembly: Assembly) -> pa.Table:
    ledgers = [
        read_table(batch.extraction_dir / "frames.parquet", FRAMES) for batch in assembly.batches
    ]
    merged = pl.DataFrame(pa.concat_tables(ledgers)).sort("recording_id", "frame_index")
    return conform(merged, FRAMES, where="frames.parquet")


def _count(assembly: Assembly, index: pl.DataFrame, frame_count: int) -> dict[str, int]:
    return {
        "participants": assembly.participants.height,
        "participants_without_sequence": assembly.absent_participant_count,
        "sequences": index.height,
        "silhouettes": int(index["frame_count"].sum()),
        "decoded_frames": frame_count,
        "rejected_recordings": assembly.rejects.height,
    }


def _count_classes(index: pl.DataFrame) -> list[dict[str, Any]]:
    groups = index.group_by("label", "view").agg(
        participants=pl.col("participant_id").n_unique(),
        sequences=pl.len(),
        silhouettes=pl.col("frame_count").sum(),
    )
    return groups.sort("label", "view").to_dicts()


def _count_rejects(rejects: pl.DataFrame) -> list[dict[str, Any]]:
    groups = rejects.group_by("stage", "reason_code").agg(recordings=pl.len())
    return groups.sort("stage", "reason_code").to_dicts()
