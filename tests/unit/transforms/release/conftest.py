"""A small dataset with split and results, ready to be released, and everything changeable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from transforms.files import canonical_json, sha256_file
from transforms.manifest import directory_version, write_manifest
from transforms.progress import NoProgress
from transforms.release.build import ReleaseInputs, build_release
from transforms.release.settings import ReleaseSettings
from transforms.schemas import NEAR_DUPLICATES, NEAR_DUPLICATES_NAME, SPLIT, conform
from transforms.settings import ShardSettings, parse_settings
from transforms.shards.parquet import write_table
from transforms.shards.writer import write_shards

RECORDINGS = [
    {"participant_id": f"p00000{number:03x}", "label": label, "frames": 2 + number}
    for number, label in enumerate(["positive", "neutral", "negative", "negative", "negative"])
]
SIDES = ["train", "train", "train", "test", "unused"]


@pytest.fixture
def make_inputs(write_batch: Callable[..., Any], tmp_path: Path) -> Callable[..., ReleaseInputs]:
    """Return a function that makes the inputs of a release.

    `recordings` replaces the cohort; `sides` assigns its sequences in order; `split_columns`,
    `metrics`, `model`, `proof` and `settings` override parts.
    """

    def make(
        recordings: list[dict[str, Any]] | None = None,
        sides: list[str] | None = None,
        split_columns: dict[str, Any] | None = None,
        metrics: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        proof: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        codec: str = "binary",
        batch_id: str = "batch_001",
    ) -> ReleaseInputs:
        dataset = tmp_path / "dataset"
        dataset.mkdir()
        batch = write_batch(batch_id, recordings or RECORDINGS)
        shards = ShardSettings.model_validate({"sequences_per_shard": 2, "codec": codec})
        facts = write_shards(
            [batch.intake], [batch.extraction], shards, dataset, progress=NoProgress()
        )
        write_manifest(dataset, kind="silhouette_shards", facts=facts)
        splits = _write_splits(
            tmp_path / "splits",
            dataset,
            SIDES if sides is None else sides,
            split_columns or {},
            proof or {},
        )
        evaluation = tmp_path / "evaluation"
        evaluation.mkdir()
        lineage = {
            "dataset_version": directory_version(dataset),
            "split_sha256": sha256_file(splits / "split.parquet"),
        }
        document = _metrics("sconet-ratio_1_1_2-seed_0") | lineage | (metrics or {})
        (evaluation / "metrics.json").write_bytes(canonical_json(document))
        write_manifest(evaluation, kind="model_evaluation", facts={})
        model_dir = tmp_path / "model"
        model_dir.mkdir()
        card = _card("sconet-ratio_1_1_2-seed_0") | lineage | (model or {})
        (model_dir / "model.json").write_bytes(canonical_json(card))
        write_manifest(model_dir, kind="trained_model", facts={})
        return ReleaseInputs(
            dataset_dir=dataset,
            splits_dir=splits,
            evaluation_dirs=[evaluation],
            model_dirs=[model_dir],
            release=ReleaseSettings(),
            settings=parse_settings({}).model_dump(mode="json") | (settings or {}),
        )

    return make


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that builds a release with its manifest and returns where it is."""

    def build(inputs: ReleaseInputs, name: str = "release") -> Path:
        output = tmp_path / name
        output.mkdir()
        facts = build_release(inputs, output)
        write_manifest(output, kind="dataset_release", facts=facts | {"lineage": {"stage": "x"}})
        return output

    return build


@pytest.fixture
def release(make_inputs: Callable[..., ReleaseInputs], publish: Callable[..., Path]) -> Path:
    """A finished release of the standard inputs."""
    return publish(make_inputs())


def _write_splits(
    directory: Path, dataset: Path, sides: list[str], columns: dict[str, Any], proof: dict[str, Any]
) -> Path:
    directory.mkdir()
    index = pl.read_parquet(dataset / "index.parquet")
    split = (
        index.select("sequence_id", "participant_id", "label")
        .with_columns(
            dataset_version=pl.lit(directory_version(dataset)),
            protocol=pl.lit("by_hand"),
            variant=pl.lit("ratio_1_1_2"),
            side=pl.Series(sides),
        )
        .with_columns(**columns)
    )
    write_table(conform(split, SPLIT, where="split"), directory / "split.parquet")
    (directory / "proof.json").write_bytes(canonical_json({"protocol": "by_hand"} | proof))
    write_table(NEAR_DUPLICATES.empty_table(), directory / NEAR_DUPLICATES_NAME)
    facts = {"rows": {"split.parquet": split.height}}
    write_manifest(directory, kind="participant_splits", facts=facts)
    return directory


def _card(experiment: str) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "model": "sconet",
        "variant": "ratio_1_1_2",
        "seed": 0,
        "labels": ["negative", "neutral", "positive"],
        "input": {"height_px": 64, "width_px": 44, "range": [0, 1]},
        "losses": ["cross_entropy"],
        "parameter_count": 4468,
        "weights_sha256": "0" * 64,
        "training": {"steps": 4},
        "train": {"participants": 3, "sequences": 3},
        "chosen": {"step": 4, "reason": "the last of equals"},
    }


def _metrics(experiment: str) -> dict[str, Any]:
    figure = {"value": 0.75, "low": 0.5, "high": 0.9}
    unit = {
        "count": 4,
        "participants": 4,
        "labels": ["negative", "neutral", "positive"],
        "confusion": [[2, 0, 0], [0, 0, 1], [0, 0, 1]],
        "metrics": {
            "accuracy": figure,
            "macro_f1": figure,
            "any_abnormality/sensitivity": figure,
            "any_abnormality/specificity": {"value": None, "reason": "no negative was tested"},
        },
    }
    return {
        "experiment": experiment,
        "model": "sconet",
        "variant": "ratio_1_1_2",
        "seed": 0,
        "units": {"participant": unit, "sequence": unit},
    }
