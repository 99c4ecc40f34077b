"""Whether a video is one that a model learnt from: its answer would be memory, and no test.

A file is recognised by its bytes, so a copy that was cut or encoded again is not. No torch in here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.audit.inputs import SPLIT_NAME
from transforms.errors import IntegrityError
from transforms.files import sha256_file
from transforms.manifest import directory_version
from transforms.schemas import SEQUENCE_INDEX, SPLIT
from transforms.shards.parquet import read_table
from transforms.splits.split import SELECTION, TEST, TRAIN, UNUSED

_INDEX_NAME: Final = "index.parquet"
_INDEX_COLUMNS: Final = ["sequence_id", "participant_id", "video_sha256"]
_SPLIT_COLUMNS: Final = ["variant", "sequence_id", "participant_id", "side"]
_LEARNT_FROM: Final = (TRAIN, SELECTION)
_SIDES: Final = (*_LEARNT_FROM, TEST, UNUSED)
"""Of a video that is several sequences the first counts."""

Json = dict[str, Any]  # `Any`: JSON


def find_known(
    dataset: Path, splits: Path, card: Mapping[str, Any], sha256: str | None
) -> Json | None:
    """Return as what a model's dataset knows a video; None where it does not.

    Args:
        dataset: where the dataset that the model was trained on may lie.
        splits: where its split may lie.
        card: of the model.
        sha256: of the video; None is no video's.

    Returns:
        `reason` alone where the dataset is not at hand. Otherwise the sequence, its `side` in the
        model's variant, and `was_learnt_from`: whether any walk of its participant was trained on
        or chose the state that was kept; both null where the split is not at hand.

    Raises:
        IntegrityError: the index or the split is damaged.
    """
    if sha256 is None:
        return None
    try:
        version = directory_version(dataset)
    except IntegrityError:
        return {"reason": "the dataset that the model was trained on is not here"}
    if version != card["dataset_version"]:
        return {"reason": "the dataset here is not what the model was trained on"}
    index = pl.DataFrame(read_table(dataset / _INDEX_NAME, SEQUENCE_INDEX, _INDEX_COLUMNS))
    found = index.filter(video_sha256=sha256).sort("sequence_id")
    if found.is_empty():
        return None
    unplaced = {
        "sequence_id": found["sequence_id"][0],
        "variant": card["variant"],
        "side": None,
        "was_learnt_from": None,
    }
    path = splits / SPLIT_NAME
    if not path.is_file() or sha256_file(path) != card["split_sha256"]:
        return unplaced
    table = pl.DataFrame(read_table(path, SPLIT, _SPLIT_COLUMNS)).filter(variant=card["variant"])
    sides = dict(table.select("sequence_id", "side").iter_rows())
    placed = [(sides[name], name) for name in found["sequence_id"] if name in sides]
    if not placed:
        return unplaced
    side, name = min(placed, key=lambda one: (_SIDES.index(one[0]), one[1]))
    people = found["participant_id"].to_list()
    of_people = table.filter(pl.col("participant_id").is_in(people))["side"]
    learnt = bool(of_people.is_in(_LEARNT_FROM).any())
    return unplaced | {"sequence_id": name, "side": side, "was_learnt_from": learnt}
