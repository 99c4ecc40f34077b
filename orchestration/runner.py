"""Runs stages from the command line through Dagster, skipping what is fresh."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    JobDefinition,
    RunsFilter,
)
from dagster._core.errors import (
    DagsterAssetCheckFailedError,
    DagsterExecutionInterruptedError,
)
from filelock import FileLock, Timeout

from assets.catalogue import ASSETS, SOURCE_SPECS, STAGES
from assets.checks import ALL_CHECKS
from assets.dvc_lock import pin_outputs
from assets.partitions import Partitioning
from assets.progress import LAUNCHED_BY_CLI, LAUNCHED_BY_TAG
from assets.stage import Stage, is_fresh, label
from assets.workspace import Workspace
from orchestration.instance import is_checked, mark_checked, open_instance
from orchestration.interrupts import watch_interrupts
from orchestration.partition_keys import register_partitions
from transforms.errors import GaitworksError, SettingsError
from transforms.suggestions import suggest

Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one partition of one stage."""

    stage: str
    partition: str | None
    is_built: bool
    seconds: float
    version: str


def select_stages(names: Sequence[str]) -> list[Stage]:
    """Return the named stages in the order of the lineage; none named means all.

    Raises:
        SettingsError: a name is not a stage.
    """
    known = {stage.name: stage for stage in STAGES}
    for name in names:
        if name not in known:
            fix = suggest(name, known, otherwise="name stages, or none to run all of them")
            raise SettingsError("no such stage", expected=", ".join(known), found=name, fix=fix)
    return [stage for stage in STAGES if not names or stage.name in names]


def partitions_to_run(
    workspace: Workspace, stage: Stage, partition: str | None
) -> list[str | None]:
    """Return the partitions of a stage that a request means.

    Raises:
        SettingsError: the stage has no such partition, or none at all exists.
    """
    if stage.partitioning is Partitioning.NONE:
        return [None]
    keys = workspace.partition_keys(stage.partitioning)
    if partition is not None and partition not in keys:
        raise SettingsError(
            f"{stage.name} has no such partition",
            expected=", ".join(keys) or "(none exist)",
            found=partition,
            fix="name the stages to run: `gaitworks run --partition KEY STAGE ...`",
        )
    if not keys:
        raise SettingsError(
            f"nothing to run for {stage.name}",
            where=workspace.path / "raw",
            expected="at least one folder with participants.csv, recordings.csv and videos/",
            fix="put your cohort there, or make a synthetic one with `gaitworks synth`",
        )
    return [partition] if partition else list(keys)


def run_stages(
    workspace: Workspace,
    stages: Sequence[Stage],
    *,
    partition: str | None = None,
    force: bool = False,
    report: Report,
) -> list[Outcome]:
    """Bring stages up to date, in order; what is fresh and checked is left alone.

    A partition that not every stage has is refused before any of them runs. One that fails does not
    keep the others of its stage from being built.

    Raises:
        GaitworksError: a stage or one of its blocking checks failed; later stages did not run.
    """
    outcomes: list[Outcome] = []
    runner = _Runner(workspace, force=force, report=report)
    with _lock_runs(workspace, report), closing(runner):
        plan = [(stage, partitions_to_run(workspace, stage, partition)) for stage in stages]
        for stage, keys in plan:
            failures: list[GaitworksError] = []
            for key in keys:
                try:
                    outcomes.append(runner.bring_up_to_date(stage, key))
                except GaitworksError as error:
                    report(f"✗ {label(stage, key)}: {error.what}")
                    failures.append(error)
            if failures:
                raise _sum_up(failures, stage, len(keys))
        pin_outputs(workspace, stages)
    return outcomes


class _Runner:
    """Runs one partition of one stage after the other; opens the instance only where it must."""

    def __init__(self, workspace: Workspace, *, force: bool, report: Report) -> None:
        self._workspace = workspace
        self._force = force
        self._report = report
        self._instance: DagsterInstance | None = None
        self._job: JobDefinition | None = None

    def bring_up_to_date(self, stage: Stage, key: str | None) -> Outcome:
        workspace, began = self._workspace, time.monotonic()
        is_current = is_fresh(workspace, stage, key) and is_checked(workspace, stage, key)
        if is_current and not self._force:
            self._report(f"✓ {label(stage, key)}: up to date")
        else:
            self._report(f"▶ {label(stage, key)}")
            self._run(stage, key)
            mark_checked(workspace, stage, key)
            self._report(f"✓ {label(stage, key)}: {time.monotonic() - began:.1f} s")
        return Outcome(
            stage=stage.name,
            partition=key,
            is_built=not is_current or self._force,
            seconds=round(time.monotonic() - began, 3),
            version=stage.version(workspace, key),
        )

    def close(self) -> None:
        if self._instance is not None:
            self._instance.dispose()

    def _run(self, stage: Stage, partition: str | None) -> None:
        instance = self._open_instance()
        try:
            with watch_interrupts() as raise_if_interrupted:
                self._resolve_job().execute_in_process(
                    asset_selection=[AssetKey(stage.name)],
                    instance=instance,
                    partition_key=partition,
                    tags={LAUNCHED_BY_TAG: LAUNCHED_BY_CLI},
                    run_config={
                        "ops": {stage.name: {"config": {"force": self._force}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                )
                raise_if_interrupted()
        except DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None  # Ctrl-C: no defect to show a traceback for
        except DagsterAssetCheckFailedError as error:
            raise GaitworksError(
                "a check that guards everything after it failed",
                where=label(stage, partition),
                found="; ".join(_failed_checks(instance, stage)),
                fix="mend that and run again; `gaitworks ui` shows the whole list under the "
                "asset's checks",
            ) from error

    def _resolve_job(self) -> JobDefinition:
        """Return the job that the UI's **Materialize** runs, too.

        The UI knows its name and shows such a run under the names of its assets.
        """
        if self._job is None:
            defs = Definitions(
                assets=[*SOURCE_SPECS, *ASSETS],
                asset_checks=list(ALL_CHECKS),
                resources={"workspace": self._workspace},
            )
            self._job = defs.resolve_implicit_global_asset_job_def()
        return self._job

    def _open_instance(self) -> DagsterInstance:
        if self._instance is None:
            self._instance = open_instance(self._workspace)
            _end_killed_runs(self._instance)
            register_partitions(self._instance, self._workspace)
        return self._instance


def _sum_up(failures: list[GaitworksError], stage: Stage, partition_count: int) -> GaitworksError:
    """Return one error for what failed of a stage; its other partitions are built."""
    first = failures[0]
    if len(failures) == 1:
        return first
    return type(first)(
        f"{len(failures)} of {partition_count} partitions of {stage.name} failed",
        found="; ".join(dict.fromkeys(str(error) for error in failures)),  # each reason once
        fix="see each above; the others are built, and the next run does only these",
    )


@contextmanager
def _lock_runs(workspace: Workspace, report: Report) -> Iterator[None]:
    """Let one command at a time run stages of a workspace; a second one waits and says so."""
    path = workspace.scratch / "locks" / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        report("another gaitworks command is running stages here; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _end_killed_runs(instance: DagsterInstance) -> None:
    """Close runs of commands that were killed.

    We hold the lock, so no other command is alive: whatever still counts as running is dead. Left
    alone it would hold its slot in a pool, and the next run would wait for it for ever.
    """
    unfinished = RunsFilter(
        tags={LAUNCHED_BY_TAG: LAUNCHED_BY_CLI},
        statuses=[DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED],
    )
    for run in instance.get_runs(unfinished):
        instance.report_run_failed(run, "the command that ran this was killed")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _failed_checks(instance: DagsterInstance, stage: Stage) -> list[str]:
    keys = [key for check in ALL_CHECKS for key in check.check_keys]
    ours = [key for key in keys if key.asset_key.to_user_string() == stage.name]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(ours)
    evaluations = [record.evaluation for record in latest.values()]
    return [
        f"{evaluation.check_name}: {evaluation.description or 'failed'}"
        for evaluation in evaluations
        if isinstance(evaluation, AssetCheckEvaluation)
        and evaluation.blocking
        and not evaluation.passed
    ]
