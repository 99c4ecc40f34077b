"""The training loop: plain steps on Lightning Fabric, from the newest checkpoint to the last step.

What a step sees is a function of the seed and its number, so a run that was stopped at any moment
and started again ends, on the same CPU, with the same bytes as one that was not. Several processes
share every batch and compute the same losses from all of it: each knows all that one would know.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.batches import BatchStream, build_reader
from training.checkpoint import (
    Best,
    Checkpoint,
    Tensors,
    load_newest_checkpoint,
    save_checkpoint,
)
from training.data import SequenceSet
from training.divergence import require_finite_losses, require_finite_weights
from training.gather import gather_rows
from training.history import HistoryRow, has_run_out, rose_at
from training.losses import Loss, cross_entropy_loss, triplet_loss
from training.models.classifier import ModelOutput
from training.models.dual_view import DualViewClassifier
from training.models.recipe import ModelSettings
from training.models.registry import build_model, find_model
from training.optimisers import build_optimiser, capture_state, restore_state
from training.predict import predict_probabilities, sequence_accuracy
from training.pretrained import load_pretrained
from training.sample_store import SampleStore
from training.samplers import build_sampler
from training.synced_norm import synchronise_norms
from transforms.errors import IntegrityError
from transforms.progress import NoProgress, Progress
from transforms.training_settings import TrainingSettings

# Losses stay on the device for this many steps: reading one each step would make it wait.
_REPORT_EVERY_STEPS: Final = 10


@dataclass(frozen=True)
class TrainingRun:
    """What is trained on what; equal values give equal results.

    Attributes:
        model_settings: what the model is built from.
        settings: what it is trained by; of a model of walks the same.
        pretrained: a file of weights to begin with.
    """

    model: str
    model_settings: ModelSettings
    settings: TrainingSettings
    seed: int
    store: SampleStore
    train: SequenceSet
    selection: SequenceSet
    pretrained: Path | None = None


@dataclass(frozen=True)
class TrainedModel:
    """The weights that were chosen, and how training went.

    Attributes:
        weights: the module's state, on the CPU.
        step: updates that made them.
        selection_accuracy: what they were chosen by; None where the selection side is empty.
        history: one row per step.
    """

    weights: Tensors
    step: int
    selection_accuracy: float | None
    history: list[HistoryRow]


def train_model(
    run: TrainingRun, checkpoints: Path, *, fabric: Fabric, label: str, progress: Progress
) -> TrainedModel:
    """Train to the last step, going on from the newest whole checkpoint below `checkpoints`.

    Every `checkpoint_every_steps` and at the end the selection side judges the model and a
    checkpoint is published. The most accurate one is returned, the later of equals; with an empty
    selection side the last one. With `patience`, training ends early once so many checkpoints in a
    row were no more accurate than one before them.

    Args:
        run: what to train.
        checkpoints: the directory of this run's checkpoints, which all processes of the run see;
            they are its only users, and the first one alone writes.
        fabric: from `launch_fabric`.
        label: how the run is called in progress and errors.
        progress: told about steps.

    Raises:
        SettingsError: the batch does not fit the training side, or its processes cannot share it.
        IntegrityError: the processes do not see the same checkpoint.
        GaitworksError: the loss or the weights stopped being finite numbers; the last good
            checkpoint is kept.
    """
    settings, losses = run.settings, find_model(run.model).losses
    sampler = build_sampler(run.train, settings, run.seed)
    reader = build_reader(
        run.store,
        run.train,
        sampler,
        fabric.device,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    module: nn.Module = build_model(
        run.model, run.model_settings, run.seed, len(run.train.scheme.classes)
    )
    if run.pretrained is not None:
        assert isinstance(module, DualViewClassifier)  # no other model has such a setting
        load_pretrained(module, run.pretrained)
    if fabric.world_size > 1:
        module = synchronise_norms(module, fabric.device)
    optimiser = build_optimiser(module, settings)
    # Judging stays eager: its pieces are of many lengths, and each would be compiled anew.
    stepped = cast(nn.Module, torch.compile(module)) if settings.compile_step else module
    model, wrapped_optimiser = fabric.setup(stepped, optimiser)
    checkpoint = load_newest_checkpoint(checkpoints) or Checkpoint(0, {}, {}, None, [])
    _require_one_start(checkpoint.step, fabric, checkpoints)
    if checkpoint.step:
        module.load_state_dict(checkpoint.model)
        restore_state(optimiser, module, checkpoint.optimiser)
        _precision_of(fabric).load_state_dict(dict(checkpoint.scaler))
    history, best, pending = list(checkpoint.history), checkpoint.best, list[Tensor]()

    progress.start(label, settings.steps)
    progress.advance(checkpoint.step, f"from step {checkpoint.step}" if checkpoint.step else "")
    model.train()
    last_step = checkpoint.step if has_run_out(history, settings.patience) else settings.steps
    steps = range(checkpoint.step, last_step)
    with BatchStream(reader, steps, fabric.device) as batches:
        for step, silhouettes, labels, identities in batches:
            learning_rate = learning_rate_at(step, settings)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate
            output: ModelOutput = model(silhouettes)
            whole = output._replace(
                embeddings=gather_rows(output.embeddings), logits=gather_rows(output.logits)
            )
            values = compute_losses(
                whole, gather_rows(labels), gather_rows(identities), losses, settings
            )
            wrapped_optimiser.zero_grad()
            fabric.backward(values.sum())
            wrapped_optimiser.step()
            pending.append(values.detach())

            done = step + 1
            is_checkpoint = done % settings.checkpoint_every_steps == 0 or done == settings.steps
            if is_checkpoint or done % _REPORT_EVERY_STEPS == 0:
                rows = _describe_steps(pending, done, losses, settings)
                require_finite_losses(rows, label, checkpoints)
                history += rows
                last = rows[-1]
                note = f"loss {last.loss:.3f}, learning rate {last.learning_rate:.3g}"
                progress.advance(len(pending), note)
                pending.clear()
            if is_checkpoint:
                require_finite_weights(module, done, label, checkpoints)
                accuracy = _judge(run, module, fabric)
                history[-1] = replace(history[-1], selection_accuracy=accuracy)
                if accuracy is not None:
                    progress.advance(0, f"step {done}: selection accuracy {accuracy:.3f}")
                if accuracy is not None and (best is None or accuracy >= best.accuracy):
                    best = Best(done, accuracy, _copy_state(module))
                if fabric.is_global_zero:
                    save_checkpoint(
                        checkpoints,
                        Checkpoint(
                            done,
                            _copy_state(module),
                            capture_state(optimiser, module),
                            best,
                            history,
                            _precision_of(fabric).state_dict(),
                        ),
                    )
                if has_run_out(history, settings.patience):
                    break
    made = len(history)
    if made < settings.steps:
        progress.advance(settings.steps - made, f"ended: no better since step {rose_at(history)}")
    if best is not None:
        return TrainedModel(best.weights, best.step, best.accuracy, history)
    return TrainedModel(_copy_state(module), made, None, history)


def learning_rate_at(step: int, settings: TrainingSettings) -> float:
    """Return the learning rate of a step counted from 0: lower by the factor at each milestone."""
    passed = sum(step >= milestone for milestone in settings.milestones)
    return settings.learning_rate * math.pow(settings.learning_rate_factor, passed)


def compute_losses(
    output: ModelOutput,
    labels: Tensor,
    identities: Tensor,
    losses: Sequence[Loss],
    settings: TrainingSettings,
) -> Tensor:
    """Return one value per name in `losses`, in that order; their sum is what training lowers."""
    values = []
    for name in losses:
        if name == "cross_entropy":
            values.append(
                cross_entropy_loss(
                    output.logits,
                    labels,
                    scale=output.scale,
                    label_smoothing=settings.label_smoothing,
                )
            )
        else:
            values.append(triplet_loss(output.embeddings, identities, settings.triplet_margin).loss)
    return torch.stack(values)


def _describe_steps(
    pending: Sequence[Tensor], done: int, losses: Sequence[Loss], settings: TrainingSettings
) -> list[HistoryRow]:
    """Turn the losses of the last steps into rows; the one place that waits for the device."""
    rows = []
    for offset, values in enumerate(torch.stack(list(pending)).double().cpu().tolist()):
        step = done - len(pending) + offset
        named = dict(zip(losses, values, strict=True))
        rows.append(
            HistoryRow(
                step=step + 1,
                loss=sum(values),
                cross_entropy=named.get("cross_entropy"),
                triplet=named.get("triplet"),
                learning_rate=learning_rate_at(step, settings),
            )
        )
    return rows


def _require_one_start(step: int, fabric: Fabric, checkpoints: Path) -> None:
    first = fabric.broadcast(step)
    if step != first:
        raise IntegrityError(
            "the processes of this training do not see the same checkpoint",
            where=checkpoints,
            expected=f"step {first}, as the first process",
            found=f"step {step} in process {fabric.global_rank}",
            fix="give all machines the same scratch directory",
        )


def _judge(run: TrainingRun, module: nn.Module, fabric: Fabric) -> float | None:
    """Return the accuracy on the selection side, of which every process judges a part."""
    if not len(run.selection):
        return None
    part = run.selection.share(fabric.global_rank, fabric.world_size)
    probabilities = predict_probabilities(
        module, run.store, part, run.settings, fabric.device, NoProgress()
    )
    right = round(sequence_accuracy(probabilities, part) * len(part)) if len(part) else 0
    rights = fabric.all_reduce(torch.tensor(right, device=fabric.device), reduce_op="sum")
    assert isinstance(rights, Tensor)  # Fabric gives back the kind it was given
    return int(rights) / len(run.selection)


def _copy_state(module: nn.Module) -> Tensors:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _precision_of(fabric: Fabric) -> Any:
    # `Any`: Fabric has no public name for its precision plugin, which holds fp16's loss scaler.
    return fabric.strategy.precision
