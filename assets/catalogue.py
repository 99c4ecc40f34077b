"""All stages and assets by name, in the order of the lineage."""

from typing import Final

from dagster import AssetsDefinition, AssetSpec

from assets.clips import DUAL_VIEW_CLIPS, dual_view_clips
from assets.dataset import SILHOUETTE_SHARDS, silhouette_shards
from assets.experiments import (
    MODEL_EVALUATION,
    MODEL_EXPLANATION,
    TRAINED_MODEL,
    model_evaluation,
    model_explanation,
    trained_model,
)
from assets.extraction import (
    EXTRACTION_SCORE,
    SILHOUETTE_SEQUENCES,
    extraction_score,
    silhouette_sequences,
)
from assets.intake import INTAKE_REGISTER, intake_register
from assets.release import DATASET_RELEASE, dataset_release
from assets.report import RESULTS_REPORT, results_report
from assets.sources import (
    model_weights,
    overrides,
    partitions,
    raw_cohort,
    synthetic_truth,
)
from assets.splits import PARTICIPANT_SPLITS, participant_splits
from assets.stage import Stage

STAGES: Final[tuple[Stage, ...]] = (
    INTAKE_REGISTER,
    SILHOUETTE_SEQUENCES,
    EXTRACTION_SCORE,
    SILHOUETTE_SHARDS,
    DUAL_VIEW_CLIPS,
    PARTICIPANT_SPLITS,
    TRAINED_MODEL,
    MODEL_EVALUATION,
    MODEL_EXPLANATION,
    RESULTS_REPORT,
    DATASET_RELEASE,
)
SOURCE_SPECS: Final[tuple[AssetSpec, ...]] = (
    raw_cohort,
    overrides,
    model_weights,
    partitions,
    synthetic_truth,
)
ASSETS: Final[tuple[AssetsDefinition, ...]] = (
    intake_register,
    silhouette_sequences,
    extraction_score,
    silhouette_shards,
    dual_view_clips,
    participant_splits,
    trained_model,
    model_evaluation,
    model_explanation,
    results_report,
    dataset_release,
)
