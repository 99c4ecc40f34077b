"""What flows without a click, and the jobs a person starts for all that does not.

A new batch flows to a new dataset version and its splits. Training, explanation, the report and the
release cost hours or are handed on, so they wait for a person.
"""

from typing import Final

from dagster import (
    AssetSelection,
    AutomationConditionSensorDefinition,
    DefaultSensorStatus,
    define_asset_job,
)

from assets.experiments import MODEL_EVALUATION, MODEL_EXPLANATION, TRAINED_MODEL
from assets.release import DATASET_RELEASE
from assets.report import RESULTS_REPORT
from assets.stage import BUILT_TAG

FLOWING: Final = AssetSelection.tag(BUILT_TAG, "automatically")

batches_flow_to_the_dataset: Final = AutomationConditionSensorDefinition(
    "batches_flow_to_the_dataset",
    target=FLOWING,
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description=(
        "Builds everything from the intake of a new batch to the splits of the new dataset version "
        "as soon as its inputs are there and have passed their checks. Switch it off to decide "
        "about each step yourself."
    ),
)
train_and_judge: Final = define_asset_job(
    "train_and_judge",
    selection=AssetSelection.assets(
        TRAINED_MODEL.name, MODEL_EVALUATION.name, MODEL_EXPLANATION.name
    ),
    description="Trains one cell of the grid, judges it on the test side and explains it.",
)
report_and_release: Final = define_asset_job(
    "report_and_release",
    selection=AssetSelection.assets(RESULTS_REPORT.name, DATASET_RELEASE.name),
    description=(
        "Writes the report over all experiments and, if every check that guards it passes, the "
        "release candidate."
    ),
)
JOBS: Final = (train_and_judge, report_and_release)
