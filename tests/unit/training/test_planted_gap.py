"""The optimism gap of a model that tells people apart, on labels that say nothing about them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.metrics.gap_inputs import QUICK, VARIANT
from training.job import EvaluationJob, TrainingJob
from transforms.describe.optimism_page import say_gap
from transforms.labels import SCOLIOSIS_LABELS
from transforms.manifest import write_manifest
from transforms.metrics.optimism import GAP, HONEST, LEAKY, SIDES, describe_splits, measure_gap
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX, SEQUENCES, SPLIT, conform
from transforms.settings import EvaluationSettings
from transforms.shards.codec import BITS, encode_silhouettes
from transforms.shards.parquet import encode_shard, write_table
from transforms.training_settings import TrainingSettings

ROOT = Path(__file__).parents[3]
PER_CLASS, WALKS, FRAMES = 12, 4, 6
SMALL = TrainingSettings(
    channels=(4, 8, 16, 16),
    embedding_size=16,
    parts=4,
    identities_per_batch=8,
    sequences_per_identity=2,
    frames_per_sequence=2,
    steps=100,
    milestones=(75,),
    learning_rate=0.1,
    label_smoothing=0.0,
    checkpoint_every_steps=50,
    cpu_threads=1,
)


def draw_outline(random):
    """Return centre and half-width per row: an individual shape in sixteen bands."""
    bands = np.repeat(np.arange(16), 4)
    return 22 + random.uniform(-6, 6, 16)[bands], random.uniform(3, 12, 16)[bands]


def walk(outline, random):
    """Return frames of an outline that sways: (frame, 64, 44) uint8 {0, 255}."""
    centre, half_width = outline
    sway = random.uniform(-1.5, 1.5, (FRAMES, 1, 1))
    offset = np.abs(np.arange(44)[None, None] - centre[None, :, None] - sway)
    return np.where(offset < half_width[None, :, None], np.uint8(255), np.uint8(0))


def write_people(root: Path, *, has_identity: bool) -> str:
    """Write a dataset whose labels are drawn by lot; a person looks alike in all walks, or not."""
    random = np.random.default_rng(7)
    rows, people = [], []
    for label in SCOLIOSIS_LABELS:
        for number in range(PER_CLASS):
            person = f"{label}_{number:02}"
            people.append(
                dict.fromkeys(PARTICIPANTS.names) | {"participant_id": person, "label": label}
            )
            own = draw_outline(random)
            for place in range(WALKS):
                frames = walk(own if has_identity else draw_outline(random), random)
                rows.append(
                    dict.fromkeys(SEQUENCES.names)
                    | {
                        "sequence_id": f"{person}_{place}",
                        "participant_id": person,
                        "recording_id": f"r_{person}_{place}",
                        "batch_id": "batch_001",
                        "label": label,
                        "view": "side",
                        "session": str(place),
                        "fps": 25.0,
                        "frame_count": FRAMES,
                        "height_px": 64,
                        "width_px": 44,
                        "codec": BITS,
                        "frame_index": list(range(FRAMES)),
                        "pts_s": [frame / 25 for frame in range(FRAMES)],
                        "extraction_key": "planted",
                        "silhouettes": encode_silhouettes(frames, BITS, 3),
                    }
                )
    dataset, shard_name = root / "shards", "sequences/people.parquet"
    (dataset / "sequences").mkdir(parents=True)
    shard = pl.DataFrame(rows)
    (dataset / shard_name).write_bytes(encode_shard(conform(shard, SEQUENCES, where="test")))
    index = shard.drop("silhouettes", "frame_index", "pts_s").with_columns(
        shard=pl.lit(shard_name), row=pl.int_range(pl.len(), dtype=pl.Int32)
    )
    write_table(conform(index, SEQUENCE_INDEX, where="test"), dataset / "index.parquet")
    table = conform(pl.DataFrame(people), PARTICIPANTS, where="test")
    write_table(table, dataset / "participants.parquet")
    return write_manifest(dataset, kind="silhouette_shards", facts={})


def write_split(directory: Path, version: str, *, is_leaky: bool) -> pl.DataFrame:
    """Deal out walks, or people with all their walks; the counts are equal."""
    random = np.random.default_rng(11)
    sides = ["train"] * 7 + ["selection"] + ["test"] * 4
    rows = []
    for label in SCOLIOSIS_LABELS:
        dealt = np.repeat(random.permutation(sides), WALKS)
        if is_leaky:
            dealt = random.permutation(dealt)
        for place, side in enumerate(dealt):
            person = f"{label}_{place // WALKS:02}"
            rows.append((version, "p", VARIANT, f"{person}_{place % WALKS}", person, label, side))
    table = pl.DataFrame(rows, schema=SPLIT.names, orient="row")
    directory.mkdir()
    write_table(conform(table, SPLIT, where="test"), directory / "split.parquet")
    return table


def train_and_judge(root: Path, name: str, seed: int) -> pl.DataFrame:
    from training.run import run_job
    from transforms.progress import NoProgress

    output = root / f"{name}-{seed}"
    (output / "model").mkdir(parents=True)
    shared = {
        "experiment": output.name,
        "model": "sconet",
        "variant": VARIANT,
        "seed": seed,
        "dataset": root / "shards",
        "splits": root / name,
        "scratch": root / "scratch",
        "device": "cpu",
        "training": SMALL,
    }
    run_job(TrainingJob(**shared, output=output / "model"), NoProgress())
    job = EvaluationJob(**shared, output=output, model_directory=output / "model", evaluation=QUICK)
    run_job(job, NoProgress())
    return pl.read_parquet(output / "predictions.parquet")


def measure_planted(root: Path, *, has_identity: bool):
    import torch

    version = write_people(root, has_identity=has_identity)
    splits = {name: write_split(root / name, version, is_leaky=name == LEAKY) for name in SIDES}
    described = describe_splits(splits, VARIANT)
    assert described[LEAKY]["known_test_sequences"] > 40
    try:
        tables = {name: [train_and_judge(root, name, seed) for seed in (0, 1)] for name in SIDES}
    finally:
        torch.use_deterministic_algorithms(False)
    return measure_gap(tables, EvaluationSettings())["sequence"]


@pytest.mark.slow
def test_where_people_are_recognisable_the_gap_is_large(tmp_path: Path) -> None:
    found = measure_planted(tmp_path, has_identity=True)
    accuracy = found["accuracy"]
    print(say_gap({"sequence": found}), say_gap({"sequence": found}, "any_abnormality/auroc"))
    assert accuracy[LEAKY]["low"] > 0.6
    assert accuracy[HONEST]["low"] < 1 / 3 < accuracy[HONEST]["high"] < 0.6
    assert accuracy[GAP]["low"] > 0.2
    # Twelve people a side are too few for an interval that leaves out 0.
    assert found["any_abnormality/auroc"][GAP]["value"] > 0.2


@pytest.mark.slow
def test_where_nobody_is_recognisable_there_is_no_gap(tmp_path: Path) -> None:
    found = measure_planted(tmp_path, has_identity=False)
    print(say_gap({"sequence": found}), say_gap({"sequence": found}, "any_abnormality/auroc"))
    for metric in ("accuracy", "macro_f1", "any_abnormality/auroc"):
        assert found[metric][GAP]["low"] < 0 < found[metric][GAP]["high"]


@pytest.mark.slow
def test_comparing_needs_no_torch() -> None:
    code = "import sys, training.job, transforms.metrics.optimism; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
