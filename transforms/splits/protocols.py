"""From a protocol's name in the settings to the split it makes."""

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from transforms.settings import SplitSettings
from transforms.splits import folds, nested, paper_exact, sequence_wise
from transforms.splits.split import Split

SplitFunction = Callable[[pl.DataFrame, pl.DataFrame, SplitSettings], Split]
"""Takes the sequences, the participants as `participants.gather_participants` returns them, and
the settings."""

PROTOCOLS: Final[Mapping[str, SplitFunction]] = {
    nested.PROTOCOL: nested.split_fixed_test_nested,
    paper_exact.PROTOCOL: paper_exact.split_paper_exact,
    folds.PROTOCOL: folds.split_k_fold,
    sequence_wise.PROTOCOL: sequence_wise.split_sequence_wise,
}
"""Those that make a split; `imported` takes one over."""
