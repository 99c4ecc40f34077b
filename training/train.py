"""From a training job to a directory with a model: data, lock, loop, publication.

Scratch holds one folder per fingerprint of everything that can change the result. An equal job
goes on from its checkpoints, or takes the finished result if there is one. Of several processes the
first holds the lock and writes; the others read and compute.
"""

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock

from training.card_file import CARD_NAME, MODEL_NAME
from training.checkpoint import save_tensors
from training.data import SPLIT_NAME, SequenceSet
from training.experiment_data import ExperimentData, open_experiment
from training.history import HISTORY_NAME, format_history
from training.job import TrainingJob
from training.launch import launch_fabric
from training.loop import TrainedModel, TrainingRun, train_model
from training.model_card import describe_model
from training.sample_store import SampleStore
from training.scratch import is_whole
from transforms.errors import InputError, IntegrityError, SettingsError
from transforms.files import canonical_json, publish_directory, sha256_bytes, sha256_file
from transforms.manifest import write_manifest
from transforms.progress import NoProgress, Progress

# Raised whenever equal jobs would give other weights, or say other things of them.
_CODE_VERSION: Final = "4"


def run_training(job: TrainingJob, *, device: str, progress: Progress) -> None:
    """Train the job's model into `job.output`: model.safetensors, model.json, history.csv.

    Args:
        job: what to train.
        device: `cpu` or `cuda`.
        progress: told about the frame store and the steps.

    Raises:
        InputError: the split has no such variant, or no sequence to train on.
        SettingsError: the model is unknown, or the batch does not fit the training side.
        IntegrityError: dataset and split do not belong together.
        GaitworksError: training diverged.
    """
    data = open_experiment(job)
    fabric = launch_fabric(data.model_settings.precision, device)
    fingerprint = _fingerprint(data, device, fabric.world_size)
    scratch = job.scratch / "runs" / fingerprint[:32]
    scratch.mkdir(parents=True, exist_ok=True)
    lock: AbstractContextManager[object] = nullcontext()
    if fabric.is_global_zero:
        lock = FileLock(scratch / "lock")
    else:
        progress = NoProgress()
    with lock:
        finished, checkpoints = scratch / "finished", scratch / "checkpoints"
        # The others wait here for the lock, too.
        if not fabric.broadcast(fabric.is_global_zero and is_whole(finished)):
            with fabric.rank_zero_first():  # it is built once, by the process that tells of it
                store = data.open_store(progress)
            run = _plan_run(data, store)
            trained = train_model(
                run, checkpoints, fabric=fabric, label=job.experiment, progress=progress
            )
            if fabric.is_global_zero:
                with publish_directory(finished) as staging:
                    _write_result(staging, data, run, trained)
                    write_manifest(staging, kind="trained_model", facts={})
        if fabric.is_global_zero:
            # The result is safe now; a kill between the two lines leaves them for the next run.
            shutil.rmtree(checkpoints, ignore_errors=True)
            for name in (MODEL_NAME, CARD_NAME, HISTORY_NAME):
                shutil.copyfile(finished / name, job.output / name)


def _plan_run(data: ExperimentData, store: SampleStore) -> TrainingRun:
    job = data.job
    train = data.select("train", store)
    if not len(train):
        raise InputError("nothing to train on", where=f"{SPLIT_NAME}, {job.variant}")
    return TrainingRun(
        model=job.model,
        model_settings=data.model_settings,
        settings=data.plan_training(train),
        seed=job.seed,
        store=store,
        train=train,
        selection=data.select("selection", store),
        pretrained=_find_pretrained(data),
    )


def _find_pretrained(data: ExperimentData) -> Path | None:
    job = data.job
    if data.clips is None or job.pretrained is None:
        return None
    if not job.pretrained.is_file():
        raise SettingsError(
            "no such file", where="dual_view.pretrained", found=job.dual_view.pretrained
        )
    found = sha256_file(job.pretrained)
    if found != job.dual_view.pretrained_sha256:
        raise IntegrityError(
            "another file than the one asked for",
            where=job.dual_view.pretrained,
            expected=job.dual_view.pretrained_sha256,
            found=found,
            fix="put the right file there, or correct dual_view.pretrained_sha256",
        )
    return job.pretrained


def _fingerprint(data: ExperimentData, device: str, process_count: int) -> str:
    job = data.job
    parts: dict[str, Any] = {
        "code": _CODE_VERSION,
        "torch": torch.__version__,
        "device": device,
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        data.section: data.model_settings.model_dump(mode="json"),
        **data.lineage,
    }
    if process_count > 1:  # their sums round otherwise
        parts["processes"] = process_count
    return sha256_bytes(canonical_json(parts))


def _write_result(
    directory: Path, data: ExperimentData, run: TrainingRun, trained: TrainedModel
) -> None:
    weights = save_tensors(trained.weights)
    card = describe_model(data, run.store, weights) | {
        "chosen": _describe_choice(trained),
        "train": _describe_side(run.train, is_of_clips=data.clips is not None),
        "selection": _describe_side(run.selection, is_of_clips=data.clips is not None),
    }
    (directory / MODEL_NAME).write_bytes(weights)
    (directory / HISTORY_NAME).write_bytes(format_history(trained.history))
    (directory / CARD_NAME).write_bytes(canonical_json(card))


def _describe_choice(trained: TrainedModel) -> dict[str, Any]:
    is_selected = trained.selection_accuracy is not None
    return {
        "step": trained.step,
        "by": "selection_accuracy" if is_selected else "last_step",
        "selection_accuracy": trained.selection_accuracy,
        "reason": "the most accurate checkpoint on the selection side, the later of equals"
        if is_selected
        else "the selection side is empty, so the last step was taken",
    }


def _describe_side(samples: SequenceSet, *, is_of_clips: bool) -> dict[str, int]:
    counts = {"sequences": samples.sequence_count, "participants": samples.participant_count}
    return counts | {"clips": len(samples)} if is_of_clips else counts
