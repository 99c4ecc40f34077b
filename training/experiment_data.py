"""What an experiment is trained and judged on: the dataset, its split, and the samples of a side.

A model of walks reads sequences from the frame store, a model of clips the clips that the dataset's
sequences of two views make. Either way a sample takes the side of its participant.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from training.clip_store import RgbClipStore, SilhouetteClips
from training.data import SPLIT_NAME, SequenceSet, select_side
from training.frame_store import FrameStore, open_frame_store
from training.job import ExperimentJob
from training.models.recipe import ModelSettings
from training.models.registry import find_model
from training.sample_store import SampleStore
from transforms.dual_view.files import CLIPS_NAME
from transforms.dual_view.rgb_shards import RgbClips
from transforms.dual_view.sides import side_of_clips
from transforms.errors import InputError
from transforms.files import sha256_file
from transforms.labels import LabelScheme, find_scheme
from transforms.manifest import directory_version
from transforms.progress import Progress
from transforms.schemas import CLIPS
from transforms.shards.parquet import read_table
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.splits.load import load_split
from transforms.training_settings import TrainingSettings


@dataclass(frozen=True)
class ExperimentData:
    """Dataset and split of a job, checked to belong together.

    Attributes:
        lineage: their hashes, and that of the clips where the model reads clips.
        clips: schema `CLIPS`; None for a model of walks.
    """

    job: ExperimentJob
    dataset: SilhouetteDataset
    split: pl.DataFrame
    scheme: LabelScheme
    lineage: dict[str, str]
    clips: pl.DataFrame | None

    @property
    def section(self) -> Literal["training", "dual_view"]:
        """The name of the section of `params.yaml` that the model is built from."""
        return "training" if self.clips is None else "dual_view"

    @property
    def model_settings(self) -> ModelSettings:
        """That section of the job."""
        return self.job.training if self.clips is None else self.job.dual_view

    def open_store(self, progress: Progress) -> SampleStore:
        """Open the place of the samples, building caches that are missing."""
        if self.clips is not None and self.job.dual_view.input == "rgb":
            return RgbClipStore(_clips_of(self.job), self.clips)
        frames = open_frame_store(self.dataset, self.job.scratch, progress)
        return frames if self.clips is None else SilhouetteClips(frames, self.clips)

    def select(self, side: str, store: SampleStore) -> SequenceSet:
        """Return the samples of one side of the job's variant.

        Raises:
            InputError: the split has no such variant, or a clip is on no single side of it.
            IntegrityError: a sequence of the split is not in the store.
        """
        if isinstance(store, FrameStore):
            return select_side(self.split, self.job.variant, side, store)
        assert self.clips is not None  # any other store is of clips
        return _select_clips(self.clips, self.split, self.job.variant, side, self.scheme)

    def plan_training(self, train: SequenceSet) -> TrainingSettings:
        """Return how the job's model is trained on these samples."""
        if self.clips is None:
            return self.job.training
        return self.job.dual_view.plan_training(len(train), int(train.lengths[0]))


def open_experiment(job: ExperimentJob) -> ExperimentData:
    """Open what a job names.

    Raises:
        SettingsError: there is no such model.
        InputError: the model reads clips and there are none.
        IntegrityError: a part is damaged, or the parts do not belong together.
    """
    reads_clips = find_model(job.model).reads == "clips"
    dataset = open_dataset(job.dataset)
    split = load_split(job.splits / SPLIT_NAME, dataset.version)
    lineage = {
        "dataset_version": dataset.version,
        "split_sha256": sha256_file(job.splits / SPLIT_NAME),
    }
    clips = None
    if reads_clips:
        directory = _clips_of(job)
        lineage["clips_version"] = directory_version(directory)
        clips = _read_clips(directory, is_rgb=job.dual_view.input == "rgb")
    scheme = find_scheme(split["label"].unique(), where=SPLIT_NAME)
    return ExperimentData(job, dataset, split, scheme, lineage, clips)


def _clips_of(job: ExperimentJob) -> Path:
    if job.clips is None:
        raise InputError("the model reads clips and the job names none", where=job.model)
    return job.clips


def _read_clips(directory: Path, *, is_rgb: bool) -> pl.DataFrame:
    """Return the clips that a model can read: of pictures those that have some."""
    clips = pl.DataFrame(read_table(directory / CLIPS_NAME, CLIPS))
    if is_rgb:
        pictures = RgbClips(directory)
        clips = clips.filter([pictures.has(clip_id) for clip_id in clips["clip_id"]])
    if clips.is_empty():
        raise InputError(
            "no clip with pictures to read" if is_rgb else "no clip to read",
            where=directory / CLIPS_NAME,
            expected="walks that a front and a side camera filmed at once",
            fix="see rejects.parquet beside it, or choose a model of walks",
        )
    return clips


def _select_clips(
    clips: pl.DataFrame, split: pl.DataFrame, variant: str, side: str, scheme: LabelScheme
) -> SequenceSet:
    """Return the clips of one side; their `sequence_id` is the walk that both cameras saw."""
    rows = (
        clips.with_row_index("position")
        .with_columns(side_of_clips(clips, split, variant))
        .filter(pl.col("side") == side)
        .sort("clip_id")
    )
    ranks = rows["participant_id"].rank("dense").cast(pl.Int64).to_numpy()
    return SequenceSet(
        table=rows.select(
            "clip_id", pl.col("sync_group").alias("sequence_id"), "participant_id", "label"
        ),
        positions=rows["position"].cast(pl.Int64).to_numpy(),
        labels=np.array([scheme.class_index(label) for label in rows["label"]], dtype=np.int64),
        lengths=rows["front_frames"].list.len().cast(pl.Int64).to_numpy(),
        participants=ranks.astype(np.int64) - 1,
        scheme=scheme,
    )
