"""What runs by the clock: every published file is hashed once a night."""

from typing import Final

from dagster import (
    DefaultScheduleStatus,
    Failure,
    MetadataValue,
    OpExecutionContext,
    ScheduleDefinition,
    job,
    op,
)

from assets.stage import label
from assets.verification import find_damage, published_outputs
from assets.workspace import Workspace

_SHOWN: Final = 200


@op
def hash_published_files(context: OpExecutionContext, workspace: Workspace) -> None:
    """Hash every published file and compare it with its manifest; fail with the list."""
    problems, count = [], 0
    for stage, partition in published_outputs(workspace):
        found = find_damage(workspace, stage, partition)
        context.log.info(f"{label(stage, partition)}: {len(found) or 'no'} problem(s)")
        problems += found
        count += 1
    context.add_output_metadata({"outputs": count, "problems": len(problems)})
    if problems:
        more = f"\n… {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise Failure(
            f"{len(problems)} file(s) differ from their manifest; the first: {problems[0]}",
            metadata={
                "problems": MetadataValue.md("\n".join(f"- {p}" for p in problems[:_SHOWN]) + more),
                "what_to_do": "materialise the assets named with `force: true`, or `dvc checkout`",
            },
            allow_retries=False,
        )


@job(
    description=(
        "Hashes every published file and compares it with its manifest, as `gaitworks verify` "
        "does. It only reads."
    )
)
def verify_published_files() -> None:
    """Hash all that is published."""
    hash_published_files()


verify_every_night: Final = ScheduleDefinition(
    name="verify_every_night",
    job=verify_published_files,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Runs `verify_published_files` at 03:00 UTC. It only reads.",
)
