"""Splits: who is trained on, selected on and tested on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult

from assets.dataset import SILHOUETTE_SHARDS
from assets.materialise import Metadata, materialise
from assets.previews import (
    PICTURE_MAX_BYTES,
    describe_table,
    read_table,
    show_json,
    show_png,
    show_table,
)
from assets.sources import PARTITIONS
from assets.stage import Stage, stage_asset
from assets.workspace import Workspace
from transforms.layout import SPLITS_FOLDER
from transforms.processes import count_workers
from transforms.progress import Progress

PARTICIPANT_SPLITS: Final = Stage(
    name="participant_splits",
    folder=SPLITS_FOLDER,
    inputs=(PARTITIONS, SILHOUETTE_SHARDS),
    params=("splits",),
    code_version="3",
)


@stage_asset(
    PARTICIPANT_SPLITS,
    group="splits",
    kinds={"parquet", "ortools"},
    owner="research",
    is_automatic=True,
)
def participant_splits(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """Who is trained on, selected on and tested on, by the protocol that `params.yaml` names.

    No participant is on two sides, except by the protocol `sequence_wise`, which leaks on purpose
    and says so. `proof.json` holds what was asked for, what was reached, and the solver's proof;
    `near_duplicates.parquet` the sequences that look like one recording, for the audit.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.audit.inputs import leave_out_cleared
        from transforms.near_duplicates.search import find_near_duplicates
        from transforms.schemas import NEAR_DUPLICATES, NEAR_DUPLICATES_NAME, conform
        from transforms.shards.parquet import write_table
        from transforms.shards.reader import open_dataset
        from transforms.splits.build import build_splits

        dataset = open_dataset(SILHOUETTE_SHARDS.directory(workspace, None))
        facts: dict[str, Any] = build_splits(
            dataset.directory,
            workspace.settings.splits,
            output,
            partitions=PARTITIONS.directory(workspace, None),
        )
        pairs = find_near_duplicates(
            dataset,
            worker_count=count_workers(workspace.settings.runtime.worker_count),
            progress=progress,
        )
        pairs = leave_out_cleared(pairs, workspace.settings.splits.cleared_pairs)
        path = output / NEAR_DUPLICATES_NAME
        write_table(conform(pairs, NEAR_DUPLICATES, where=path), path)
        facts["rows"][NEAR_DUPLICATES_NAME] = pairs.height
        return facts

    return materialise(context, workspace, PARTICIPANT_SPLITS, build, _describe)


def _describe(directory: Path) -> Metadata:
    from transforms.describe.cohort_table import describe_folds, describe_sides
    from transforms.describe.plots import plot_differences, plot_split
    from transforms.describe.proof_tables import compare_sides, describe_goals, describe_requests
    from transforms.describe.split_facts import mark_of, shared_participants

    split = read_table(directory, "split.parquet")
    proof = json.loads((directory / "proof.json").read_bytes())
    mark = mark_of(split, proof)
    tabulate = describe_folds if proof["protocol"] == "k_fold" else describe_sides
    metadata: Metadata = {
        **describe_table(directory, "split.parquet"),
        "protocol": proof["protocol"],
        "variants": split["variant"].n_unique(),
        "participant_disjointness": proof["participant_disjointness"],
        "participants_on_two_sides": shared_participants(split)["participant_id"].n_unique(),
        "table": show_table(tabulate(split, proof)),
        "picture": show_png(
            plot_split(split, proof, max_bytes=PICTURE_MAX_BYTES), "what each side or fold holds"
        ),
        "proof": show_json(directory / "proof.json"),
    }
    if mark is not None:
        metadata["warning"] = f"{mark.short}. {mark.text}"
    if proof["problems"]:
        metadata["requested_and_achieved"] = show_table(describe_requests(proof["problems"]))
        metadata["goals"] = show_table(describe_goals(proof["problems"]))
    if not compare_sides(proof["balance"]).is_empty():
        metadata["differences"] = show_png(
            plot_differences(proof, max_bytes=PICTURE_MAX_BYTES), "how far sides differ from train"
        )
    return metadata
