"""Dagster's asset graph and `dvc.yaml` are one pipeline: stages, edges, outputs, parameters."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets.catalogue import STAGES
from assets.partitions import Partitioning, list_experiments
from assets.stage import PARTITION, Source, Stage
from transforms.settings import read_settings

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dvc_stages() -> Iterator[dict[str, Any]]:
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        yield {stage.addressing: stage for stage in repo.index.stages}


def dvc_names(stage: Stage) -> dict[str, str | None]:
    """Map each DVC stage of one of ours to its partition."""
    if stage.partitioning is not Partitioning.EXPERIMENT:
        return {stage.name: None}
    return {
        f"{stage.name}@{cell.model}-{cell.variant}-{cell.seed}": cell.key
        for cell in list_experiments(read_settings(ROOT / "params.yaml"))
    }


def dvc_output(stage: Stage | Source, partition: str | None) -> str:
    """Return the path DVC knows an output or source by: partitions share one directory."""
    if isinstance(stage, Source):
        return stage.folder
    if partition is not None:
        return stage.folder.replace(PARTITION, partition)
    return stage.folder.split("/" + PARTITION)[0]


def expected_deps(stage: Stage, partition: str | None) -> set[str]:
    same = {
        dvc_output(source, partition if source.partitioning is stage.partitioning else None)
        for source in stage.inputs
    }
    return same


def test_the_stages_are_the_same(dvc_stages: dict[str, Any]) -> None:
    assert set(dvc_stages) == {name for stage in STAGES for name in dvc_names(stage)}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_has_the_same_inputs_outputs_parameters_and_code_version(
    stage: Stage, dvc_stages: dict[str, Any]
) -> None:
    for name, partition in dvc_names(stage).items():
        theirs = dvc_stages[name]
        params = {key for dep in theirs.deps for key in getattr(dep, "params", [])}
        deps = {dep.def_path for dep in theirs.deps if not hasattr(dep, "params")}
        assert {out.def_path for out in theirs.outs} == {dvc_output(stage, partition)}
        assert deps == expected_deps(stage, partition)
        assert params == set(stage.params)
        assert re.match(
            rf"gaitworks run {stage.name} --code-version {re.escape(stage.code_version)}\b",
            theirs.cmd,
        )
        if partition is not None:
            assert theirs.cmd.endswith(f"--partition {partition}")


def test_the_edges_of_the_asset_graph_are_those_of_dvc() -> None:
    from dvc.repo import Repo

    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    ours = {
        (parent.to_user_string(), key.to_user_string())
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
        if graph.get(parent).is_materializable
    }
    with Repo(str(ROOT)) as repo:
        theirs = {
            (up.addressing.split("@")[0], down.addressing.split("@")[0])
            for down, up in repo.index.graph.edges
        }
    assert theirs == ours


def test_the_asset_graph_is_what_the_stages_say() -> None:
    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    for stage in STAGES:
        node = next(
            graph.get(key)
            for key in graph.get_all_asset_keys()
            if key.to_user_string() == stage.name
        )
        assert {key.to_user_string() for key in node.parent_keys} == {
            source.name for source in stage.inputs
        }
        assert node.code_version == stage.code_version
