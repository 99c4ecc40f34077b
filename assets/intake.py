"""Intake: a batch's tables validated and its videos probed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult

from assets.materialise import Metadata, materialise
from assets.partitions import Partitioning
from assets.previews import count_by, describe_table, read_table, show_columns, show_table
from assets.sources import RAW_COHORT
from assets.stage import Stage, stage_asset
from assets.workspace import Workspace
from transforms.processes import count_workers
from transforms.progress import Progress

INTAKE_REGISTER: Final = Stage(
    name="intake_register",
    folder="data/intake/{partition}",
    inputs=(RAW_COHORT,),
    params=("intake",),
    code_version="2",
    partitioning=Partitioning.INTAKE_BATCH,
)


@stage_asset(
    INTAKE_REGISTER,
    group="intake",
    kinds={"parquet", "python"},
    owner="data-management",
    is_automatic=True,
)
def intake_register(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Who and what is in the batch, which videos are usable, and everything that is wrong with it.

    Every row of `participants.csv` and `recordings.csv` is checked and every video is probed. A bad
    row or video is refused with its reason and the rest of the batch goes on.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.intake.batch import take_in_batch

        take_in_batch(
            RAW_COHORT.directory(workspace, context.partition_key),
            workspace.settings.intake,
            output,
            worker_count=count_workers(workspace.settings.runtime.worker_count),
            progress=progress,
        )
        return {}

    return materialise(context, workspace, INTAKE_REGISTER, build, _describe)


def _describe(directory: Path) -> Metadata:
    recordings = read_table(directory, "recordings.parquet")
    problems = read_table(directory, "problems.parquet")
    return {
        **describe_table(directory, "recordings.parquet"),
        "participants": read_table(directory, "participants.parquet").height,
        "recordings": recordings.height,
        "accepted": recordings.filter(recordings["verdict"] == "accepted").height,
        "problems": problems.height,
        "verdicts": show_table(count_by(recordings, "verdict", "reason_code")),
        "first_problems": show_table(problems),
        "participants_columns": show_columns(directory / "participants.parquet"),
    }
