"""How often the drift check reports a batch that is like the others, and one that is not.

python -m benchmarks.drift_alarms
"""

import numpy as np
import polars as pl
from numpy.random import Generator

from transforms.audit.drift import MEASURES, compare_batch

TRIALS = 1000
PLANTED = 200
SHIFT = 1.5  # standard deviations


def draw(count: int, random: Generator, first: int = 0, shift: float = 0.0) -> pl.DataFrame:
    """Return people whose measures are normal; that of sharpness is moved."""
    columns = {name: 10 + random.normal(size=count) for name in MEASURES}
    columns["sharpness"] = columns["sharpness"] + shift
    return pl.DataFrame({"participant_id": [f"p{first + n}" for n in range(count)], **columns})


def reported(batch: pl.DataFrame, others: pl.DataFrame) -> list[str]:
    return [one.measure for one in compare_batch(batch, others) if one.is_drift]


def main() -> None:
    random = np.random.default_rng(2026)
    print("| people in the batch / in the others | false alarms | found |")
    print("|---|---|---|")
    for size, others in ((6, 40), (12, 80), (40, 300)):
        alarms = sum(
            bool(reported(draw(size, random, 9000), draw(others, random))) for _ in range(TRIALS)
        )
        found = sum(
            "sharpness" in reported(draw(size, random, 9000, SHIFT), draw(others, random))
            for _ in range(PLANTED)
        )
        print(f"| {size} / {others} | {alarms / TRIALS:.1%} | {found / PLANTED:.0%} |")


if __name__ == "__main__":
    main()
