"""A model's probabilities for whole sequences, one sequence at a time, in float32.

A prediction depends on its own sequence only, never on what else is judged with it.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from training.data import SequenceSet
from training.models.classifier import ModelOutput
from training.sample_store import SampleStore
from transforms.progress import Progress
from transforms.training_settings import TrainingSettings


def predict_probabilities(
    model: nn.Module,
    store: SampleStore,
    sequences: SequenceSet,
    settings: TrainingSettings,
    device: torch.device,
    progress: Progress,
) -> npt.NDArray[np.float64]:
    """Return `(sequence, class)` probabilities, rows as in `sequences`.

    Each sequence goes through the model with its frames in order, at most `evaluation_frame_cap`
    of them. The logits are averaged over parts, scaled as in training and put through a softmax.
    The model is left in the mode it came in.
    """
    rows: list[npt.NDArray[np.float64]] = []
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for position in sequences.positions:
            silhouettes = store.read(int(position), cap=settings.evaluation_frame_cap)
            output: ModelOutput = model(torch.from_numpy(silhouettes).to(device))
            rows.append(output.probabilities()[0].cpu().numpy())
            progress.advance()
    model.train(was_training)
    return np.stack(rows) if rows else np.zeros((0, 0))


def sequence_accuracy(probabilities: npt.NDArray[np.float64], sequences: SequenceSet) -> float:
    """Return the share of sequences whose likeliest class is their label."""
    return float((probabilities.argmax(axis=1) == sequences.labels).mean())
