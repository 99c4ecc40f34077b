"""What a release is made from: where it lies, and what was read of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import IntegrityError
from transforms.labels import LabelScheme, find_scheme
from transforms.release.further_splits import FurtherSplit
from transforms.release.settings import ReleaseSettings

SPLIT_NAME: Final = "split.parquet"
PROOF_NAME: Final = "proof.json"
METRICS_NAME: Final = "metrics.json"


@dataclass(frozen=True)
class ReleaseInputs:
    """Where the parts of a release lie.

    Attributes:
        dataset_dir: the shards, with their manifest.
        splits_dir: the split of that dataset version, with its manifest.
        evaluation_dirs: one directory with `metrics.json` and a manifest per experiment.
        release: version, title, licence, creators.
        settings: the settings that made all of it, by section, as plain JSON values.
        model_dirs: one directory with `model.json` and a manifest per experiment that has a model
            to describe.
        lineage: what the caller will put under `lineage` into the manifest's facts; given here it
            is covered by the checksums too.
        clips_dir: the dual-view clips of that dataset version, with their manifest; of these the
            table alone is released, never a picture.
    """

    dataset_dir: Path
    splits_dir: Path
    evaluation_dirs: Sequence[Path]
    release: ReleaseSettings
    settings: Mapping[str, Any]
    model_dirs: Sequence[Path] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    clips_dir: Path | None = None


@dataclass(frozen=True)
class ReleaseMaterial:
    """What was read of the inputs, as far as it will be released.

    Attributes:
        dataset_version: the sha256 of the dataset's manifest.
        dataset_manifest: that manifest.
        index: schema `SEQUENCE_INDEX`.
        participants: schema `PARTICIPANTS`, exact values: to be binned before they leave.
        frames: schema `FRAMES`, the ledgers of released recordings only.
        split: schema `SPLIT`.
        near_duplicates: schema `NEAR_DUPLICATES`, as the split's maker found them.
        proof: the split's proof, as it may leave.
        further_splits: splits by other protocols.
        results: `metrics.json` of each experiment, in the order of the directories.
        models: `model.json` by experiment.
        settings: settings by section.
        clips: schema `CLIPS`; empty where nobody was filmed by two cameras at once.
    """

    dataset_version: str
    dataset_manifest: dict[str, Any]
    index: pl.DataFrame
    participants: pl.DataFrame
    frames: pl.DataFrame
    split: pl.DataFrame
    near_duplicates: pl.DataFrame
    proof: dict[str, Any]
    further_splits: tuple[FurtherSplit, ...]
    results: tuple[dict[str, Any], ...]
    models: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    clips: pl.DataFrame

    @property
    def scheme(self) -> LabelScheme:
        """The scheme of the labels."""
        return find_scheme(self.index["label"], where="index.parquet")


def read_json(path: Path) -> Any:  # plain JSON values
    """Read a JSON document of an input.

    Raises:
        IntegrityError: it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError("not a readable JSON file", where=path, found=error) from error
