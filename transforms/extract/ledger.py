"""The frame ledger's own rule: every decoded frame is kept or dropped with a reason."""

import polars as pl


def find_ledger_gaps(frames: pl.DataFrame, recordings: pl.DataFrame) -> list[str]:
    """Return every way in which a batch's ledger does not account for its frames.

    Args:
        frames: rows of `transforms.schemas.FRAMES`.
        recordings: rows of `transforms.schemas.EXTRACTED_RECORDINGS`.
    """
    unexplained = frames.filter((pl.col("status") == "dropped") & pl.col("reason").is_null())
    problems = [
        f"{row['recording_id']}, frame {row['frame_index']}: dropped without a reason"
        for row in unexplained.iter_rows(named=True)
    ]
    counted = frames.group_by("recording_id").agg(
        pl.len().alias("rows"), (pl.col("status") == "kept").sum().alias("kept")
    )
    joined = recordings.join(counted, on="recording_id", how="left").with_columns(
        pl.col("rows", "kept").fill_null(0)
    )
    wrong = joined.filter(
        (pl.col("frame_count") != pl.col("rows")) | (pl.col("kept_frame_count") != pl.col("kept"))
    )
    problems += [
        f"{row['recording_id']}: {row['frame_count']} frames decoded and "
        f"{row['kept_frame_count']} kept, but the ledger has {row['rows']} and {row['kept']}"
        for row in wrong.sort("recording_id").iter_rows(named=True)
    ]
    return problems
