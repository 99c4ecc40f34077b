"""What must hold of each intake batch, from its tables to its silhouettes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    asset_check,
)

from assets.check_results import judge
from assets.extraction import EXTRACTION_SCORE, SILHOUETTE_SEQUENCES
from assets.intake import INTAKE_REGISTER
from assets.previews import PICTURE_MAX_BYTES, read_table, show_png, show_table
from assets.workspace import Workspace

_MIN_ACCEPTED_FRACTION: Final = 0.5


@asset_check(asset=INTAKE_REGISTER.name, blocking=True)
def intake_tables_meet_their_contract(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The register's tables have exactly the columns, types and values they promise."""
    from transforms.errors import InputError
    from transforms.schemas import PARTICIPANTS, PROBLEMS, RECORDINGS, conform

    def find_breaches(directory: Path) -> list[str]:
        breaches = []
        for name, schema in (
            ("participants.parquet", PARTICIPANTS),
            ("recordings.parquet", RECORDINGS),
            ("problems.parquet", PROBLEMS),
        ):
            try:
                conform(read_table(directory, name), schema, where=f"{directory.name}/{name}")
            except InputError as error:
                breaches.append(str(error))
        return breaches

    return judge(context, workspace, INTAKE_REGISTER, find_breaches)


@asset_check(asset=INTAKE_REGISTER.name)
def most_recordings_are_usable(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """At least half of the batch's recordings are accepted; less hints at a wrong export."""

    def find_losses(directory: Path) -> list[str]:
        verdicts = read_table(directory, "recordings.parquet")["verdict"]
        accepted = int((verdicts == "accepted").sum())
        if accepted >= _MIN_ACCEPTED_FRACTION * len(verdicts):
            return []
        return [f"{directory.name}: {accepted} of {len(verdicts)} recordings are accepted"]

    severity = AssetCheckSeverity.WARN
    return judge(context, workspace, INTAKE_REGISTER, find_losses, severity=severity)


@asset_check(asset=SILHOUETTE_SEQUENCES.name, blocking=True)
def every_frame_is_accounted_for(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """Each decoded frame is kept or dropped with a reason, and each kept one is in a sequence."""
    from transforms.extract.ledger import find_ledger_gaps

    def find_gaps(directory: Path) -> list[str]:
        return find_ledger_gaps(
            read_table(directory, "frames.parquet"), read_table(directory, "recordings.parquet")
        )

    return judge(context, workspace, SILHOUETTE_SEQUENCES, find_gaps)


@asset_check(asset=SILHOUETTE_SEQUENCES.name)
def quality_is_like_the_other_batches(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """The batch's silhouettes are like those of the other batches: size, sharpness, losses.

    A measure is reported where the Kolmogorov-Smirnov test tells the batch from the others (one
    false alarm in 100 batches) and the medians are a standard deviation apart. It only warns.
    """
    import polars as pl

    from transforms.audit.drift import compare_batch, measure_people
    from transforms.describe.batch_figures import plot_batch

    shown: dict[str, Any] = {}  # `Any`: Dagster takes values of many kinds
    keys = workspace.partition_keys(SILHOUETTE_SEQUENCES.partitioning)
    built = {key: SILHOUETTE_SEQUENCES.directory(workspace, key) for key in keys}
    people = {
        key: measure_people(
            read_table(directory, "recordings.parquet"), read_table(directory, "frames.parquet")
        )
        for key, directory in built.items()
        if directory.exists()
    }

    def find_drift(directory: Path) -> list[str]:
        batch = people[directory.name]
        others = [table for key, table in people.items() if key != directory.name]
        if not others:
            return []
        cohort = pl.concat(others)
        compared = compare_batch(batch, cohort)
        # Of a check over all batches the last one is shown.
        shown["measures"] = show_table(pl.DataFrame([asdict(one) for one in compared]))
        picture = plot_batch(batch, cohort, max_bytes=PICTURE_MAX_BYTES)
        shown["picture"] = show_png(picture, f"people of {directory.name} beside the others")
        return [one.say(directory.name) for one in compared if one.is_drift]

    severity = AssetCheckSeverity.WARN
    return judge(
        context, workspace, SILHOUETTE_SEQUENCES, find_drift, severity=severity, metadata=shown
    )


@asset_check(asset=EXTRACTION_SCORE.name)
def the_right_person_is_followed(
    context: AssetCheckExecutionContext, workspace: Workspace
) -> AssetCheckResult:
    """On a synthetic cohort every target is the participant, or the recording is quarantined."""

    def find_mistakes(directory: Path) -> list[str]:
        score = json.loads((directory / "score.json").read_bytes())
        return [
            f"{entry['recording_id']}: another person was followed"
            for entry in score["recordings"]
            if entry["right_person"] is False
        ]

    return judge(context, workspace, EXTRACTION_SCORE, find_mistakes)


BATCH_CHECKS: Final[tuple[AssetChecksDefinition, ...]] = (
    intake_tables_meet_their_contract,
    most_recordings_are_usable,
    every_frame_is_accounted_for,
    quality_is_like_the_other_batches,
    the_right_person_is_followed,
)
