"""One of several processes that train together, in float64: `torchrun -m` starts it.

In float32 two orders of the same sum soon differ visibly, whatever is right; here only what is
wrong does.
"""

import argparse
from pathlib import Path

import torch

from training.checkpoint import save_tensors
from training.data import select_side
from training.frame_store import open_frame_store
from training.job import TrainingJob, read_job
from training.launch import launch_fabric
from training.loop import TrainingRun, train_model
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split


def main() -> None:
    """Train the job's model; the first process writes the weights."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    job = read_job(arguments.job)
    assert isinstance(job, TrainingJob)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    settings = job.training.model_copy(update={"precision": "64-true"})
    # The losses say `float()` so that autocast cannot lower them; here they must not lower it.
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign, assignment]
    dataset = open_dataset(job.dataset)
    store = open_frame_store(dataset, job.scratch, NoProgress())
    split = load_split(job.splits / "split.parquet", dataset.version)
    run = TrainingRun(
        job.model,
        settings,
        settings,
        job.seed,
        store,
        train=select_side(split, job.variant, "train", store),
        selection=select_side(split, job.variant, "selection", store),
    )
    fabric = launch_fabric(settings.precision, "cpu")
    trained = train_model(
        run, arguments.checkpoints, fabric=fabric, label="float64", progress=NoProgress()
    )
    if fabric.is_global_zero:
        arguments.output.write_bytes(save_tensors(trained.weights))


if __name__ == "__main__":
    main()
