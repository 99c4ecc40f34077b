"""Everything a report is made from, read once from the published directories.

A directory that does not exist yet is a part of the report that is missing, not an error; one that
exists but lacks a file of its contract is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.confounders.probe import probe_confounders
from transforms.confounders.results import Result, name_system
from transforms.describe.experiment_figures import read_history
from transforms.dual_view.files import CLIPS_NAME, PAIRS_NAME, REJECTS_NAME
from transforms.errors import IntegrityError
from transforms.explanation.results import SUMMARY_NAME, Explanation, read_explanation
from transforms.files import sha256_file
from transforms.labels import SCOLIOSIS, LabelScheme, find_scheme
from transforms.manifest import MANIFEST_NAME, directory_version, read_manifest
from transforms.schemas import NEAR_DUPLICATES_NAME
from transforms.settings import EvaluationSettings
from transforms.synth.origin import is_synthetic_cohort

# Everything of a sequence but its pixels.
_SEQUENCE_COLUMNS: Final = (
    "sequence_id",
    "participant_id",
    "recording_id",
    "label",
    "view",
    "frame_count",
    "quality_score",
)


@dataclass(frozen=True)
class ReportInputs:
    """Where the parts of a report lie.

    Attributes:
        title: the name of the cohort or run.
        intake_dirs: one published intake directory per batch.
        extraction_dirs: one published extraction directory per batch.
        dataset_dir: the shards, or None.
        splits_dir: the splits, or None.
        score_path: `score.json` of extraction against synthetic truth, or None.
        experiment_dirs: folders that hold `model/` and `evaluation/`.
        settings: the sections of the settings the run was made with.
        contact_sheet_limit: the most contact sheets of recordings to put into the page.
        clips_dir: the dual-view clips, or None.
    """

    title: str
    intake_dirs: Sequence[Path] = ()
    extraction_dirs: Sequence[Path] = ()
    dataset_dir: Path | None = None
    splits_dir: Path | None = None
    score_path: Path | None = None
    experiment_dirs: Sequence[Path] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    contact_sheet_limit: int = 48
    clips_dir: Path | None = None


@dataclass(frozen=True)
class Directory:
    """What the manifest of one published directory says."""

    name: str
    version: str
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Intake:
    """The intake of all batches; the tables have a column `batch_id`."""

    recordings: pl.DataFrame
    problems: pl.DataFrame


@dataclass(frozen=True)
class Extraction:
    """The extraction of all batches; the tables have a column `batch_id`."""

    recordings: pl.DataFrame
    frames: pl.DataFrame
    sequences: pl.DataFrame  # without the pixels
    directories: dict[str, Path]  # by batch


@dataclass(frozen=True)
class Dataset:
    """The tables beside the shards; `version` names them."""

    version: str
    index: pl.DataFrame
    participants: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class Clips:
    """The tables of the dual-view clips; at least one of pairs and rejects has rows."""

    clips: pl.DataFrame
    pairs: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class Splits:
    """The split table, its proof, the hash that experiments name, and copies among sequences."""

    split: pl.DataFrame
    proof: dict[str, Any]
    sha256: str
    near_duplicates: pl.DataFrame | None = None


@dataclass(frozen=True)
class Experiment:
    """One experiment: trained where there is a history, judged where there are metrics."""

    name: str
    history: pl.DataFrame | None
    metrics: dict[str, Any] | None
    predictions: pl.DataFrame | None = None

    def is_of(self, dataset: Dataset | None, splits: Splits | None) -> bool:
        """Tell whether it was judged on these; without either there is nothing to hold it to."""
        if self.metrics is None or dataset is None or splits is None:
            return self.metrics is not None
        lineage = (self.metrics["dataset_version"], self.metrics["split_sha256"])
        return lineage == (dataset.version, splits.sha256)


@dataclass(frozen=True)
class Material:
    """All parts; None or empty where a part is not there yet."""

    inputs: ReportInputs
    intake: Intake | None
    extraction: Extraction | None
    dataset: Dataset | None
    splits: Splits | None
    score: dict[str, Any] | None
    experiments: tuple[Experiment, ...]
    directories: tuple[Directory, ...]
    confounders: dict[str, Any] | None = None
    explanations: tuple[Explanation, ...] = ()
    clips: Clips | None = None  # None as well where nobody was filmed by two cameras at once

    @property
    def judged(self) -> list[dict[str, Any]]:
        """The metrics of the experiments that have been evaluated."""
        return [one.metrics for one in self.experiments if one.metrics is not None]

    @property
    def scheme(self) -> LabelScheme:
        """The scheme of the labels; that of scoliosis while there is no label yet."""
        labels: list[str] = []
        if self.dataset is not None:
            labels = self.dataset.index["label"].unique().to_list()
        elif self.splits is not None:
            labels = self.splits.split["label"].unique().to_list()
        elif self.judged:
            labels = self.judged[0]["units"]["participant"]["labels"]
        elif self.intake is not None:
            labels = self.intake.recordings["label"].drop_nulls().unique().to_list()
        return find_scheme(labels, where="report") if labels else SCOLIOSIS

    @property
    def is_synthetic(self) -> bool:
        """Whether the cohort came with synthetic truth, or as synthetic silhouettes."""
        index = self.dataset.index if self.dataset is not None else None
        return is_synthetic_cohort(index, has_truth=self.score is not None)


def gather(inputs: ReportInputs) -> Material:
    """Read all parts of a report.

    Raises:
        IntegrityError: a published directory lacks a file of its contract, or it is unreadable.
    """
    intake_dirs = _present(inputs.intake_dirs)
    extraction_dirs = _present(inputs.extraction_dirs)
    experiment_dirs = _present(inputs.experiment_dirs)
    stages = [(f"intake/{path.name}", path) for path in intake_dirs]
    stages += [(f"extraction/{path.name}", path) for path in extraction_dirs]
    clips = _gather_clips(inputs.clips_dir)
    stages += [
        (name, path)
        for name, path in (
            ("shards", inputs.dataset_dir),
            ("clips", inputs.clips_dir if clips is not None else None),
            ("splits", inputs.splits_dir),
        )
        if path is not None
    ]
    stages += [
        (f"experiments/{path.name}/{part}", path / part)
        for path in experiment_dirs
        for part in ("model", "evaluation", "explanation")
    ]
    intake = _gather_intake(intake_dirs) if intake_dirs else None
    dataset = _gather_dataset(inputs.dataset_dir)
    splits = _gather_splits(inputs.splits_dir)
    experiments = tuple(_gather_experiment(path) for path in experiment_dirs)
    return Material(
        inputs=inputs,
        intake=intake,
        confounders=_probe(inputs, intake, dataset, splits, experiments),
        extraction=_gather_extraction(extraction_dirs) if extraction_dirs else None,
        dataset=dataset,
        clips=clips,
        splits=splits,
        score=_gather_score(inputs.score_path),
        experiments=experiments,
        explanations=tuple(
            read_explanation(path / "explanation", path.name)
            for path in experiment_dirs
            if (path / "explanation" / SUMMARY_NAME).is_file()
        ),
        directories=tuple(
            Directory(name, directory_version(path), read_manifest(path))
            for name, path in stages
            if (path / MANIFEST_NAME).is_file()
        ),
    )


def _present(directories: Sequence[Path]) -> list[Path]:
    return sorted((path for path in directories if path.is_dir()), key=lambda path: path.name)


def _gather_intake(directories: list[Path]) -> Intake:
    return Intake(
        recordings=pl.concat(_read_table(path, "recordings.parquet") for path in directories),
        problems=pl.concat(
            _read_table(path, "problems.parquet").select(
                pl.lit(path.name).alias("batch_id"), pl.all()
            )
            for path in directories
        ),
    )


def _gather_extraction(directories: list[Path]) -> Extraction:
    def read_all(name: str, columns: tuple[str, ...] | None = None) -> pl.DataFrame:
        return pl.concat(
            _read_table(path, name, columns).select(pl.lit(path.name).alias("batch_id"), pl.all())
            for path in directories
        )

    return Extraction(
        recordings=read_all("recordings.parquet"),
        frames=read_all("frames.parquet", ("recording_id", "frame_index", "status", "reason")),
        sequences=read_all("sequences.parquet", _SEQUENCE_COLUMNS),
        directories={path.name: path for path in directories},
    )


def _gather_dataset(directory: Path | None) -> Dataset | None:
    if directory is None or not directory.is_dir():
        return None
    return Dataset(
        version=directory_version(directory),
        index=_read_table(directory, "index.parquet"),
        participants=_read_table(directory, "participants.parquet"),
        rejects=_read_table(directory, "rejects.parquet"),
    )


def _gather_clips(directory: Path | None) -> Clips | None:
    if directory is None or not directory.is_dir():
        return None
    found = Clips(
        *(_read_table(directory, name) for name in (CLIPS_NAME, PAIRS_NAME, REJECTS_NAME))
    )
    return None if found.pairs.is_empty() and found.rejects.is_empty() else found


def _gather_splits(directory: Path | None) -> Splits | None:
    if directory is None or not directory.is_dir():
        return None
    return Splits(
        split=_read_table(directory, "split.parquet"),
        proof=_read_json(directory / "proof.json"),
        sha256=sha256_file(directory / "split.parquet"),
        near_duplicates=_read_table(directory, NEAR_DUPLICATES_NAME),
    )


def _gather_score(path: Path | None) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    score = _read_json(path)
    return score if score.get("available") else None


def _gather_experiment(directory: Path) -> Experiment:
    history_path = directory / "model" / "history.csv"
    metrics_path = directory / "evaluation" / "metrics.json"
    evaluation, predictions = directory / "evaluation", "predictions.parquet"
    return Experiment(
        name=directory.name,
        history=read_history(history_path) if history_path.is_file() else None,
        metrics=_read_json(metrics_path) if metrics_path.is_file() else None,
        predictions=(
            _read_table(evaluation, predictions) if (evaluation / predictions).is_file() else None
        ),
    )


def _probe(
    inputs: ReportInputs,
    intake: Intake | None,
    dataset: Dataset | None,
    splits: Splits | None,
    experiments: Sequence[Experiment],
) -> dict[str, Any] | None:
    if dataset is None or splits is None:
        return None
    evaluation = EvaluationSettings.model_validate(inputs.settings.get("evaluation", {}))
    results = [
        Result(
            one.name,
            one.metrics["variant"],
            one.predictions,
            name_system(one.metrics["model"], one.metrics["seed"]),
        )
        for one in experiments
        if one.metrics is not None and one.predictions is not None and one.is_of(dataset, splits)
    ]
    return probe_confounders(
        dataset.index,
        dataset.participants,
        intake.recordings if intake else None,
        splits.split,
        seed=evaluation.seed,
        resamples=evaluation.bootstrap_resamples,
        confidence=evaluation.confidence,
        results=results,
    )


def _read_table(directory: Path, name: str, columns: tuple[str, ...] | None = None) -> pl.DataFrame:
    try:
        return pl.read_parquet(directory / name, columns=list(columns) if columns else None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise IntegrityError(
            "a table of a published directory can't be read",
            where=f"{directory.name}/{name}",
            found=error,
            fix="build the directory again",
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError(
            "a file of a published directory can't be read",
            where=f"{path.parent.name}/{path.name}",
            found=error,
            fix="build the directory again",
        ) from error
    if not isinstance(value, dict):
        raise IntegrityError("not a JSON object", where=f"{path.parent.name}/{path.name}")
    return value
