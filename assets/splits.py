"""Splits: who is trained on, selected on and tested on, for every class ratio."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue

from assets.dataset import SILHOUETTE_SHARDS
from assets.materialise import Metadata, materialise
from assets.previews import PICTURE_MAX_BYTES, read_table, show_png, show_table
from assets.stage import Stage, stage_asset
from assets.workspace import Workspace
from transforms.progress import Progress

PARTICIPANT_SPLITS: Final = Stage(
    name="participant_splits",
    folder="data/splits",
    inputs=(SILHOUETTE_SHARDS,),
    params=("splits",),
    code_version="1",
)


@stage_asset(PARTICIPANT_SPLITS, group="splits", kinds={"parquet", "scipy"}, owner="research")
def participant_splits(
    context: AssetExecutionContext, workspace: Workspace
) -> MaterializeResult[None]:
    """One test set and one selection set for all class ratios, and a training set for each ratio.

    No participant is ever on two sides. Training sets have one size; the smaller sets of a class
    are nested in the larger. `proof.json` holds the solver's verdict and the achieved counts.
    """

    def build(output: Path, progress: Progress) -> Mapping[str, Any]:
        from transforms.splits.build import build_splits

        facts: dict[str, Any] = build_splits(
            SILHOUETTE_SHARDS.directory(workspace, None), workspace.settings.splits, output
        )
        return facts

    return materialise(context, workspace, PARTICIPANT_SPLITS, build, _describe)


def _describe(directory: Path) -> Metadata:
    from transforms.describe.cohort_table import describe_split
    from transforms.describe.plots import plot_split

    split = read_table(directory, "split.parquet")
    return {
        "variants": split["variant"].n_unique(),
        "table": show_table(describe_split(split)),
        "picture": show_png(
            plot_split(split, max_bytes=PICTURE_MAX_BYTES), "participants per class and side"
        ),
        "proof": MetadataValue.json(json.loads((directory / "proof.json").read_bytes())),
    }
