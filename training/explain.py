"""From a trained model to tables and pictures of where it looks: a sample of the test side.

The maps themselves are in `training.explain_maps`, what is made of them in
`transforms.explanation`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from training.data import SequenceSet
from training.explain_maps import explain_sequence
from training.finished_model import open_finished_model
from training.frame_store import FrameStore
from training.job import ExplanationJob
from training.models.classifier import SilhouetteClassifier
from training.models.registry import build_model
from transforms.describe.explanation_figures import plot_explanation
from transforms.explanation.checks import ALL_WEIGHTS, HEAD_WEIGHTS, tabulate_checks
from transforms.explanation.cycle import assign_phases
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
from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.progress import Progress
from transforms.schemas import SEQUENCES
from transforms.shards.parquet import list_values, read_table, write_table
from transforms.shards.reader import SilhouetteDataset

# Of the randomised model; a training's own seed would give back the weights it began with.
_RANDOM_SEED_STEP: Final = 1_000_003
_SEEDS: Final = 2**32


@dataclass(frozen=True)
class _Walk:
    """A chosen sequence as the models see it."""

    row: dict[str, Any]  # `Any`: text, and numbers of the index
    silhouettes: Floats  # (frame, 64, 44) in [0, 1]
    times_s: NDArray[np.float64]  # (frame,)
    scheme: LabelScheme


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
    walks = _read_walks(chosen, opened.dataset, opened.store, settings.frame_cap)
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
    summary = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **opened.lineage,
        "settings": settings.model_dump(mode="json"),
        "groups": [_describe(group) for group in groups],
    }
    (job.output / SUMMARY_NAME).write_bytes(canonical_json(summary))


def choose_sequences(sequences: SequenceSet, per_class: int) -> SequenceSet:
    """Return at most so many sequences of each label, of as many participants as there are.

    The first sequence of every participant comes before the second of any, by their ids.
    """
    order = sequences.table.with_row_index("place").with_columns(
        turn=pl.col("sequence_id").rank("ordinal").over("participant_id")
    )
    ranked = order.sort("turn", "sequence_id")
    places = ranked.group_by("label").head(per_class)["place"].sort().to_numpy()
    return replace(
        sequences,
        table=sequences.table[places],
        positions=sequences.positions[places],
        labels=sequences.labels[places],
        lengths=sequences.lengths[places],
        participants=sequences.participants[places],
    )


def randomise(
    job: ExplanationJob, model: SilhouetteClassifier, class_count: int = len(SCOLIOSIS.classes)
) -> dict[str, SilhouetteClassifier]:
    """Return the model with all weights drawn anew, and with those behind the backbone so."""
    seed = (job.seed + _RANDOM_SEED_STEP) % _SEEDS
    everything = build_model(job.model, job.training, seed, class_count)
    head = build_model(job.model, job.training, seed, class_count)
    head.backbone.load_state_dict(model.backbone.state_dict())
    return {ALL_WEIGHTS: everything, HEAD_WEIGHTS: head}


def _read_walks(
    chosen: SequenceSet, dataset: SilhouetteDataset, store: FrameStore, cap: int
) -> list[_Walk]:
    """Read the sequences with the times of their frames, in the order of their ids."""
    rows = chosen.table.join(
        dataset.index.select("sequence_id", "view", "shard", "row"),
        on="sequence_id",
        how="left",
        maintain_order="left",
    ).to_dicts()
    times: dict[str, list[NDArray[np.float64]]] = {}
    for shard in sorted({row["shard"] for row in rows}):
        table = read_table(dataset.directory / shard, SEQUENCES, ["pts_s"])
        times[shard] = list(list_values(table, "pts_s"))
    return [
        _Walk(
            row,
            store.read(int(position), cap=cap)[0, 0],
            np.asarray(times[row["shard"]][row["row"]][:cap], dtype=np.float64),
            chosen.scheme,
        )
        for row, position in zip(rows, chosen.positions, strict=True)
    ]


def _average_by_view(walks: Sequence[_Walk]) -> dict[str, Floats]:
    """Return the mean silhouette of each view, every walk counted once."""
    means: dict[str, list[Floats]] = {}
    for walk in walks:
        means.setdefault(walk.row["view"], []).append(walk.silhouettes.mean(axis=0))
    return {view: np.mean(found, axis=0) for view, found in means.items()}


def _explain(
    model: SilhouetteClassifier,
    walks: Sequence[_Walk],
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
        grey = np.rint(walk.silhouettes * 255).astype(np.uint8)
        found.append(
            SequenceMaps(
                sequence_id=row["sequence_id"],
                participant_id=row["participant_id"],
                view=row["view"],
                label=walk.scheme.class_of[row["label"]],
                predicted=walk.scheme.classes[explained],
                **reduce_frames(
                    maps, walk.silhouettes, assign_phases(grey, walk.times_s, row["view"])
                ),
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
