"""Two hundred synthetic recordings in which somebody else crosses or stands by, with each backend.

The synthetic people are recognisable as such to the detectors: see docs/benchmarks.md.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

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

ROOT = Path(__file__).resolve().parents[2]
WORKERS = count_workers(0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort that no threshold was tuned on: another seed than the demo's."""
    folder = tmp_path_factory.mktemp("crossings")
    settings = SynthSettings(
        seed=77,
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


def extract(cohort: Path, settings: ExtractionSettings, *weights: Weights) -> ScoreTable:
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
    return score_extraction([output], cohort / "truth")


def check(score: ScoreTable, min_iou: float) -> None:
    numbers = {name: value for name, value in asdict(score).items() if name != "recordings"}
    print("\n" + json.dumps(numbers))
    assert len(score.recordings) == 200
    assert score.wrong_count == 0
    assert score.failed_count == 0
    assert score.quarantined_count <= 6, "3 % of 200"
    assert score.mean_iou is not None
    assert score.mean_iou >= min_iou


def test_the_embedded_default(cohort: Path) -> None:
    check(extract(cohort, ExtractionSettings()), 0.85)


def test_yolo11_and_pphumanseg(cohort: Path, tmp_path: Path) -> None:
    if not os.environ.get("GAITWORKS_MODELS_DIR"):
        pytest.skip("GAITWORKS_MODELS_DIR is not set: real weights are NOT tested")
    registry = read_registry(ROOT / "weights.toml")
    names = ("yolo11n_onnx", "pphumanseg_onnx")
    weights = [registry.weights(name, tmp_path) for name in names]
    for item in weights:
        fetch_weights(item, folder=LocalFolder(Path(os.environ["GAITWORKS_MODELS_DIR"])))
    settings = ExtractionSettings(
        detector="yolo_onnx",
        detector_weights=names[0],
        segmenter="pphumanseg_onnx",
        segmenter_weights=names[1],
    )
    check(extract(cohort, settings, *weights), 0.90)
