"""How a synthetic cohort is told from one that was filmed, afterwards."""

from typing import Final

import polars as pl

SYNTHETIC_KEY: Final = "synthetic"
"""The extraction key of silhouettes that were drawn and never filmed."""


def is_synthetic_cohort(index: pl.DataFrame | None, *, has_truth: bool) -> bool:
    """Return whether a cohort came with synthetic truth, or as synthetic silhouettes.

    Args:
        index: of its dataset (schema `SEQUENCE_INDEX`), if there is one.
        has_truth: whether its extraction could be compared with a known truth.
    """
    return has_truth or (
        index is not None and bool((index["extraction_key"] == SYNTHETIC_KEY).all())
    )
