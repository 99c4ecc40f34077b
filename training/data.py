"""The sequences of one side of a split, as numbers that models and samplers take."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from training.frame_index import Positions
from training.frame_store import FrameStore
from transforms.errors import InputError
from transforms.labels import SCOLIOSIS, LabelScheme, find_scheme

SPLIT_NAME = "split.parquet"


@dataclass(frozen=True)
class SequenceSet:
    """Some sequences of a dataset, sorted by their ids; all arrays run along them.

    Attributes:
        table: the columns sequence_id, participant_id and label, the diagnosis.
        positions: where the frame store holds each sequence.
        labels: class index.
        lengths: number of frames.
        participants: a number per participant, counted in the order of their ids.
        scheme: of the labels.
    """

    table: pl.DataFrame
    positions: Positions
    labels: Positions
    lengths: Positions
    participants: Positions
    scheme: LabelScheme = SCOLIOSIS

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, places: Positions) -> "SequenceSet":
        """Return the sequences at some places of this set, in that order."""
        return replace(
            self,
            table=self.table[places],
            positions=self.positions[places],
            labels=self.labels[places],
            lengths=self.lengths[places],
            participants=self.participants[places],
        )

    def share(self, rank: int, world_size: int) -> "SequenceSet":
        """Return the part of one of `world_size` processes: every so manieth sequence."""
        return self.take(np.arange(rank, len(self), world_size))

    @property
    def sequence_count(self) -> int:
        """How many sequences there are; of clips: how many walks they are of."""
        return self.table["sequence_id"].n_unique()

    @property
    def participant_count(self) -> int:
        """How many participants the sequences belong to."""
        return self.table["participant_id"].n_unique()


def select_side(split: pl.DataFrame, variant: str, side: str, store: FrameStore) -> SequenceSet:
    """Return the sequences of one side of one variant.

    Raises:
        InputError: the split has no such variant, or labels of no scheme.
        IntegrityError: a sequence of the split is not in the store.
    """
    variants = sorted(split["variant"].unique().to_list())
    if variant not in variants:
        raise InputError(
            "the split has no such variant",
            where=SPLIT_NAME,
            expected=", ".join(variants),
            found=variant,
            fix="add it to splits.ratios and build participant_splits again",
        )
    table = (
        split.filter((pl.col("variant") == variant) & (pl.col("side") == side))
        .select("sequence_id", "participant_id", "label")
        .sort("sequence_id")
    )
    positions = store.index.find_positions(table["sequence_id"].to_list())
    scheme = find_scheme(split["label"].unique(), where=SPLIT_NAME)
    indices = {label: scheme.class_index(label) for label in table["label"].unique()}
    ranks = table["participant_id"].rank("dense").cast(pl.Int64).to_numpy()
    return SequenceSet(
        table=table,
        positions=positions,
        labels=table["label"].replace_strict(indices, return_dtype=pl.Int64).to_numpy(),
        lengths=store.lengths[positions],
        participants=ranks.astype(np.int64) - 1,
        scheme=scheme,
    )
