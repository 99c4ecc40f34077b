"""A small hand-made workspace with every part a report is made from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from transforms.describe.gather import ReportInputs
from transforms.files import canonical_json, sha256_file
from transforms.labels import SCOLIOSIS_LABELS
from transforms.manifest import write_manifest
from transforms.schemas import (
    EXTRACTED_RECORDINGS,
    FRAMES,
    NEAR_DUPLICATES,
    NEAR_DUPLICATES_NAME,
    PARTICIPANTS,
    PROBLEMS,
    RECORDINGS,
    REJECTS,
    SEQUENCE_INDEX,
    SEQUENCES,
    SPLIT,
    conform,
)
from transforms.shards.codec import BITS, encode_silhouettes
from transforms.shards.parquet import write_table

HOSTILE_ID = "p<script>alert('1')</script>&\"$x_{$"
HOSTILE_RECORDING = "R000b<img src=x onerror=alert(2)>"
VARIANTS = ("ratio_1_1_2", "ratio_1_1_4")
MODELS = ("sconet", "sconet_mt")
REASONS = ("no_detection", "area_jump", "cut_by_frame_edge")


@dataclass(frozen=True)
class Person:
    participant_id: str
    label: str
    recordings: tuple[str, ...]


def walk(frames: int, lean: int = 0) -> np.ndarray:
    """A stick figure that walks: (frame, 64, 44) uint8 {0, 255}."""
    rows, columns = np.mgrid[0:64, 0:44]
    pictures = []
    for frame in range(frames):
        swing = 9 * np.sin(2 * np.pi * frame / 25)
        middle = 22 + lean * (36 - rows) / 36
        body = (rows > 10) & (rows < 38) & (abs(columns - middle) < 7)
        head = (rows - 6) ** 2 + (columns - middle[6]) ** 2 < 30
        legs = np.zeros_like(body)
        for side in (1, -1):
            legs |= (rows >= 36) & (abs(columns - 22 - side * swing * (rows - 36) / 27) < 3)
        pictures.append(body | head | legs)
    return np.stack(pictures).astype(np.uint8) * 255


def write(frame: pl.DataFrame, schema: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(conform(frame, schema, where=path.name), path)


def rows_of(schema: Any, rows: list[dict[str, Any]]) -> pl.DataFrame:
    names = schema.names
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pl.DataFrame(columns).cast(dict(pl.from_arrow(schema.empty_table()).schema))


def make_people(count: int) -> list[Person]:
    people = []
    for number in range(count):
        name = HOSTILE_ID if number == 0 else f"P{number:03d}"
        sessions = 2 if number % 4 == 0 else 1
        recordings = tuple(f"R{number:03d}{'ab'[session]}" for session in range(sessions))
        if number == 0:
            recordings = (recordings[0], HOSTILE_RECORDING)
        people.append(Person(name, SCOLIOSIS_LABELS[number % 3], recordings))
    return people


def make_workspace(
    root: Path,
    *,
    people_count: int = 9,
    frame_count: int = 40,
    trained: tuple[str, ...] = VARIANTS[:1],
) -> ReportInputs:
    """Write every part below `root` and return the report's inputs."""
    rng = np.random.default_rng(0)
    people = make_people(people_count)
    data = root / "data"
    batches = {
        "batch_001": people[: people_count // 2],
        "batch_002": people[people_count // 2 :],
    }
    sequences: list[dict[str, Any]] = []
    participants: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    verdicts: dict[str, str] = {}
    for batch, members in batches.items():
        own_people, own_recordings, own_frames, own_extracted, own_sequences = [], [], [], [], []
        for place, person in enumerate(members):
            own_people.append(
                {
                    "participant_id": person.participant_id,
                    "label": person.label,
                    "sex": "FM"[place % 2],
                    "age_years": round(14 + rng.normal(), 1),
                    "height_cm": round(161 + 7 * rng.normal(), 1),
                    "weight_kg": round(48 + 8 * rng.normal(), 1),
                }
            )
            for recording in person.recordings:
                is_last = person is people[-1]
                common = {
                    "recording_id": recording,
                    "participant_id": person.participant_id,
                    "batch_id": batch,
                    "label": person.label,
                    "view": "side",
                    "fps": 25.0,
                    "frame_count": frame_count,
                }
                is_broken = is_last and recording == person.recordings[-1]
                own_recordings.append(
                    common
                    | {
                        "file": f"{recording}.mp4",
                        "codec": "h264",
                        "duration_s": frame_count / 25,
                        "verdict": "rejected" if is_broken else "accepted",
                        "reason_code": "unreadable" if is_broken else None,
                        "reason": "no frame can be decoded" if is_broken else None,
                    }
                )
                if is_broken:
                    rejects.append(own_recordings[-1] | {"stage": "intake"})
                    continue
                is_quarantined = place == 0 and recording == person.recordings[0]
                verdict = "quarantined" if is_quarantined else "accepted"
                verdicts[recording] = verdict
                dropped = set(rng.choice(frame_count, size=rng.integers(0, 6), replace=False))
                if is_quarantined:
                    dropped = set(range(frame_count))
                kept = [index for index in range(frame_count) if index not in dropped]
                own_frames += [
                    {
                        "recording_id": recording,
                        "frame_index": index,
                        "pts_s": index / 25,
                        "status": "dropped" if index in dropped else "kept",
                        "reason": (
                            "target_unsure"
                            if is_quarantined
                            else REASONS[index % 3]
                            if index in dropped
                            else None
                        ),
                        "sequence_index": None if index in dropped else kept.index(index),
                    }
                    for index in range(frame_count)
                ]
                own_extracted.append(
                    {
                        "recording_id": recording,
                        "participant_id": person.participant_id,
                        "verdict": verdict,
                        "reason_code": "target_unsure" if is_quarantined else None,
                        "reason": "two tracks fit equally well" if is_quarantined else None,
                        "frame_count": frame_count,
                        "kept_frame_count": len(kept),
                        "extraction_key": "k" * 8,
                    }
                )
                if is_quarantined:
                    rejects.append(own_extracted[-1] | {"batch_id": batch, "stage": "extraction"})
                    continue
                lean = 3 * SCOLIOSIS_LABELS.index(person.label)
                silhouettes = walk(frame_count, lean)[kept]
                own_sequences.append(
                    common
                    | {
                        "sequence_id": recording,
                        "frame_count": len(kept),
                        "height_px": 64,
                        "width_px": 44,
                        "codec": BITS,
                        "frame_index": kept,
                        "pts_s": [index / 25 for index in kept],
                        "extraction_key": "k" * 8,
                        "silhouettes": encode_silhouettes(silhouettes, BITS, 3),
                    }
                )
        problems = [
            {
                "file": "participants.csv",
                "row": 4,
                "column": "age_years",
                "value": "<b>141</b>",
                "expected": "0 to 120",
                "code": "out_of_range",
                "message": "age is not plausible",
                "severity": "error",
            }
        ]
        intake, extraction = data / "intake" / batch, data / "extraction" / batch
        write(rows_of(PARTICIPANTS, own_people), PARTICIPANTS, intake / "participants.parquet")
        write(rows_of(RECORDINGS, own_recordings), RECORDINGS, intake / "recordings.parquet")
        write(
            rows_of(PROBLEMS, problems if batch == "batch_001" else []),
            PROBLEMS,
            intake / "problems.parquet",
        )
        write(rows_of(FRAMES, own_frames), FRAMES, extraction / "frames.parquet")
        write(rows_of(SEQUENCES, own_sequences), SEQUENCES, extraction / "sequences.parquet")
        write(
            rows_of(EXTRACTED_RECORDINGS, own_extracted),
            EXTRACTED_RECORDINGS,
            extraction / "recordings.parquet",
        )
        for directory in (intake, extraction):
            facts = {"lineage": {"code_version": "1", "inputs": {}}}
            write_manifest(directory, kind=directory.parent.name, facts=facts)
        participants += own_people
        sequences += own_sequences
    version = _write_dataset(data / "shards", participants, sequences, rejects)
    split_sha256 = _write_splits(data / "splits", version, sequences)
    _write_score(data / "score" / "score.json", verdicts)
    experiments = [
        _write_experiment(data / "experiments", model, variant, version, split_sha256)
        for model in MODELS
        for variant in trained
    ]
    return ReportInputs(
        title="Synthetic gait silhouettes",
        intake_dirs=[data / "intake" / batch for batch in batches],
        extraction_dirs=[data / "extraction" / batch for batch in batches],
        dataset_dir=data / "shards",
        splits_dir=data / "splits",
        score_path=data / "score" / "score.json",
        experiment_dirs=experiments,
        settings={
            "evaluation": {"bootstrap_resamples": 2000, "confidence": 0.95},
            "splits": {"seed": 2026, "ratios": list(VARIANTS)},
        },
    )


def _write_dataset(
    directory: Path,
    participants: list[dict[str, Any]],
    sequences: list[dict[str, Any]],
    rejects: list[dict[str, Any]],
) -> str:
    present = {row["participant_id"] for row in sequences}
    people = [row for row in participants if row["participant_id"] in present]
    rows = [row | {"shard": "sequences/0.parquet", "row": n} for n, row in enumerate(sequences)]
    write(rows_of(PARTICIPANTS, people), PARTICIPANTS, directory / "participants.parquet")
    write(rows_of(SEQUENCE_INDEX, rows), SEQUENCE_INDEX, directory / "index.parquet")
    write(rows_of(REJECTS, rejects), REJECTS, directory / "rejects.parquet")
    return write_manifest(directory, kind="silhouette_shards", facts={})


def _write_splits(directory: Path, version: str, sequences: list[dict[str, Any]]) -> str:
    order = sorted({(row["label"], row["participant_id"]) for row in sequences})
    rows = []
    for variant_place, variant in enumerate(VARIANTS):
        for row in sequences:
            place = order.index((row["label"], row["participant_id"]))
            side = ("test", "train", "train", "selection")[place % 4]
            if side == "train" and place % 8 == 1 and variant_place:
                side = "unused"
            rows.append(
                {
                    "dataset_version": version,
                    "protocol": "fixed_test_nested",
                    "variant": variant,
                    "sequence_id": row["sequence_id"],
                    "participant_id": row["participant_id"],
                    "label": row["label"],
                    "side": side,
                }
            )
    write(rows_of(SPLIT, rows), SPLIT, directory / "split.parquet")
    proof = {
        "dataset_version": version,
        "protocol": "fixed_test_nested",
        "settings": {"ratios": list(VARIANTS), "seed": 2026},
        "participant_disjointness": "proved",
        "notes": [],
        "problems": [
            {
                "name": label,
                "variants": list(VARIANTS),
                "requested": {label: {"test": 3, "selection": 2}},
                "achieved": {label: {"test": 3, "selection": 2, "train": 4}},
                "goals": [{"name": "sequences", "value": 0, "bound": 0, "is_proved": True}],
                "status": "optimal",
            }
            for label in SCOLIOSIS_LABELS
        ],
        "variants": {
            variant: {"seconds": {"test": dict.fromkeys(SCOLIOSIS_LABELS, 5)}}
            for variant in VARIANTS
        },
        "balance": [
            {"variant": variant, "label": label, "side": side, "participants": 3}
            | {"age_years_mean": 14.2, "age_years_shift": 0.0}
            for variant in VARIANTS
            for label in SCOLIOSIS_LABELS
            for side in ("selection", "test", "train")
        ],
    }
    (directory / "proof.json").write_bytes(canonical_json(proof))
    write_table(NEAR_DUPLICATES.empty_table(), directory / NEAR_DUPLICATES_NAME)
    write_manifest(directory, kind="participant_splits", facts={})
    return sha256_file(directory / "split.parquet")


def _write_score(path: Path, verdicts: dict[str, str]) -> None:
    recordings = [
        {
            "recording_id": recording,
            "batch_id": "batch_001",
            "mean_iou": None if verdict == "quarantined" else 0.88 + (place % 7) / 100,
            "frames": 0 if verdict == "quarantined" else 40,
            "right_person": None if verdict == "quarantined" else True,
            "verdict": verdict,
        }
        for place, (recording, verdict) in enumerate(sorted(verdicts.items()))
    ]
    right = sum(one["right_person"] is True for one in recordings)
    path.parent.mkdir(parents=True)
    path.write_bytes(
        canonical_json(
            {
                "available": True,
                "mean_iou": 0.912,
                "recordings": recordings,
                "right": right,
                "wrong": 0,
                "quarantined": len(recordings) - right,
            }
        )
    )


def _interval(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "reason": "no neutral in the test set"}
    return {"value": value, "low": max(0.0, value - 0.21), "high": min(1.0, value + 0.14)}


def make_metrics(model: str, variant: str, version: str, split_sha256: str) -> dict[str, Any]:
    better = 0.1 * MODELS.index(model) - 0.05 * VARIANTS.index(variant)
    scalars = {
        "accuracy": 0.64,
        "macro_precision": 0.61,
        "macro_recall": 0.6,
        "macro_f1": 0.603,
        "any_abnormality/sensitivity": 0.75,
        "any_abnormality/specificity": 0.81,
        "any_abnormality/auroc": 0.84,
        "any_abnormality/auprc": 0.86,
        "positive_vs_rest/sensitivity": 0.5,
        "positive_vs_rest/specificity": 0.86,
        "positive_vs_rest/auroc": 0.78,
        "brier": 0.4,
        "ece": 0.12,
    }
    units = {}
    for unit, confusion in (
        ("participant", [[5, 1, 0], [1, 2, 0], [0, 1, 2]]),
        ("sequence", [[7, 1, 0], [1, 3, 0], [0, 2, 2]]),
    ):
        units[unit] = {
            "count": sum(sum(row) for row in confusion),
            "participants": 12,
            "labels": list(SCOLIOSIS_LABELS),
            "confusion": confusion,
            "metrics": {name: _interval(min(1.0, v + better)) for name, v in scalars.items()}
            | {"positive_vs_rest/auprc": _interval(None)},
        }
    return {
        "experiment": f"{model}-{variant}-seed_0",
        "model": model,
        "variant": variant,
        "seed": 0,
        "dataset_version": version,
        "split_sha256": split_sha256,
        "units": units,
        "as_published_2024": {
            "sensitivity": 0.86,
            "specificity": 0.75,
            "note": "Positive set: negative, as the 2024 evaluator counted.",
        },
    }


def _write_experiment(
    root: Path, model: str, variant: str, version: str, split_sha256: str
) -> Path:
    directory = root / f"{model}-{variant}-seed_0"
    (directory / "model").mkdir(parents=True)
    (directory / "evaluation").mkdir()
    lines = ["step,loss,cross_entropy,triplet,learning_rate,selection_accuracy"]
    rng = np.random.default_rng(len(model) + len(variant))
    for step in range(1, 61):
        entropy = 1.1 * np.exp(-step / 30) + 0.05 * rng.random()
        triplet = f"{0.25 * np.exp(-step / 20):.4f}" if model == "sconet_mt" else ""
        total = entropy + float(triplet or 0)
        accuracy = f"{min(0.9, 0.33 + step / 90):.3f}" if step % 10 == 0 else ""
        lines.append(f"{step},{total:.4f},{entropy:.4f},{triplet},0.1,{accuracy}")
    (directory / "model" / "history.csv").write_text("\n".join(lines) + "\n")
    metrics = make_metrics(model, variant, version, split_sha256)
    (directory / "evaluation" / "metrics.json").write_bytes(canonical_json(metrics))
    for part in ("model", "evaluation"):
        write_manifest(directory / part, kind=part, facts={})
    return directory


@pytest.fixture
def sequences() -> pl.DataFrame:
    """Four sequences of 30 frames, two of them positive."""
    rows = [
        {
            "sequence_id": f"R{number}",
            "participant_id": f"P{number}",
            "recording_id": f"R{number}",
            "batch_id": "batch_001",
            "label": label,
            "view": "side",
            "fps": 25.0,
            "frame_count": 30,
            "height_px": 64,
            "width_px": 44,
            "codec": BITS,
            "frame_index": list(range(30)),
            "pts_s": [index / 25 for index in range(30)],
            "extraction_key": "k",
            "silhouettes": encode_silhouettes(walk(30, number), BITS, 3),
        }
        for number, label in enumerate(("negative", "neutral", "positive", "positive"))
    ]
    return rows_of(SEQUENCES, rows)


@pytest.fixture(scope="session")
def report_inputs(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """A whole workspace; do not change its files."""
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def without(report_inputs: ReportInputs) -> Callable[..., ReportInputs]:
    """Return the inputs with some parts replaced."""
    return lambda **changes: replace(report_inputs, **changes)
