"""The explanation of a model of clips: evidence of every chosen walk, in each view by itself.

A clip's score is carried back to the pixels of both views at once, so that the two views' maps say
together where the score comes from. A view that the model does not read has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.clip_store import SilhouetteClips
from training.explained import Explained, compare_maps, draw_anew
from training.explained_walks import choose_sequences
from training.finished_model import FinishedModel
from training.models.classifier import ModelOutput
from training.models.dual_view import DualViewClassifier
from training.walk_explanation import METHOD
from transforms.dual_view.pairing import VIEWS
from transforms.explanation.checks import ALL_WEIGHTS, HEAD_WEIGHTS
from transforms.explanation.regions import CELL_COLUMNS, CELL_ROWS
from transforms.explanation.shares import Floats, SequenceMaps, reduce_frames
from transforms.progress import Progress
from transforms.settings import ExplanationSettings


@dataclass(frozen=True)
class _Walk:
    """The clips of one walk."""

    walk_id: str
    participant_id: str
    label: str
    sequence_ids: Mapping[str, str]
    clips: NDArray[np.float32]  # (clip, view, 1, frame, 64, 44)


@dataclass(frozen=True)
class ViewMaps:
    """The evidence of one walk by view.

    Attributes:
        explained: index of the class.
        fields: of `SequenceMaps`, as `reduce_frames` gives them.
        weights: each view's share of the evidence for the class.
    """

    explained: int
    fields: Mapping[str, Mapping[str, Any]]  # `Any`: arrays, and mappings of them
    weights: Mapping[str, float]


def explain_clips(
    opened: FinishedModel,
    model: DualViewClassifier,
    store: SilhouetteClips,
    settings: ExplanationSettings,
    device: str,
    progress: Progress,
) -> Explained:
    """Return the maps of a sample of the test side."""
    walks = _read_walks(opened, store, settings)
    first_of_walks = opened.test.take(_first_of_walks(opened))
    chosen = choose_sequences(first_of_walks, settings.check_sequences_per_class)
    names = set(chosen.table["sequence_id"])
    few = [walk for walk in walks if walk.walk_id in names]
    others = _randomise(opened, model)
    reference = np.stack([walk.clips.mean(axis=(0, 2, 3)) for walk in walks]).mean(axis=0)
    progress.start(f"explain {opened.data.job.experiment}", len(walks) + len(others) * len(few))
    classes = opened.data.scheme.classes
    sequences = _explain(model, walks, reference, classes, device, progress)
    randomised = {
        check: compare_maps(
            sequences, _explain(other, few, reference, classes, device, progress, sequences)
        )
        for check, other in others.items()
    }
    return Explained(sequences, randomised)


def _first_of_walks(opened: FinishedModel) -> NDArray[np.int64]:
    walks = opened.test.table["sequence_id"].to_numpy()
    return np.sort(np.unique(walks, return_index=True)[1])


def _read_walks(
    opened: FinishedModel, store: SilhouetteClips, settings: ExplanationSettings
) -> list[_Walk]:
    """Read the first clips of a sample of walks, in the order of their ids."""
    test, clips = opened.test, opened.data.clips
    assert clips is not None  # the model reads clips
    chosen = choose_sequences(test.take(_first_of_walks(opened)), settings.sequences_per_class)
    most = max(1, settings.frame_cap // int(test.lengths[0]))
    walks = []
    for row in chosen.table.to_dicts():
        is_here = (test.table["sequence_id"] == row["sequence_id"]).to_numpy()
        positions = test.positions[is_here][:most]
        frames = np.tile(np.arange(test.lengths[0]), (len(positions), 1))
        names = clips.row(int(positions[0]), named=True)
        walks.append(
            _Walk(
                walk_id=row["sequence_id"],
                participant_id=row["participant_id"],
                label=opened.data.scheme.class_of[row["label"]],
                sequence_ids={view: names[f"{view}_sequence_id"] for view in VIEWS},
                clips=store.gather(positions, frames),
            )
        )
    return walks


def _randomise(opened: FinishedModel, model: DualViewClassifier) -> dict[str, DualViewClassifier]:
    """Return the model with all weights drawn anew, and with its classifiers so."""
    everything, head = draw_anew(opened), draw_anew(opened)
    assert isinstance(everything, DualViewClassifier)  # as the trained one is
    assert isinstance(head, DualViewClassifier)
    head.backbones.load_state_dict(model.backbones.state_dict())
    return {ALL_WEIGHTS: everything, HEAD_WEIGHTS: head}


def _explain(
    model: DualViewClassifier,
    walks: Sequence[_Walk],
    reference: Floats,
    classes: Sequence[str],
    device: str,
    progress: Progress,
    before: Sequence[SequenceMaps] = (),
) -> list[SequenceMaps]:
    """Explain walks; what a walk was found to be `before` is explained again."""
    model = model.to(device).eval()
    known = {one.sequence_id: one.predicted for one in before}
    found = []
    for walk in walks:
        predicted = known.get(next(iter(walk.sequence_ids.values())))
        target = None if predicted is None else classes.index(predicted)
        maps = map_views(model, walk.clips, reference, target)
        found += [
            SequenceMaps(
                sequence_id=walk.sequence_ids[view],
                participant_id=walk.participant_id,
                view=view,
                label=walk.label,
                predicted=classes[maps.explained],
                **fields,
            )
            for view, fields in maps.fields.items()
        ]
        progress.advance()
    return found


def map_views(
    model: DualViewClassifier,
    clips: NDArray[np.float32],
    reference: Floats,
    explained: int | None = None,
) -> ViewMaps:
    """Return the evidence of one walk in each view that the model reads; see `map_evidence`."""
    explained, relevance = map_evidence(model, clips, reference, explained)
    fields: dict[str, dict[str, Any]] = {}
    sums: dict[str, float] = {}
    for view in model.spec.views:
        place = VIEWS.index(view)
        maps = relevance[:, place].reshape(-1, CELL_ROWS, CELL_COLUMNS)
        silhouettes = clips[:, place].reshape(-1, *clips.shape[-2:])
        # Eight frames a second are too few to follow the gait cycle in.
        fields[view] = reduce_frames({METHOD: maps}, silhouettes, None)
        sums[view] = float(np.maximum(maps.mean(axis=0), 0).sum())
    total = sum(sums.values())
    weights = {view: one / total if total > 0 else 0.0 for view, one in sums.items()}
    return ViewMaps(explained, fields, weights)


def map_evidence(
    model: DualViewClassifier,
    clips: NDArray[np.float32],
    reference: Floats,
    explained: int | None = None,
) -> tuple[int, Floats]:
    """Return how much each cell of 4 x 4 pixels raises a class above the others, first order.

    Args:
        model: in evaluation mode.
        clips: `(clip, view, 1, frame, 64, 44)` in [0, 1], of one walk.
        reference: `(view, 64, 44)`, what a pixel is compared with.
        explained: index of the class; None: the one that the walk's mean probability names.

    Returns:
        That index, and `(clip, view, frame, 16, 11)`.
    """
    device = next(model.parameters()).device
    inputs = torch.from_numpy(clips).to(device).requires_grad_()
    output: ModelOutput = model(inputs)
    scores = output.logits.mean(dim=-1)  # (clip, class)
    if explained is None:
        explained = int(scores.softmax(dim=1).mean(dim=0).argmax())
    others = (scores.sum(dim=1) - scores[:, explained]) / (scores.shape[1] - 1)
    (slope,) = torch.autograd.grad((scores[:, explained] - others).sum(), inputs)
    ground = torch.from_numpy(reference).to(device)[None, :, None, None]
    relevance = (slope * (inputs.detach() - ground))[:, :, 0]
    height, width = relevance.shape[-2:]
    blocks = relevance.reshape(
        *relevance.shape[:3], CELL_ROWS, height // CELL_ROWS, CELL_COLUMNS, width // CELL_COLUMNS
    )
    return explained, np.asarray(blocks.sum(dim=(4, 6)).cpu().numpy(), dtype=np.float32)
