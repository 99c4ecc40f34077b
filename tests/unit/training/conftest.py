"""A tiny published dataset with a split, written by hand, and the jobs that use it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.job import EvaluationJob, TrainingJob
from transforms.labels import SCOLIOSIS_LABELS
from transforms.manifest import write_manifest
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX, SEQUENCES, SPLIT, conform
from transforms.settings import EvaluationSettings
from transforms.shards.codec import BITS, GREY, encode_silhouettes
from transforms.shards.parquet import encode_shard, write_table
from transforms.training_settings import TrainingSettings

SHARD = "sequences/tiny.parquet"
TINY_SETTINGS = TrainingSettings(
    channels=(2, 2, 4, 4),
    embedding_size=4,
    parts=4,
    identities_per_batch=3,
    sequences_per_identity=2,
    frames_per_sequence=2,
    steps=6,
    milestones=(4,),
    learning_rate=0.05,
    checkpoint_every_steps=2,
    cpu_threads=1,
)


@dataclass(frozen=True)
class TinyCohort:
    """Where the dataset and its split lie, and what they hold."""

    dataset: Path
    splits: Path
    scratch: Path
    version: str
    silhouettes: dict[str, np.ndarray]

    def training_job(self, output: Path, **changes) -> TrainingJob:
        output.mkdir(parents=True)
        values = {
            "experiment": "sconet-ratio_1_1_2-seed_0",
            "model": "sconet",
            "variant": "ratio_1_1_2",
            "seed": 0,
            "dataset": self.dataset,
            "splits": self.splits,
            "output": output,
            "scratch": self.scratch,
            "device": "cpu",
            "training": TINY_SETTINGS,
        }
        return TrainingJob(**(values | changes))

    def evaluation_job(self, job: TrainingJob, output: Path, **changes) -> EvaluationJob:
        output.mkdir(parents=True)
        shared = {name: getattr(job, name) for name in TrainingJob.model_fields if name != "kind"}
        values = shared | {
            "output": output,
            "model_directory": job.output,
            "evaluation": EvaluationSettings(bootstrap_resamples=100),
        }
        return EvaluationJob(**(values | changes))


def lean(label_index: int, frame_count: int, width_px: int, generator) -> np.ndarray:
    """Return bars that lean more the higher the class: (frame, 64, width) uint8 {0, 255}."""
    rows = np.arange(64)[None, :, None]
    columns = np.arange(width_px)[None, None, :]
    sway = generator.uniform(-2, 2, (frame_count, 1, 1))
    centre = width_px / 2 + sway + (rows - 32) * 0.2 * label_index
    return np.where(np.abs(columns - centre) < 6, np.uint8(255), np.uint8(0))


def write_cohort(
    root: Path, *, codec=BITS, width_px=44, per_class=4, sides=None, labels=SCOLIOSIS_LABELS
) -> TinyCohort:
    sides = sides or ("train", "train", "selection", "test")
    generator = np.random.default_rng(5)
    silhouettes, rows, assignments, people = {}, [], [], []
    for index, label in enumerate(labels):
        for number in range(per_class):
            participant = f"p{index}{number}"
            people.append({"participant_id": participant, "label": label})
            for session in range(2 if number == 0 else 1):
                sequence = f"s{number}{index}{session}"
                frames = lean(index, 3 + number + session, width_px, generator)
                if codec == GREY:
                    frames = frames // 2 + generator.integers(0, 99, frames.shape, dtype=np.uint8)
                silhouettes[sequence] = frames
                rows.append(
                    {
                        "sequence_id": sequence,
                        "participant_id": participant,
                        "recording_id": f"r{sequence}",
                        "batch_id": "batch_001",
                        "label": label,
                        "view": "side",
                        "session": str(session),
                        "sync_group": None,
                        "fps": 25.0,
                        "frame_count": len(frames),
                        "height_px": 64,
                        "width_px": width_px,
                        "codec": codec,
                        "frame_index": list(range(len(frames))),
                        "pts_s": [position / 25 for position in range(len(frames))],
                        "quality_score": 1.0,
                        "video_sha256": None,
                        "extraction_key": "tiny",
                        "silhouettes": encode_silhouettes(frames, codec, 3),
                    }
                )
                assignments.append((sequence, participant, label, sides[number]))
    return _publish(root, rows, people, assignments, silhouettes)


def _publish(root, rows, people, assignments, silhouettes) -> TinyCohort:
    dataset, splits = root / "shards", root / "splits"
    (dataset / "sequences").mkdir(parents=True)
    splits.mkdir()
    types = {"session": pl.String, "sync_group": pl.String, "video_sha256": pl.String}
    shard = pl.DataFrame(rows, schema_overrides=types)
    (dataset / SHARD).write_bytes(encode_shard(conform(shard, SEQUENCES, where="test")))
    index = shard.drop("silhouettes", "frame_index", "pts_s").with_columns(
        shard=pl.lit(SHARD), row=pl.int_range(pl.len(), dtype=pl.Int32)
    )
    write_table(conform(index, SEQUENCE_INDEX, where="test"), dataset / "index.parquet")
    empty = dict.fromkeys(PARTICIPANTS.names)
    participants = pl.DataFrame([empty | person for person in people])
    write_table(conform(participants, PARTICIPANTS, where="test"), dataset / "participants.parquet")
    version = write_manifest(dataset, kind="silhouette_shards", facts={})
    split = pl.DataFrame(
        [
            (version, "fixed_test_nested", "ratio_1_1_2", *assignment)
            for assignment in sorted(assignments)
        ],
        schema=SPLIT.names,
        orient="row",
    )
    write_table(conform(split, SPLIT, where="test"), splits / "split.parquet")
    return TinyCohort(dataset, splits, root / "scratch", version, silhouettes)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are slower on several threads, and much slower beside parallel tests."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def write_tiny_cohort():
    return write_cohort


@pytest.fixture
def tiny_cohort(tmp_path) -> TinyCohort:
    return write_cohort(tmp_path / "cohort")


@pytest.fixture
def tiny_settings() -> TrainingSettings:
    return TINY_SETTINGS
