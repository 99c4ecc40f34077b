"""A trained model together with the test side, which it has never seen, and the selection side."""

from dataclasses import dataclass

from training.data import SPLIT_NAME, SequenceSet, select_side
from training.frame_store import FrameStore, open_frame_store
from training.job import FinishedModelJob
from training.model_card import load_model
from training.models.classifier import SilhouetteClassifier
from transforms.errors import InputError
from transforms.files import sha256_file
from transforms.labels import find_scheme
from transforms.progress import Progress
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.splits.load import load_split


@dataclass(frozen=True)
class FinishedModel:
    """What a job on the test side works with.

    Attributes:
        lineage: the hashes of dataset and split, which the model was trained on too.
        model: on the CPU.
        test: the test side of the job's variant, not empty.
        selection: its selection side, on which the model was chosen; may be empty.
    """

    dataset: SilhouetteDataset
    lineage: dict[str, str]
    model: SilhouetteClassifier
    store: FrameStore
    test: SequenceSet
    selection: SequenceSet


def open_finished_model(
    job: FinishedModelJob, progress: Progress, *, purpose: str
) -> FinishedModel:
    """Open what the job names and check that it belongs together.

    Args:
        job: which model, dataset, split and variant.
        progress: told about the frame store.
        purpose: what the test side is for, as the error says it: `no sequence to PURPOSE`.

    Raises:
        InputError: the split has no such variant, or its test side is empty.
        IntegrityError: model, dataset and split do not belong together, or bytes are damaged.
    """
    dataset = open_dataset(job.dataset)
    split = load_split(job.splits / SPLIT_NAME, dataset.version)
    lineage = {
        "dataset_version": dataset.version,
        "split_sha256": sha256_file(job.splits / SPLIT_NAME),
    }
    scheme = find_scheme(split["label"].unique(), where=SPLIT_NAME)
    model = load_model(job, lineage, scheme)
    store = open_frame_store(dataset, job.scratch, progress)
    test = select_side(split, job.variant, "test", store)
    if not len(test):
        raise InputError(
            f"no sequence to {purpose}",
            where=f"{SPLIT_NAME}, {job.variant}",
            fix="raise splits.test_fraction",
        )
    selection = select_side(split, job.variant, "selection", store)
    return FinishedModel(dataset, lineage, model, store, test, selection)
