"""From a trained model to tables and pictures of where it looks: a sample of the test side.

The maps are made in `training.explain_walks` and `training.explain_clips`; what is made of them is
in `transforms.explanation`.
"""

from typing import Any

from training.clip_store import SilhouetteClips
from training.explain_clips import explain_clips
from training.explain_over_time import explain_over_time
from training.explain_walks import explain_walks
from training.explained import Explained
from training.finished_model import FinishedModel, open_finished_model
from training.frame_store import FrameStore
from training.job import ExplanationJob
from training.models.classifier import SilhouetteClassifier
from training.models.dual_view import DualViewClassifier
from training.models.gait_mil import PhaseAttention
from transforms.describe.explanation_figures import plot_explanation
from transforms.explanation.checks import tabulate_checks
from transforms.explanation.results import CHECKS_NAME, LEFT_OUT, SHARES_NAME, SUMMARY_NAME
from transforms.explanation.shares import Group, group_sequences, tabulate_shares
from transforms.files import canonical_json
from transforms.progress import Progress
from transforms.shards.parquet import write_table


def run_explanation(job: ExplanationJob, *, device: str, progress: Progress) -> None:
    """Explain the job's model on a sample of the test side into `job.output`.

    Writes shares.parquet, sanity_checks.parquet, explanation.json, and a PNG per method and view
    of the class means; no picture shows fewer people than `plot_explanation` allows. A model of
    pictures of people is not explained, since its maps would show them: its tables are empty, and
    the summary says so.

    Args:
        job: which model, and what it was trained on.
        device: `cpu` or `cuda`.
        progress: told about the sequences.

    Raises:
        InputError: the split has no such variant, or its test side is empty.
        IntegrityError: model, dataset and split do not belong together, or bytes are damaged.
    """
    opened = open_finished_model(job, progress, purpose="explain")
    explained, further = _explain(opened, job, device, progress)
    groups = group_sequences(explained.sequences)
    shares = tabulate_shares(groups).to_arrow()
    limit = job.explanation.correlation_limit
    checks = tabulate_checks(explained.randomised, groups, limit).to_arrow()
    write_table(shares, job.output / SHARES_NAME)
    write_table(checks, job.output / CHECKS_NAME)
    for view in sorted({group.view for group in groups}):
        here = [group for group in groups if group.view == view]
        for method in here[0].methods:
            png = plot_explanation(here, method)
            if png is not None:
                (job.output / f"{method}-{view}.png").write_bytes(png)
    summary = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **opened.data.lineage,
        "settings": job.explanation.model_dump(mode="json"),
        "groups": [_describe(group) for group in groups],
        **further,
    }
    (job.output / SUMMARY_NAME).write_bytes(canonical_json(summary))


def _explain(
    opened: FinishedModel, job: ExplanationJob, device: str, progress: Progress
) -> tuple[Explained, dict[str, Any]]:
    """Return the maps, and what the summary says besides.

    `Any`: JSON.
    """
    model, store, settings = opened.model, opened.store, job.explanation
    if isinstance(model, SilhouetteClassifier) and isinstance(store, FrameStore):
        explained, walks = explain_walks(opened, model, store, settings, device, progress)
        if not isinstance(model.temporal, PhaseAttention):
            return explained, {}
        over_time = explain_over_time(
            model.backbone, model.temporal, walks, explained.sequences, job.output
        )
        return explained, {"over_time": over_time}
    if isinstance(model, DualViewClassifier) and isinstance(store, SilhouetteClips):
        return explain_clips(opened, model, store, settings, device, progress), {}
    why = "it reads pictures of people, so its maps would show them"
    progress.start(f"explain {job.experiment}", len(opened.test))
    progress.advance(0, f"not explained: {why}")
    return Explained([], {}), {LEFT_OUT: why}


def _describe(group: Group) -> dict[str, Any]:
    return {
        "view": group.view,
        "predicted": group.predicted,
        "sequences": len(group.members),
        "participants": group.participant_count,
        "right": sum(one.label == one.predicted for one in group.members),
        "with_rhythm": sum(one.phase_silhouettes is not None for one in group.members),
    }
