"""A stage does not build on what failed a check that guards it, whichever way it is run.

Within one run Dagster itself stops what comes after a failed blocking check. Here the same holds
for a later run, in which only the stages downstream were chosen.
"""

from dagster import AssetCheckKey, AssetKey, DagsterInstance

from assets.check_results import failed_versions
from assets.stage import Stage, input_partitions, input_version, label
from assets.workspace import Workspace
from transforms.errors import RefusalError


def refuse_failed_inputs(
    instance: DagsterInstance, workspace: Workspace, stage: Stage, partition: str | None
) -> None:
    """Make sure that no input of a stage, as it is published now, failed a blocking check.

    Raises:
        RefusalError: one did; every such check is named.
        InputError: an input has not been built.
    """
    failed = []
    for source in stage.inputs:
        if isinstance(source, Stage) and (checks := _blocking_checks(source)):
            versions = {
                label(source, key): input_version(source, workspace, key)
                for key in input_partitions(workspace, source, stage, partition)
            }
            for check in checks:
                verdicts = failed_versions(instance, check)
                failed += [
                    f"{name}: {check.name}: {verdicts[name, version]}"
                    for name, version in versions.items()
                    if (name, version) in verdicts
                ]
    if failed:
        raise RefusalError(
            f"{len(failed)} check(s) that guard what {stage.name} is built from have failed",
            where=label(stage, partition),
            found="; ".join(failed),
            fix="mend the inputs named and build them again; their checks then run, too",
        )


def _blocking_checks(stage: Stage) -> list[AssetCheckKey]:
    # Late: the checks know the stages, and those are built through this module.
    from assets.checks import ALL_CHECKS

    specs = [spec for check in ALL_CHECKS for spec in check.check_specs]
    return [s.key for s in specs if s.blocking and s.asset_key == AssetKey(stage.name)]
