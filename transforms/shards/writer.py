"""Write a dataset: shards of both containers, frame ledgers, index, participants, rejects.

Shards and ledgers never mix batches and carry the hash of their content in their name, so that a
further batch leaves the files of the earlier ones as they are. The caller adds the manifest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from transforms.files import sha256_file
from transforms.progress import Progress
from transforms.schemas import PARTICIPANTS, REJECTS, SEQUENCE_INDEX, conform
from transforms.settings import ShardSettings
from transforms.shards.assemble import Assembly, assemble_batches
from transforms.shards.parquet import write_table
from transforms.shards.part import (
    CODEC_OF,
    LedgerPlan,
    Part,
    ShardPlan,
    hash_source,
    list_libraries,
    write_ledger,
    write_shards_of,
)
from transforms.shards.previous import open_previous
from transforms.worker_pool import map_in_processes

_SHARDS_PER_TASK: Final = 4  # a task opens its batch's table once
_TASKS_PER_WORKER: Final = 8  # about 150,000 frames; fewer are packed before a process has started

Plan = ShardPlan | LedgerPlan


@dataclass(frozen=True)
class _Task:
    """What a worker makes at a time: some shards of one batch, or one ledger."""

    plans: tuple[Plan, ...]
    settings: ShardSettings
    output: Path


def write_shards(
    intake_dirs: Sequence[Path],
    extraction_dirs: Sequence[Path],
    settings: ShardSettings,
    output: Path,
    *,
    progress: Progress,
    worker_count: int = 1,
    previous: Path | None = None,
) -> dict[str, Any]:
    """Write all batches' sequences as one dataset into the empty directory `output`.

    The bytes follow from the batches and settings alone, whatever the number of workers and
    whether there is a previous version.

    Args:
        intake_dirs: one directory per batch, in any order.
        extraction_dirs: the same batches' extractions, in the same order.
        settings: codec, width, sequences per shard, compression level.
        output: an empty directory.
        progress: advanced once per sequence.
        worker_count: processes that may pack at a time; each holds a few shards in memory, or the
            frame ledger of one batch.
        previous: a dataset whose parts are linked or copied where they would come out the same.

    Returns:
        Facts for the manifest: rows per file, counts, parts and what they were made from, codec,
        and the libraries whose versions could change bytes.

    Raises:
        InputError: the batches do not fit together (see `assemble_batches`), or a sequence is not
            what its row says.
        IntegrityError: a table or a sequence does not decode.
    """
    assembly = assemble_batches(intake_dirs, extraction_dirs)
    plans: list[Plan] = [*_plan_shards(assembly, settings), *_plan_ledgers(assembly, settings)]
    parts = _make_parts(plans, settings, output, progress, worker_count, previous)
    shards = [plan for plan in plans if isinstance(plan, ShardPlan)]
    ledgers = [plan for plan in plans if isinstance(plan, LedgerPlan)]
    indices = (parts[plan.source].index for plan in shards)
    index = pa.concat_tables(
        [SEQUENCE_INDEX.empty_table(), *(rows for rows in indices if rows is not None)]
    )
    rows = {name: part.row_count for part in parts.values() for name in part.names}
    for name, table in {
        "index.parquet": index,
        "participants.parquet": conform(
            assembly.participants, PARTICIPANTS, where="participants.parquet"
        ),
        "rejects.parquet": conform(assembly.rejects, REJECTS, where="rejects.parquet"),
    }.items():
        write_table(table, output / name)
        rows[name] = table.num_rows
    frame_count = sum(parts[plan.source].row_count for plan in ledgers)
    return {
        "rows": rows,
        "counts": _count(assembly, pl.DataFrame(index), frame_count),
        "classes": _count_classes(pl.DataFrame(index)),
        "rejects": _count_rejects(assembly.rejects),
        "batches": [batch.batch_id for batch in assembly.batches],
        "shards": [_describe(plan, ("parquet", "tar"), parts) for plan in shards],
        "ledgers": [_describe(plan, ("frames",), parts) for plan in ledgers],
        "codec": CODEC_OF[settings.codec],
        "libraries": list_libraries(),
    }


def _plan_shards(assembly: Assembly, settings: ShardSettings) -> Iterator[ShardPlan]:
    for batch, sequence_ids in zip(assembly.batches, assembly.sequence_ids, strict=True):
        path = batch.extraction_dir / "sequences.parquet"
        digest = sha256_file(path)
        row_of = {name: row for row, name in enumerate(batch.sequences["sequence_id"])}
        for start in range(0, len(sequence_ids), settings.sequences_per_shard):
            ids = sequence_ids[start : start + settings.sequences_per_shard]
            rows = tuple(row_of[name] for name in ids)
            source = hash_source(digest, settings, ids)
            yield ShardPlan(batch.batch_id, path, ids, rows, source)


def _plan_ledgers(assembly: Assembly, settings: ShardSettings) -> Iterator[LedgerPlan]:
    for batch in assembly.batches:
        path = batch.extraction_dir / "frames.parquet"
        yield LedgerPlan(batch.batch_id, path, hash_source(sha256_file(path), settings, ()))


def _make_parts(
    plans: Sequence[Plan],
    settings: ShardSettings,
    output: Path,
    progress: Progress,
    worker_count: int,
    previous: Path | None,
) -> dict[str, Part]:
    """Return every part by its source, taken over or made."""
    total = sum(len(plan.sequence_ids) for plan in plans if isinstance(plan, ShardPlan))
    progress.start("packing silhouettes", total)
    version = open_previous(previous)
    parts: dict[str, Part] = {}
    missing: list[Plan] = []
    for plan in plans:
        part = version.take(plan, output) if version else None
        if part is None:
            missing.append(plan)
            continue
        parts[plan.source] = part
        progress.advance(_count_sequences((plan,)))
    tasks = [_Task(group, settings, output) for group in _group(missing)]
    useful = min(worker_count, -(-len(tasks) // _TASKS_PER_WORKER))
    for position, made in map_in_processes(_run_task, tasks, worker_count=useful):
        group = tasks[position].plans
        parts |= {plan.source: part for plan, part in zip(group, made, strict=True)}
        progress.advance(_count_sequences(group))
    return parts


def _group(plans: Sequence[Plan]) -> Iterator[tuple[Plan, ...]]:
    """Yield the plans in order, neighbouring shards of one table together."""
    group: list[Plan] = []
    for plan in plans:
        if group and (plan.table != group[0].table or len(group) == _SHARDS_PER_TASK):
            yield tuple(group)
            group = []
        group.append(plan)
    if group:
        yield tuple(group)


def _run_task(task: _Task) -> list[Part]:
    first = task.plans[0]
    if isinstance(first, LedgerPlan):
        return [write_ledger(first, task.output)]
    shards = tuple(plan for plan in task.plans if isinstance(plan, ShardPlan))
    return write_shards_of(shards, task.settings, task.output)


def _count_sequences(plans: Sequence[Plan]) -> int:
    return sum(len(plan.sequence_ids) for plan in plans if isinstance(plan, ShardPlan))


def _describe(plan: Plan, keys: tuple[str, ...], parts: dict[str, Part]) -> dict[str, str]:
    names = dict(zip(keys, parts[plan.source].names, strict=True))
    return {"batch_id": plan.batch_id, "source": plan.source} | names


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
