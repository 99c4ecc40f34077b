"""A trained model together with the test side, which it has never seen, and the selection side."""

from dataclasses import dataclass

from torch import nn

from training.data import SPLIT_NAME, SequenceSet
from training.experiment_data import ExperimentData, open_experiment
from training.job import FinishedModelJob
from training.model_card import load_model
from training.sample_store import SampleStore
from transforms.errors import InputError
from transforms.progress import Progress


@dataclass(frozen=True)
class FinishedModel:
    """What a job on the test side works with.

    Attributes:
        data: the dataset and split that the model was trained on too.
        model: on the CPU.
        test: the test side of the job's variant, not empty.
        selection: its selection side, on which the model was chosen; may be empty.
    """

    data: ExperimentData
    model: nn.Module
    store: SampleStore
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
    data = open_experiment(job)
    model = load_model(data, job.model_directory)
    store = data.open_store(progress)
    test = data.select("test", store)
    if not len(test):
        raise InputError(
            f"no sequence to {purpose}",
            where=f"{SPLIT_NAME}, {job.variant}",
            fix="raise splits.test_fraction",
        )
    return FinishedModel(data, model, store, test, data.select("selection", store))
