"""The files of one explained experiment, and reading them back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import IntegrityError

SHARES_NAME: Final = "shares.parquet"
CHECKS_NAME: Final = "sanity_checks.parquet"
SUMMARY_NAME: Final = "explanation.json"
LEFT_OUT: Final = "left_out"
"""What the summary of a model that is not explained says in place of groups: why not."""


@dataclass(frozen=True)
class Explanation:
    """One explained experiment.

    Attributes:
        shares: see `transforms.explanation.shares.tabulate_shares`.
        checks: see `transforms.explanation.checks.tabulate_checks`.
        summary: what was explained, of whom, and with which settings.
        pictures: PNG by method and view, `attention-front`.
    """

    name: str
    shares: pl.DataFrame
    checks: pl.DataFrame
    summary: dict[str, Any]  # `Any`: JSON
    pictures: dict[str, bytes]


def read_explanation(directory: Path, name: str) -> Explanation:
    """Read what `training.explain.run_explanation` wrote for the experiment of that name.

    Raises:
        IntegrityError: a file is missing or damaged.
    """
    try:
        return Explanation(
            name=name,
            shares=pl.read_parquet(directory / SHARES_NAME),
            checks=pl.read_parquet(directory / CHECKS_NAME),
            summary=json.loads((directory / SUMMARY_NAME).read_bytes()),
            pictures={path.stem: path.read_bytes() for path in sorted(directory.glob("*.png"))},
        )
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise IntegrityError(
            "an explanation can't be read",
            where=f"{name}/{directory.name}",
            found=error,
            fix="build model_explanation again",
        ) from error
