"""A dataset or release as the tree that OpenGait trains on, with partitions, list and a README.

The tree is only what its loader looks for: everything else lies beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.files import canonical_json, sha256_file
from transforms.interchange.export_readme import render_readme
from transforms.interchange.pickled_array import encode_pickled_array
from transforms.interchange.sequence_files import SIZE_PX
from transforms.interchange.sequence_list import LIST_NAME, Listed, encode_sequence_list
from transforms.interchange.tree import VIEW
from transforms.labels import SCHEMES, find_scheme
from transforms.progress import Progress
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.webdataset import SEQUENCE_ID
from transforms.splits.load import load_split
from transforms.splits.partition_file import LISTS

TREE_NAME: Final = "silhouettes"
PARTITION_FOLDER: Final = "partitions"
SPLIT_NAME: Final = "split.parquet"
_RELEASE_SPLIT: Final = Path("splits") / SPLIT_NAME
_RELEASED_DATASET: Final = Path("lineage") / "dataset.json"
_SIDES: Final = {name: LISTS[name] for name in ("TRAIN_SET", "TEST_SET", "SELECTION_SET")}
"""OpenGait reads the first two; the sequences for choosing among models are in neither."""


def export_tree(
    directory: Path, output: Path, *, split: Path | None, progress: Progress
) -> dict[str, Any]:
    """Write `silhouettes/<sequence>/<label>/<view>/<view>.pkl` and what belongs to it.

    Equal datasets and splits give equal bytes. 64x44 silhouettes get ten empty columns on each
    side, which OpenGait cuts off again.

    Args:
        directory: a dataset or a release.
        output: an empty folder.
        split: `split.parquet` of that dataset; None: the one in the release, if there is one.
        progress: advanced once per sequence.

    Returns:
        Facts for the manifest.

    Raises:
        InputError: a name in the index can't be that of a folder.
        IntegrityError: the dataset is damaged, or the split belongs to another.
    """
    dataset = open_dataset(directory)
    rows = dataset.index.sort("sequence_id")
    _check_names(rows, directory)
    partitions = _read_partitions(directory, dataset, split)
    progress.start("writing the tree", rows.height)
    for sequence_id, label, view in rows.select("sequence_id", "label", "view").iter_rows():
        folder = output / TREE_NAME / sequence_id / label / view
        folder.mkdir(parents=True)
        where = f"{directory}, sequence {sequence_id}"
        silhouettes = _widen(dataset.read(sequence_id), where=where)
        (folder / f"{view}.pkl").write_bytes(encode_pickled_array(silhouettes))
        progress.advance(1, sequence_id)
    for variant, partition in partitions.items():
        path = output / PARTITION_FOLDER / f"{variant}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(canonical_json(partition))
    (output / LIST_NAME).write_bytes(encode_sequence_list(_list_sequences(rows)))
    scheme = find_scheme(rows["label"], where=directory)
    counts = {label: rows.filter(pl.col("label") == label).height for label in scheme.diagnoses}
    participants = rows["participant_id"].n_unique()
    (output / "README.txt").write_text(
        render_readme(dataset.version, scheme, counts, participants, partitions), encoding="utf-8"
    )
    return {
        "dataset_version": dataset.version,
        "sequences": counts,
        "participants": participants,
        "partitions": {
            variant: {side: len(names) for side, names in partition.items()}
            for variant, partition in partitions.items()
        },
    }


def _check_names(rows: pl.DataFrame, directory: Path) -> None:
    """Make sure that no name of the index leads anywhere but to a folder of its own."""
    for row in rows.select("sequence_id", "label", "view").iter_rows(named=True):
        is_good = (
            SEQUENCE_ID.fullmatch(row["sequence_id"])
            and VIEW.fullmatch(row["view"])
            and any(row["label"] in scheme.diagnoses for scheme in SCHEMES)
        )
        if not is_good:
            raise InputError(
                "the index holds a name that can't be a folder's",
                where=directory,
                expected="letters (a-z), digits, - and _, and a known label",
                found=ascii(tuple(row.values())),
            )
    folded = rows["sequence_id"].str.to_lowercase()
    if folded.n_unique() < rows.height:
        names = rows.filter(folded.is_duplicated())["sequence_id"].to_list()
        raise InputError(
            "sequences differ only by case, and would share a folder on some systems",
            where=directory,
            found=", ".join(names[:4]),
        )


def _read_partitions(
    directory: Path, dataset: SilhouetteDataset, split: Path | None
) -> dict[str, dict[str, list[str]]]:
    path = split or directory / _RELEASE_SPLIT
    if split is None and not path.is_file():
        return {}
    released = directory / _RELEASED_DATASET
    table = load_split(path, sha256_file(released) if released.is_file() else dataset.version)
    partitions = {}
    for (variant,), rows in sorted(table.group_by("variant"), key=lambda group: str(group[0][0])):
        if not VIEW.fullmatch(str(variant)):
            raise InputError("a variant's name can't be a file's", where=path, found=ascii(variant))
        partitions[str(variant)] = {
            name: sorted(rows.filter(pl.col("side") == side)["sequence_id"])
            for name, side in _SIDES.items()
        }
    return partitions


def _list_sequences(rows: pl.DataFrame) -> Mapping[str, Listed]:
    columns = ("sequence_id", "participant_id", "session", "fps")
    return {
        sequence_id: Listed(participant_id, session, fps)
        for sequence_id, participant_id, session, fps in rows.select(columns).iter_rows()
    }


def _widen(silhouettes: NDArray[np.uint8], *, where: str) -> NDArray[np.uint8]:
    height, width = silhouettes.shape[1:]
    if height != SIZE_PX or width > SIZE_PX or width % 2:
        raise InputError(
            "silhouettes of a size that the tree has no place for",
            where=where,
            expected="64x64 or 64x44",
            found=f"{height}x{width}",
        )
    margin = (SIZE_PX - width) // 2
    return np.pad(silhouettes, ((0, 0), (0, 0), (margin, margin)))
