"""The parts of `metrics.json` that come of an experiment's predictions, all of them."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import Judged
from transforms.metrics.metrics import judge_units, summarise_predictions
from transforms.metrics.operating_points import summarise_operating_points
from transforms.metrics.per_class import summarise_per_class
from transforms.metrics.subgroups import read_groups, summarise_subgroups
from transforms.settings import EvaluationSettings


def summarise_evaluation(
    predictions: pl.DataFrame,
    participants: pl.DataFrame,
    settings: EvaluationSettings,
    *,
    selection: pl.DataFrame | None = None,
    clips: pl.DataFrame | None = None,
    selection_clips: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """Return `units` and, of scoliosis, `as_published_2024`; `docs/metrics.md` has their shape.

    Args:
        predictions: table of `predictions_schema`, of one side.
        participants: who they are, schema `PARTICIPANTS` or a release's `participants.tsv`.
        settings: resamples, confidence and seed of the intervals.
        selection: predictions of the selection side, on which thresholds are fixed.
        clips: the clips that the sequences of `predictions` were made of, for the unit `clip`.
        selection_clips: those of `selection`; without them clips have no threshold from there.

    Raises:
        InputError: a table is not what `read_predictions` or `read_clip_predictions` takes, or of
            participants who are not in the other table.
    """
    summary = summarise_predictions(predictions, settings, clips=clips)
    rows = judge_units(predictions, clips)
    ids = sorted(predictions["participant_id"].unique())
    groups = read_groups(participants, ids)
    drawn = draw_weights(len(ids), settings.bootstrap_resamples, settings.seed)
    chosen: Mapping[str, Judged] = {}
    if selection is not None and not selection.is_empty():
        chosen = judge_units(selection, selection_clips)
    for unit, judged in rows.items():
        weights = drawn[:, judged.participant]
        summary["units"][unit] |= {
            "per_class": summarise_per_class(judged, weights, settings.confidence),
            "operating_points": summarise_operating_points(
                judged, weights, settings.confidence, selection=chosen.get(unit)
            ),
            "subgroups": summarise_subgroups(judged, groups, drawn, settings.confidence),
        }
    return summary
