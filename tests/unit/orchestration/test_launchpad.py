import shutil
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance, Definitions, asset

from assets.catalogue import STAGES
from assets.run_choices import StageChoices
from assets.workspace import Workspace
from orchestration.definitions import configure_workspace, defs
from transforms.settings import RuntimeSettings

ROOT = Path(__file__).parent.parent.parent.parent


def schema_of(job):
    """Return the launchpad's fields with help, by name, and the text it starts with."""
    from dagster._core.snap.job_snapshot import JobSnap

    snapshot = JobSnap.from_job_def(job)
    return snapshot.config_schema_snapshot, snapshot.mode_def_snaps[0].root_config_key


def offered(definitions):
    """Return what the launchpad is filled with when it opens."""
    schema, root_key = schema_of(definitions.resolve_implicit_global_asset_job_def())
    root = schema.get_config_snap(root_key)
    return {
        field.name: yaml.safe_load(field.default_value_as_json_str)
        for field in root.fields
        if field.default_provided
    }


def helps(definitions):
    schema, _ = schema_of(definitions.resolve_implicit_global_asset_job_def())
    return {
        field.name: field.description
        for snap in schema.all_config_snaps_by_key.values()
        for field in snap.fields or []
    }


def test_every_asset_offers_force_with_a_help_text_and_off():
    filled = offered(defs)
    assert {stage.name for stage in STAGES} <= set(filled["ops"])
    for stage in STAGES:
        assert filled["ops"][stage.name]["config"] == {"force": False}
    for name in ("force", "worker_count", "device", "root"):
        assert len(helps(defs)[name]) > 20, name


def test_defaults_of_the_runtime_are_those_of_params_yaml(tmp_path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["runtime"] |= {"worker_count": 3, "device": "cpu"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    @asset(config_schema=StageChoices.to_fields_dict())
    def something(workspace: Workspace) -> None: ...

    resources = {"workspace": configure_workspace(str(tmp_path))}
    filled = offered(Definitions(assets=[something], resources=resources))
    chosen = filled["resources"]["workspace"]["config"]
    assert chosen == {"root": str(tmp_path), "worker_count": 3, "device": "cpu"}


@pytest.mark.parametrize("content", [None, "nonsense: 1\n", "{"])
def test_the_ui_opens_even_where_params_yaml_is_absent_or_wrong(tmp_path, content):
    if content is not None:
        (tmp_path / "params.yaml").write_text(content)
    workspace = configure_workspace(str(tmp_path))
    assert workspace.worker_count == RuntimeSettings().worker_count


def test_what_is_chosen_for_a_run_holds_for_that_run_only_and_changes_no_result(tmp_path):
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    seen = []

    @asset(config_schema=StageChoices.to_fields_dict())
    def something(context, workspace: Workspace) -> None:
        choices = StageChoices(**context.op_execution_context.op_config)
        seen.append((choices.force, workspace.settings))

    resources = {"workspace": configure_workspace(str(tmp_path))}
    job = Definitions(
        assets=[something], resources=resources
    ).resolve_implicit_global_asset_job_def()
    run_config = {
        "ops": {"something": {"config": {"force": True}}},
        "resources": {"workspace": {"config": {"worker_count": 5, "device": "cpu"}}},
    }
    with DagsterInstance.ephemeral() as instance:
        job.execute_in_process(run_config=run_config, instance=instance)
        job.execute_in_process(instance=instance)
    (forced, chosen), (plain, usual) = seen
    assert (forced, plain) == (True, False)
    assert (chosen.runtime.worker_count, chosen.runtime.device) == (5, "cpu")
    given = Workspace(root=str(tmp_path)).settings
    assert usual == given
    # Only what is left out of every fingerprint may differ.
    assert chosen.model_copy(update={"runtime": given.runtime}) == given
    assert "runtime" not in {name for stage in STAGES for name in stage.params}
