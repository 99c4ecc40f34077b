"""The results page of cohorts of spinal deformity: the published table of two views beside ours.

Ours are of participant-wise folds: what papers print (mean and standard deviation over folds) and,
since every person was tested once, one interval over all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transforms.confounders.results import name_system
from transforms.describe.confounder_figures import PROBE_TITLES
from transforms.describe.dual_view_figure import ViewRow, draw_views
from transforms.describe.formatting import NOTHING, plural
from transforms.describe.gather import Experiment, Material
from transforms.describe.page import Block, Missing, Section, Table, Text, rows_table, svg_picture
from transforms.describe.results_tables import NOT_RUN, format_percent
from transforms.describe.style import figure_to_svg
from transforms.fold_names import number_of_fold
from transforms.metrics.folds import summarise_folds
from transforms.published import DUAL_VIEW_ROWS, DUAL_VIEW_SOURCE, DUAL_VIEW_STUDY
from transforms.settings import EvaluationSettings

TITLE: Final = "Results: the published tables, theirs and ours"
# Why an experiment is in no row.
_OTHER_DATA: Final = "judged on another dataset or split"
_NO_FOLD: Final = "of a variant that is no fold"
_SINGLE: Final = "without a second fold"
_UNITS: Final = ("clip", "sequence", "participant")
_FOLLOWS: Final = (
    (
        "a clip: one second, 8 frames, both views; 3D ResNet-50 in the preset paper; Adam, 1e-4, "
        "at most 50 epochs, patience 5; five folds; mean and standard deviation over folds",
        "the paper",
    ),
    ("where the views meet in early, late and slow fusion", "the paper's text"),
    (
        "the names late and slow: its authors' code has them the other way round",
        "the paper's text, not the code",
    ),
    (
        "folds: disjoint, every person tested once; the epoch chosen on people of neither side. "
        "The code draws people anew for each fold and chooses on those it tests",
        "neither: ours",
    ),
    ("silhouettes in place of pictures, unless dual_view.input is rgb", "ours"),
    ("which 3D ResNet-50, how two networks are trained together, how clips become a walk", "ours"),
    ("logit_mean", "ours, in no paper"),
)


@dataclass(frozen=True)
class _Folds:
    """One model with one seed over its folds, as `summarise_folds` gives it."""

    model: str
    seed: int
    summary: Mapping[str, Any]  # `Any`: JSON


def dual_view_section(material: Material) -> Section:
    """Return the published table with our numbers, and what follows whom."""
    if not material.judged:
        missing = Missing("No model has been evaluated yet.", "gaitworks run model_evaluation")
        return Section("results", TITLE, (missing,))
    folds, left_out = _combine(material)
    probe = (material.confounders or {}).get("pooled", {})
    blocks: list[Block] = [
        Text(_introduce(folds, left_out, material)),
        svg_picture(
            figure_to_svg(draw_views(_rows_to_draw(folds, probe))),
            "Accuracy of every model and of what it has to beat, a mark with its interval each; "
            "the table below has the numbers.",
            "Hollow: per clip, mean and standard deviation over folds, published (dark) and ours. "
            "Filled: ours per participant, all folds together, with the interval over people.",
        ),
        _table_of_models(folds, probe),
    ]
    if folds:
        blocks.append(_table_of_diseases(folds))
    blocks.append(
        rows_table(
            "What follows whom",
            ("part", "as in"),
            _FOLLOWS,
            note="docs/dual-view-models.md has more",
        )
    )
    return Section("results", TITLE, tuple(blocks))


def _combine(material: Material) -> tuple[list[_Folds], Mapping[str, list[str]]]:
    """Return the models judged on two folds or more; the other experiments by why they are none."""
    groups: dict[tuple[str, int, str, str], list[Experiment]] = {}
    left_out: dict[str, list[str]] = {why: [] for why in (_OTHER_DATA, _NO_FOLD, _SINGLE)}
    for one in material.experiments:
        if one.metrics is None or one.predictions is None:
            continue
        if not one.is_of(material.dataset, material.splits):
            left_out[_OTHER_DATA].append(one.name)
        elif number_of_fold(one.metrics["variant"]) is None:
            left_out[_NO_FOLD].append(one.name)
        else:
            names = ("model", "seed", "dataset_version", "split_sha256")
            model, seed, version, split = (one.metrics[name] for name in names)
            groups.setdefault((model, seed, version, split), []).append(one)
    settings = EvaluationSettings.model_validate(material.inputs.settings.get("evaluation", {}))
    people = material.dataset.participants if material.dataset is not None else None
    found = []
    for (model, seed, *_), members in sorted(groups.items()):
        if len(members) < 2:
            left_out[_SINGLE] += [one.name for one in members]
            continue
        metrics = [one.metrics for one in members if one.metrics is not None]
        tables = [one.predictions for one in members if one.predictions is not None]
        summary = summarise_folds(metrics, tables, settings, participants=people)
        found.append(_Folds(model, seed, summary))
    return found, left_out


def _introduce(
    folds: Sequence[_Folds], left_out: Mapping[str, Sequence[str]], material: Material
) -> str:
    said = [
        f"Published: {DUAL_VIEW_STUDY}. {DUAL_VIEW_SOURCE}",
        "The published numbers are of real patients filmed in RGB, per clip, by folds that draw "
        "the tested people anew and choose the epoch on them; beside them ours show whether orders "
        "are alike, not whether a value is.",
    ]
    if material.is_synthetic:
        said.append("Our walkers are synthetic: nothing here is evidence about patients.")
    if not folds:
        said.append("No model was judged on two folds or more: there is no spread to show.")
    said += [
        f"Not in the table, {why}: {', '.join(sorted(names))}."
        for why, names in left_out.items()
        if names
    ]
    return " ".join(said)


def _rows_to_draw(folds: Sequence[_Folds], probe: Mapping[str, Any]) -> list[ViewRow]:
    """Return the models in the order of the table, then chance and the confounder models."""
    published = {row.model: row.accuracy for row in DUAL_VIEW_ROWS}
    rows = []
    for model in dict.fromkeys([*published, *sorted({one.model for one in folds})]):
        here = [one for one in folds if one.model == model]
        paper = published.get(model)
        if not here:
            rows.append(ViewRow(model, paper))
        for one in here:
            clips = one.summary["spread"].get("clip", {}).get("accuracy", {})
            pooled = one.summary["pooled"]["units"]["participant"]["metrics"]["accuracy"]
            rows.append(
                ViewRow(
                    name_system(one.model, one.seed),
                    paper,
                    None
                    if clips.get("mean") is None
                    else (100 * clips["mean"], 100 * (clips["sd"] or 0.0)),
                    _percents(pooled),
                )
            )
    return [
        *rows,
        *(
            ViewRow(name, people=_percents(entries["accuracy"]), is_rival=True)
            for name, entries in _list_rivals(probe).items()
        ),
    ]


def _list_rivals(probe: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what every model has to beat, by name."""
    if probe.get("status") != "judged":
        return {}
    named = {title: probe["all"][kind] for kind, title in PROBE_TITLES.items()}
    return {"chance": probe["chance"]} | named


def _percents(entry: Mapping[str, Any]) -> tuple[float, float | None, float | None] | None:
    if entry["value"] is None:
        return None
    low, high = (None if entry[key] is None else 100 * entry[key] for key in ("low", "high"))
    return 100 * entry["value"], low, high


def _table_of_models(folds: Sequence[_Folds], probe: Mapping[str, Any]) -> Table:
    rows: list[Sequence[str]] = []
    ours = {one.model for one in folds}
    names = dict.fromkeys([*(row.model for row in DUAL_VIEW_ROWS), *sorted(ours)])
    for model in names:
        for row in DUAL_VIEW_ROWS:
            if row.model == model:
                f1 = NOTHING if row.f1 is None else _spread(*row.f1)
                published = (_spread(*row.accuracy), NOTHING, NOTHING, f1)
                rows.append((f"{row.system} ({model})", "published, per clip", *published, NOTHING))
        here = [one for one in folds if one.model == model]
        rows += [row for one in here for row in _our_rows(one)]
        if not here:
            rows.append((model, "ours", NOT_RUN, *[NOTHING] * 4))
    rows += [_rival_row(name, entries) for name, entries in _list_rivals(probe).items()]
    return rows_table(
        "Ways to read two views, percent",
        ("model", "whose", "accuracy", "precision", "recall", "F1", "AUROC, asd"),
        rows,
        numeric=range(2, 7),
        note="Mean ± standard deviation over folds; pooled: all folds' test people together, with "
        "the interval over participants. Precision, recall and F1 are means over both classes; how "
        "the published F1 was averaged we do not know. Chance names the commonest class; the "
        "confounder models know sex, age, size, clip length, site and camera, and nothing else: "
        "whether each model leads them, in pairs, is told under Confounders.",
    )


def _rival_row(name: str, entries: Mapping[str, Any]) -> Sequence[str]:
    area = next(key for key in entries if key.endswith("/auroc"))
    shown = [format_percent(entries[key]) for key in ("accuracy", "macro_f1", area)]
    return (name, "ours, pooled participants", shown[0], NOTHING, NOTHING, *shown[1:])


def _our_rows(one: _Folds) -> list[Sequence[str]]:
    spread, count = one.summary["spread"], len(one.summary["folds"])
    name = name_system(one.model, one.seed)
    rows: list[Sequence[str]] = []
    for unit in (unit for unit in _UNITS if unit in spread):
        found = spread[unit]
        cells = [
            NOTHING
            if found[key]["mean"] is None
            else _spread(100 * found[key]["mean"], 100 * (found[key]["sd"] or 0.0))
            for key in ("accuracy", "macro_precision", "macro_recall", "macro_f1")
        ]
        rows.append((name, f"ours, per {unit}, {plural(count, 'fold')}", *cells, NOTHING))
    pooled = one.summary["pooled"]["units"]["participant"]["metrics"]
    keys = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "asd/auroc")
    rows.append((name, "ours, pooled participants", *(format_percent(pooled[key]) for key in keys)))
    return rows


def _table_of_diseases(folds: Sequence[_Folds]) -> Table:
    rows: list[Sequence[str]] = []
    for one in folds:
        groups = one.summary["pooled"]["units"]["participant"].get("subgroups", {})
        for group in groups.get("diagnosis", []):
            metrics = group.get("metrics") or {}
            accuracy = metrics.get("accuracy")
            shown = NOTHING if accuracy is None else format_percent(accuracy)
            rows.append(
                (
                    name_system(one.model, one.seed),
                    group["group"],
                    str(group["participants"]),
                    shown,
                )
            )
    return rows_table(
        "Named rightly, by disease, percent of participants",
        ("model", "disease", "people", "accuracy"),
        rows,
        numeric=(2, 3),
        note="Pooled over folds. Groups of fewer than five people are counted and not measured.",
    )


def _spread(mean: float, deviation: float) -> str:
    return f"{mean:.1f} ± {deviation:.1f}"
