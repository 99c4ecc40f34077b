"""From a trained model to tables and pictures of where it looks: a sample of the test side.

The maps themselves are in `training.explain_maps`, what is made of them in
`transforms.explanation`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from training.explain_maps import explain_sequence
from training.explain_over_time import explain_over_time
from training.explained_walks import Walk, choose_sequences, read_walks
from training.finished_model import open_finished_model
from training.job import ExplanationJob
from training.models.classifier import SilhouetteClassifier
from training.models.gait_mil import PhaseAttention
from training.models.registry import build_model
from transforms.describe.explanation_figures import plot_explanation
from transforms.explanation.checks import ALL_WEIGHTS, HEAD_WEIGHTS, tabulate_checks
from transforms.explanation.results import CHECKS_NAME, SHARES_NAME, SUMMARY_NAME
from transforms.explanation.shares import (
    METHODS,
    Floats,
    Group,
    SequenceMaps,
    group_sequences,
    reduce_frames,
    tabulate_shares,
)
from transforms.files import canonical_json
from transforms.progress import Progress
from transforms.shards.parquet import write_table

# Of the randomised model; a training's own seed would give back the weights it began with.
_RANDOM_SEED_STEP: Final = 1_000_003
_SEEDS: Final = 2**32


def run_explanation(job: ExplanationJob, *, device: str, progress: Progress) -> None:
    """Explain the job's model on a sample of the test side into `job.output`.

    Writes shares.parquet, sanity_checks.parquet, explanation.json, and a PNG per method and view
    of the class means; no picture shows fewer people than `plot_explanation` allows.

    Args:
        job: which model, and what it was trained on.
        device: `cpu` or `cuda`.
        progress: told about the sequences.

    Raises:
        InputError: the split has no such variant, or its test side is empty.
        IntegrityError: model, dataset and split do not belong together, or bytes are damaged.
    """
    settings = job.explanation
    opened = open_finished_model(job, progress, purpose="explain")
    model = opened.model
    chosen = choose_sequences(opened.test, settings.sequences_per_class)
    walks = read_walks(chosen, opened.dataset, opened.store, settings.frame_cap)
    checked = choose_sequences(chosen, settings.check_sequences_per_class)
    names = set(checked.table["sequence_id"])
    few = [walk for walk in walks if walk.row["sequence_id"] in names]
    others = randomise(job, model, len(opened.test.scheme.classes))
    references = _average_by_view(walks)
    progress.start(f"explain {job.experiment}", len(walks) + len(others) * len(few))
    sequences = _explain(model, walks, references, device, progress)
    randomised = {
        check: _compare(sequences, _explain(other, few, references, device, progress, sequences))
        for check, other in others.items()
    }
    groups = group_sequences(sequences)
    shares = tabulate_shares(groups).to_arrow()
    checks = tabulate_checks(randomised, groups, settings.correlation_limit).to_arrow()
    write_table(shares, job.output / SHARES_NAME)
    write_table(checks, job.output / CHECKS_NAME)
    for method in METHODS:
        for view in sorted({group.view for group in groups}):
            png = plot_explanation([one for one in groups if one.view == view], method)
            if png is not None:
                (job.output / f"{method}-{view}.png").write_bytes(png)
    summary: dict[str, Any] = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **opened.lineage,
        "settings": settings.model_dump(mode="json"),
        "groups": [_describe(group) for group in groups],
    }
    if isinstance(model.temporal, PhaseAttention):
        summary["over_time"] = explain_over_time(
            model.backbone, model.temporal, walks, sequences, job.output
        )
    (job.output / SUMMARY_NAME).write_bytes(canonical_json(summary))


def randomise(
    job: ExplanationJob, model: SilhouetteClassifier, class_count: int
) -> dict[str, SilhouetteClassifier]:
    """Return the model with all weights drawn anew, and with those behind the backbone so."""
    seed = (job.seed + _RANDOM_SEED_STEP) % _SEEDS
    everything = build_model(job.model, job.training, seed, class_count)
    head = build_model(job.model, job.training, seed, class_count)
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


def _compare(
    before: Sequence[SequenceMaps], after: Sequence[SequenceMaps]
) -> list[tuple[Floats, Any, Any]]:
    # `Any`: mappings of maps.
    known = {one.sequence_id: one for one in before}
    return [(one.silhouette, known[one.sequence_id].whole, one.whole) for one in after]


def _describe(group: Group) -> dict[str, Any]:
    return {
        "view": group.view,
        "predicted": group.predicted,
        "sequences": len(group.members),
        "participants": group.participant_count,
        "right": sum(one.label == one.predicted for one in group.members),
        "with_rhythm": sum(one.phase_silhouettes is not None for one in group.members),
    }
