"""The folders people fill: the cohort's videos and, for a synthetic one, the truth beside them."""

from typing import Final

from dagster import AssetSpec

from assets.partitions import Partitioning, intake_batches
from assets.stage import Source

RAW_COHORT: Final = Source("raw_cohort", "raw", Partitioning.INTAKE_BATCH)
SYNTHETIC_TRUTH: Final = Source("synthetic_truth", "truth")

raw_cohort: Final = AssetSpec(
    RAW_COHORT.name,
    description=(
        "The intake batches under `raw/`: for each batch a folder with `participants.csv`, "
        "`recordings.csv` and `videos/`. Raw video never leaves this folder."
    ),
    group_name="sources",
    kinds={"mp4", "csv"},
    owners=["team:data-management"],
    partitions_def=intake_batches,
    metadata={"folder": RAW_COHORT.folder},
)
synthetic_truth: Final = AssetSpec(
    SYNTHETIC_TRUTH.name,
    description=(
        "Masks, boxes and gait phase of the synthetic walkers, written beside the cohort by "
        "`gaitworks synth`. Only `extraction_score` reads it. Empty for a real cohort."
    ),
    group_name="sources",
    kinds={"numpy"},
    owners=["team:data-engineering"],
    metadata={"folder": SYNTHETIC_TRUTH.folder},
)
