"""Compare the quality of one intake batch with that of all the others.

A batch differs when a camera was moved, a lamp failed or an export went wrong. Nothing is refused
for it: the finding names the batch and what differs, and a person looks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA: Final = 0.01
"""How often a batch that does not differ is reported, at most; shared by all measures."""
MIN_SHIFT: Final = 1.0
"""The least distance of the medians that is reported, in robust standard deviations."""
MIN_PARTICIPANTS: Final = 5
"""With fewer on either side nothing is said."""

MEASURES: Final = {
    "frame_drop_fraction": "share of the decoded frames that were dropped",
    "silhouette_px": "pixels of the silhouette in the video",
    "box_height_px": "height of the person's box in the video, in pixels",
    "frames_per_sequence": "frames kept of a recording",
    "mask_confidence": "how sure the segmentation was, 0 to 1",
    "sharpness": "sharpness of the picture inside the box",
}
_TO_SIGMA: Final = 1.4826  # the median absolute deviation of a normal distribution, as its sigma


@dataclass(frozen=True)
class Comparison:
    """One measure of a batch beside the rest of the cohort.

    Attributes:
        measure: a key of `MEASURES`.
        batch_participants: how many people of the batch it is known of.
        cohort_participants: how many of the other batches.
        batch_median: over the people of the batch.
        cohort_median: over the people of the other batches.
        shift: distance of the medians in robust standard deviations of the cohort; infinite where
            nobody of the cohort differs from its median and the batch does.
        p_value: of the two-sided Kolmogorov-Smirnov test, not corrected; None for too few people.
        is_drift: the rule says that the batch differs.
    """

    measure: str
    batch_participants: int
    cohort_participants: int
    batch_median: float | None
    cohort_median: float | None
    shift: float | None
    p_value: float | None
    is_drift: bool

    def say(self, batch_id: str) -> str:
        """Return one sentence that names the batch and the measure."""
        return (
            f"{batch_id}: {self.measure} ({MEASURES[self.measure]}) has the median "
            f"{self.batch_median:.4g} over {self.batch_participants} participants, "
            f"{self.cohort_median:.4g} over the {self.cohort_participants} of the other batches"
        )


def measure_people(recordings: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """Return `participant_id` and each measure: the median over the person's recordings.

    People are the unit since recordings of one person are alike; sorted by participant.

    Args:
        recordings: table of schema `EXTRACTED_RECORDINGS`, of one batch.
        frames: the frame ledger of the same batch (`FRAMES`).
    """
    kept = frames.filter(pl.col("status") == "kept")
    seen = kept.group_by("recording_id").agg(
        pl.col("mask_px").cast(pl.Float64).median().alias("silhouette_px"),
        (pl.col("y1") - pl.col("y0")).cast(pl.Float64).median().alias("box_height_px"),
        pl.col("confidence").cast(pl.Float64).median().alias("mask_confidence"),
        pl.col("sharpness").cast(pl.Float64).median(),
    )
    decoded = recordings.filter(pl.col("frame_count") > 0).select(
        "recording_id",
        "participant_id",
        frames_per_sequence=pl.col("kept_frame_count").cast(pl.Float64),
        frame_drop_fraction=1 - pl.col("kept_frame_count") / pl.col("frame_count"),
    )
    joined = decoded.join(seen, on="recording_id", how="left")
    medians = [pl.col(name).median() for name in MEASURES]
    return joined.group_by("participant_id").agg(medians).sort("participant_id")


def compare_batch(
    batch: pl.DataFrame, others: pl.DataFrame, *, alpha: float = ALPHA, min_shift: float = MIN_SHIFT
) -> list[Comparison]:
    """Compare a batch with the other batches, a measure at a time.

    A measure drifts when both hold: the Kolmogorov-Smirnov test gives less than `alpha` divided
    by the number of measures (so that a batch that does not differ is reported with a probability
    of at most `alpha`), and the medians are `min_shift` robust standard deviations apart (so that
    a large batch is not reported for what no person would see).

    Args:
        batch: what `measure_people` returns of the batch.
        others: the same of all other batches; people who are in the batch too are left out.
        alpha: how often a false alarm is acceptable.
        min_shift: the least distance that matters.
    """
    others = others.join(batch, on="participant_id", how="anti")
    return [
        _compare(
            name,
            batch[name].drop_nulls().to_numpy(),
            others[name].drop_nulls().to_numpy(),
            alpha / len(MEASURES),
            min_shift,
        )
        for name in MEASURES
    ]


def _compare(
    measure: str,
    batch: "NDArray[np.float64]",
    others: "NDArray[np.float64]",
    alpha: float,
    min_shift: float,
) -> Comparison:
    import numpy as np
    from scipy.stats import ks_2samp

    medians = [float(np.median(values)) if len(values) else None for values in (batch, others)]
    shift = p_value = None
    if min(len(batch), len(others)) >= MIN_PARTICIPANTS:
        spread = _TO_SIGMA * float(np.median(np.abs(others - np.median(others))))
        distance = float(np.median(batch) - np.median(others))
        shift = (
            distance / spread if spread else float(np.sign(distance)) * np.inf if distance else 0.0
        )
        p_value = float(ks_2samp(batch, others).pvalue)
    return Comparison(
        measure=measure,
        batch_participants=len(batch),
        cohort_participants=len(others),
        batch_median=medians[0],
        cohort_median=medians[1],
        shift=shift,
        p_value=p_value,
        is_drift=p_value is not None
        and shift is not None
        and p_value < alpha
        and abs(shift) >= min_shift,
    )
