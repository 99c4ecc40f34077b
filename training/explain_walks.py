"""The explanation of a model of walks: maps of every chosen walk, also by models drawn anew."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from training.explain_maps import explain_sequence
from training.explained import Explained, compare_maps, draw_anew
from training.explained_walks import Walk, choose_sequences, read_walks
from training.finished_model import FinishedModel
from training.frame_store import FrameStore
from training.models.classifier import SilhouetteClassifier
from transforms.explanation.checks import ALL_WEIGHTS, HEAD_WEIGHTS
from transforms.explanation.shares import Floats, SequenceMaps, reduce_frames
from transforms.progress import Progress
from transforms.settings import ExplanationSettings


def explain_walks(
    opened: FinishedModel,
    model: SilhouetteClassifier,
    store: FrameStore,
    settings: ExplanationSettings,
    device: str,
    progress: Progress,
) -> tuple[Explained, list[Walk]]:
    """Return the maps of a sample of the test side, and the walks themselves, in one order."""
    chosen = choose_sequences(opened.test, settings.sequences_per_class)
    walks = read_walks(chosen, opened.data.dataset, store, settings.frame_cap)
    checked = choose_sequences(chosen, settings.check_sequences_per_class)
    names = set(checked.table["sequence_id"])
    few = [walk for walk in walks if walk.row["sequence_id"] in names]
    others = randomise(opened, model)
    references = _average_by_view(walks)
    progress.start(f"explain {opened.data.job.experiment}", len(walks) + len(others) * len(few))
    sequences = _explain(model, walks, references, device, progress)
    randomised = {
        check: compare_maps(
            sequences, _explain(other, few, references, device, progress, sequences)
        )
        for check, other in others.items()
    }
    return Explained(sequences, randomised), walks


def randomise(
    opened: FinishedModel, model: SilhouetteClassifier
) -> dict[str, SilhouetteClassifier]:
    """Return the model with all weights drawn anew, and with those behind the backbone so."""
    everything, head = draw_anew(opened), draw_anew(opened)
    assert isinstance(everything, SilhouetteClassifier)  # as the trained one is
    assert isinstance(head, SilhouetteClassifier)
    head.backbone.load_state_dict(model.backbone.state_dict())
    return {ALL_WEIGHTS: everything, HEAD_WEIGHTS: head}


def _average_by_view(walks: Sequence[Walk]) -> dict[str, Floats]:
    """Return the mean silhouette of each view, every walk counted once."""
    means: dict[str, list[Floats]] = {}
    for walk in walks:
        means.setdefault(walk.row["view"], []).append(walk.silhouettes.mean(axis=0))
    return {view: np.mean(found, axis=0) for view, found in means.items()}


def _explain(
    model: SilhouetteClassifier,
    walks: Sequence[Walk],
    references: Mapping[str, Floats],
    device: str,
    progress: Progress,
    before: Sequence[SequenceMaps] = (),
) -> list[SequenceMaps]:
    """Explain walks; what a sequence was found to be `before` is explained again."""
    model = model.to(device).eval()
    known = {one.sequence_id: one.predicted for one in before}
    found = []
    for walk in walks:
        row = walk.row
        predicted = known.get(row["sequence_id"])
        target = None if predicted is None else walk.scheme.classes.index(predicted)
        frames = torch.from_numpy(walk.silhouettes).to(device)
        reference = torch.from_numpy(references[row["view"]]).to(device)
        explained, maps = explain_sequence(model, frames, reference, target)
        phases = None if walk.cycle is None else walk.cycle.phases
        found.append(
            SequenceMaps(
                sequence_id=row["sequence_id"],
                participant_id=row["participant_id"],
                view=row["view"],
                label=walk.scheme.class_of[row["label"]],
                predicted=walk.scheme.classes[explained],
                **reduce_frames(maps, walk.silhouettes, phases),
            )
        )
        progress.advance()
    return found
