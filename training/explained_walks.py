"""The walks that are explained: a sample of the test side, read with times and gait cycle."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data import SequenceSet
from training.frame_store import FrameStore
from transforms.explanation.cycle import Cycle, follow_cycle
from transforms.explanation.shares import Floats
from transforms.labels import LabelScheme
from transforms.schemas import SEQUENCES
from transforms.shards.parquet import list_values, read_table
from transforms.shards.reader import SilhouetteDataset


@dataclass(frozen=True)
class Walk:
    """A chosen sequence as the models see it."""

    row: dict[str, Any]  # `Any`: text, and numbers of the index
    silhouettes: Floats  # (frame, 64, 44) in [0, 1]
    times_s: NDArray[np.float64]  # (frame,)
    cycle: Cycle | None
    scheme: LabelScheme


def choose_sequences(sequences: SequenceSet, per_class: int) -> SequenceSet:
    """Return at most so many sequences of each label, of as many participants as there are.

    The first sequence of every participant comes before the second of any, by their ids.
    """
    order = sequences.table.with_row_index("place").with_columns(
        turn=pl.col("sequence_id").rank("ordinal").over("participant_id")
    )
    ranked = order.sort("turn", "sequence_id")
    places = ranked.group_by("label").head(per_class)["place"].sort().to_numpy()
    return sequences.take(places)


def read_walks(
    chosen: SequenceSet, dataset: SilhouetteDataset, store: FrameStore, cap: int
) -> list[Walk]:
    """Read the sequences with the times of their frames, in the order of their ids."""
    rows = chosen.table.join(
        dataset.index.select("sequence_id", "view", "shard", "row"),
        on="sequence_id",
        how="left",
        maintain_order="left",
    ).to_dicts()
    times: dict[str, list[NDArray[np.float64]]] = {}
    for shard in sorted({row["shard"] for row in rows}):
        table = read_table(dataset.directory / shard, SEQUENCES, ["pts_s"])
        times[shard] = list(list_values(table, "pts_s"))
    walks = []
    for row, position in zip(rows, chosen.positions, strict=True):
        silhouettes = store.read(int(position), cap=cap)[0, 0]
        times_s = np.asarray(times[row["shard"]][row["row"]][:cap], dtype=np.float64)
        grey = np.rint(silhouettes * 255).astype(np.uint8)
        cycle = follow_cycle(grey, times_s, row["view"])
        walks.append(Walk(row, silhouettes, times_s, cycle, chosen.scheme))
    return walks
