"""Two hundred synthetic recordings in which somebody else crosses or stands by, with each backend.

The synthetic people are recognisable as such to the detectors: see docs/benchmarks.md.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.extraction.offline import ROOT, find_folder
from transforms.extract.batch import Work, extract_batch
from transforms.extract.registry import Resources
from transforms.intake.batch import take_in_batch
from transforms.processes import count_workers, share_memory
from transforms.progress import NoProgress
from transforms.settings import ExtractionSettings, IntakeSettings, SynthSettings
from transforms.synth.cohort import write_cohort
from transforms.synth.score import ScoreTable, score_extraction
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import read_registry
from transforms.weights.verified import Weights

pytestmark = [pytest.mark.proof, pytest.mark.extraction, pytest.mark.timeout(3600)]

FPS = SynthSettings().fps
WORKERS = count_workers(0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort that no threshold was tuned on: another seed than the demo's."""
    folder = tmp_path_factory.mktemp("crossings")
    settings = SynthSettings(
        seed=90210,
        participants={"positive": 50, "neutral": 50, "negative": 100},
        batches=1,
        second_session_fraction=0.0,
        bystander_fraction=1.0,
    )
    write_cohort(
        settings, folder / "raw", folder / "truth", worker_count=WORKERS, progress=NoProgress()
    )
    (batch,) = (path.parent for path in (folder / "raw").glob("*/recordings.csv"))
    intake = folder / "intake" / batch.name
    intake.mkdir(parents=True)
    take_in_batch(batch, IntakeSettings(), intake, worker_count=WORKERS, progress=NoProgress())
    return folder


def measure_cadence_errors(output: Path, truth: Path) -> list[float]:
    """Return the relative errors of the cadences that were measured."""
    errors = []
    for row in pl.read_parquet(output / "recordings.parquet").iter_rows(named=True):
        if row["cadence_steps_per_min"] is not None:
            phase = np.load(truth / output.name / f"{row['recording_id']}.npz")["phase"]
            cycles = np.unwrap(phase * 2 * np.pi)[[0, -1]] @ [-1, 1] / (2 * np.pi)
            steps_per_min = 2 * cycles / ((len(phase) - 1) / FPS) * 60
            errors.append(abs(row["cadence_steps_per_min"] / steps_per_min - 1))
    return errors


def extract(
    cohort: Path, settings: ExtractionSettings, *weights: Weights
) -> tuple[ScoreTable, list[float]]:
    (intake,) = (cohort / "intake").iterdir()
    output = cohort / settings.detector / intake.name
    output.mkdir(parents=True)
    work = Work(
        intake_dir=intake,
        videos=cohort / "raw" / intake.name / "videos",
        overrides=cohort / "overrides.csv",
        cache_root=cohort / "cache",
        settings=settings,
        resources=Resources(*weights, device="cpu", frame_cache_bytes=share_memory(WORKERS, 0.25)),
    )
    extract_batch(work, output, worker_count=WORKERS, progress=NoProgress())
    errors = measure_cadence_errors(output, cohort / "truth")
    return score_extraction([output], cohort / "truth"), errors


def check(found: tuple[ScoreTable, list[float]], min_iou: float) -> None:
    score, errors = found
    numbers = {name: value for name, value in asdict(score).items() if name != "recordings"}
    numbers |= {"cadences": len(errors), "median_cadence_error": float(np.median(errors))}
    print("\n" + json.dumps(numbers))
    for row in score.recordings:
        if row.is_right_person is not True:
            print(f"  {row}")
    assert len(score.recordings) == 200
    assert score.wrong_count == 0
    assert score.failed_count == 0
    assert score.quarantined_count <= 6, "3 % of 200"
    assert score.mean_iou is not None
    assert score.mean_iou >= min_iou
    assert len(errors) >= 180
    assert np.median(errors) <= 0.02


def test_the_embedded_default(cohort: Path) -> None:
    check(extract(cohort, ExtractionSettings()), 0.85)


def test_yolo11_and_pphumanseg(cohort: Path, tmp_path: Path) -> None:
    folder = LocalFolder(find_folder("GAITWORKS_MODELS_DIR"))
    registry = read_registry(ROOT / "weights.toml")
    names = ("yolo11n_onnx", "pphumanseg_onnx")
    weights = [registry.weights(name, tmp_path) for name in names]
    for item in weights:
        fetch_weights(item, folder=folder)
    settings = ExtractionSettings(
        detector="yolo_onnx",
        detector_weights=names[0],
        segmenter="pphumanseg_onnx",
        segmenter_weights=names[1],
    )
    check(extract(cohort, settings, *weights), 0.90)
