"""Read the frame ledgers of a dataset: one file per batch, together one table."""

from pathlib import Path

import polars as pl

from transforms.schemas import FRAMES
from transforms.shards.integrity import pair_in_facts
from transforms.shards.parquet import read_table


def ledgers_by_batch(directory: Path) -> dict[str, str]:
    """Return the name of each batch's frame ledger, as far as the manifest's facts name them."""
    return pair_in_facts(directory, "ledgers", "batch_id", "frames")


def read_ledgers(directory: Path) -> pl.DataFrame:
    """Return all ledgers of a dataset (schema `FRAMES`), by recording and frame.

    Raises:
        IntegrityError: the manifest or a ledger is damaged or missing.
    """
    tables = [pl.DataFrame(FRAMES.empty_table())]
    tables += [
        pl.DataFrame(read_table(directory / name, FRAMES))
        for name in ledgers_by_batch(directory).values()
    ]
    return pl.concat(tables).sort("recording_id", "frame_index")
