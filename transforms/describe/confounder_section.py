"""The report's section on confounders: what a model has to be worth more than, and whether it is.

The figures themselves come from `transforms.confounders.probe`; nothing is computed here.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Protocol

from transforms.describe.confounder_figures import (
    PROBE_TITLES,
    draw_alone,
    draw_beside_models,
    find_area,
    name_panels,
    name_question,
)
from transforms.describe.formatting import format_interval, plural, words
from transforms.describe.page import (
    Block,
    Group,
    Missing,
    Section,
    Statement,
    Statements,
    Table,
    Text,
    rows_table,
    svg_picture,
)
from transforms.describe.style import figure_to_svg

Status = Literal["holds", "fails", "not checked", "caution"]
_RANKS: Final[tuple[Status, ...]] = ("fails", "not checked", "caution", "holds")  # worst first
_POOLED: Final = "all folds together"
# A question: what a verdict answers has to read rightly whatever the verdict is.
_CLAIM: Final = "Do the models know more than sex, age, size, clip length, site and camera tell?"

Probe = Mapping[str, Any]  # `Any`: the JSON values of `probe_confounders`


class Probed(Protocol):
    """What the section needs of the report's material."""

    @property
    def confounders(self) -> Probe | None:
        """What `probe_confounders` returned, or None where there is no split yet."""


def confounder_section(material: Probed) -> Section:
    """Return what the confounders alone predict, beside every model's result."""
    title = "Confounders: what every result has to beat"
    probe = material.confounders
    if probe is None:
        missing = Missing("The dataset has not been split yet.", "gaitworks run participant_splits")
        return Section("confounders", title, (missing,))
    claimed, single = _divide(probe)
    judged = {name: one for name, one in claimed.items() if one["status"] == "judged"}
    blocks: list[Block] = [
        Text(
            "Sex, age, height, weight, clip length, site, camera and view are known without a "
            "single silhouette. Two small models are given these alone: a regularised linear one "
            "and a shallow tree, fitted on the train and selection sides and judged on the test "
            "side, per participant. A model that does no better may have learnt who was filmed "
            "where, not how they walk."
        ),
        Statements(tuple(variant_statement(name, one) for name, one in claimed.items())),
    ]
    if judged:
        blocks.append(
            svg_picture(
                figure_to_svg(draw_beside_models(judged)),
                "Dots with intervals for chance, the two confounder models and every trained "
                "model, a band per variant; the tables below have the numbers.",
                "Chance (grey), confounders alone (brown) and the trained models (green) on the "
                f"same test participants. The AUROC is that of {_question_of(judged)}.",
            )
        )
    blocks += [_variant_table(name, one) for name, one in judged.items()]
    blocks.append(_cohort_group(probe["cohort"]))
    blocks += [
        Group("drawer", f"Each confounder alone, {name}", (_alone_table(name, one),))
        for name, one in judged.items()
    ]
    blocks += [
        Group("drawer", f"{name} by itself", (_variant_table(name, one),))
        for name, one in single.items()
        if one["status"] == "judged"
    ]
    return Section("confounders", title, tuple(blocks))


def confounder_statement(probe: Probe) -> Statement:
    """Return the claim over all variants with a model, as bad as the worst of them."""
    claimed, _ = _divide(probe)
    found = {name: variant_statement(name, one) for name, one in claimed.items()}
    checked = {name: one for name, one in found.items() if one.status != "not checked"}
    if not checked:
        detail = " ".join(f"{name}: {one.detail}" for name, one in found.items())
        return Statement("not checked", _CLAIM, detail or "The split has no variant.")
    name = min(checked, key=lambda one: _RANKS.index(checked[one].status))
    alike = [one for one in checked if checked[one].status == checked[name].status]
    alike_too = f" The same is true of {', '.join(alike[1:])}." if alike[1:] else ""
    return Statement(checked[name].status, _CLAIM, f"{name}: {checked[name].detail}{alike_too}")


def _divide(probe: Probe) -> tuple[Mapping[str, Probe], Mapping[str, Probe]]:
    """Return the judgements that claims rest on, and those that are shown besides.

    A fold alone tests too few people to rest anything on: all folds together do, as soon as a model
    was judged on all of them.
    """
    pooled = probe.get("pooled", {})
    if pooled.get("comparisons"):
        return {_POOLED: pooled}, probe["variants"]
    return probe["variants"], {}


def variant_statement(name: str, found: Probe) -> Statement:
    """Return whether every model of a variant is worth more than chance and both probes.

    It is decided on the AUROC of the screening question, which needs no threshold: `holds` where
    every model's lead has an interval above zero, `fails` where a model has no lead, else
    `caution`; so too, over folds, while a model was not judged on all of them.
    """
    claim = f"{name}: does every model know more than the confounders tell?"
    if found["status"] != "judged":
        return Statement("not checked", claim, f"The probe cannot be judged: {found['reason']}.")
    told = f"The confounders alone reach {_say_bar(found)}."
    comparisons = found["comparisons"]
    if not comparisons:
        return Statement("not checked", claim, f"{told} No model has been evaluated yet.")
    verdicts = {model: verdict(one["more_than"]) for model, one in comparisons.items()}
    worst = min(verdicts.values(), key=_RANKS.index)
    leads = {model: _least_lead(one["more_than"]) for model, one in comparisons.items()}
    model = min(leads, key=lambda one: (_RANKS.index(verdicts[one]), leads[one][1]))
    rival, _, lead = leads[model]
    detail = (
        f"{told} The smallest lead of {plural(len(comparisons), 'model')} is that of {model} over "
        f"{PROBE_TITLES.get(rival, rival)}: {format_interval(lead)}."
    )
    detail += _say_who_is_missing(found)
    if partly := found.get("not_on_every_fold"):
        worst = min(worst, "caution", key=_RANKS.index)
        detail += f" Not judged on every fold, so left out of this: {'; '.join(partly)}."
    return Statement(worst, claim, detail)


def _say_who_is_missing(found: Probe) -> str:
    """Say which models answer for a part of the people only, and are compared on that part."""
    everybody = sum(found["judged_on"].values())
    counts: dict[int, list[str]] = {}
    for model, one in found["comparisons"].items():
        if "judged_on" in one:
            counts.setdefault(sum(one["judged_on"].values()), []).append(model)
    return "".join(
        f" Of the {everybody} people {count} can be judged by {', '.join(models)}, and are who it "
        "is compared on: the others have no clip."
        for count, models in sorted(counts.items())
    )


def verdict(more_than: Probe) -> Status:
    """Return whether a model's lead over every rival is above zero beyond doubt."""
    leads = [rival[find_area(rival)] for rival in more_than.values()]
    if any(lead["value"] is None for lead in leads):
        return "not checked"
    if any(lead["value"] <= 0 for lead in leads):
        return "fails"
    if all(lead["low"] is not None and lead["low"] > 0 for lead in leads):
        return "holds"
    return "caution"


def summarise_confounders(probe: Probe) -> dict[str, float]:
    """Return the probe's figures by name, flat, for `summary.json`; none is undefined."""
    figures = {}
    for name, found in _judgements(probe):
        for kind, entries in found["all"].items():
            for metric, entry in entries.items():
                if entry["value"] is not None:
                    figures[f"confounders/{name}/{kind}/{metric}"] = entry["value"]
    return figures


def _judgements(probe: Probe) -> Iterable[tuple[str, Probe]]:
    everything = {"cohort": probe["cohort"]} | dict(probe["variants"])
    if "pooled" in probe:
        everything["pooled"] = probe["pooled"]
    return ((name, one) for name, one in everything.items() if one["status"] == "judged")


def _say_bar(found: Probe) -> str:
    areas = {kind: entries[find_area(entries)] for kind, entries in found["all"].items()}
    kind = max(areas, key=lambda one: areas[one]["value"] or 0.0)
    question = name_question(found["all"][kind])
    return f"an AUROC of {format_interval(areas[kind])} for {question} ({kind})"


def _question_of(judged: Mapping[str, Probe]) -> str:
    return name_question(next(iter(judged.values()))["chance"])


def _least_lead(more_than: Probe) -> tuple[str, float, Probe]:
    """Return the rival a model leads least, the lead, and its entry; undefined ones come first."""
    leads = {name: rival[find_area(rival)] for name, rival in more_than.items()}
    values = {
        name: float("-inf") if one["value"] is None else float(one["value"])
        for name, one in leads.items()
    }
    rival = min(values, key=values.__getitem__)
    return rival, values[rival], leads[rival]


def _variant_table(name: str, found: Probe) -> Table:
    rows = [("chance: the commonest class", *_cells(found["chance"]), "", "")]
    rows += [(PROBE_TITLES[kind], *_cells(one), "", "") for kind, one in found["all"].items()]
    for model, one in found["comparisons"].items():
        lead = format_interval(_least_lead(one["more_than"])[2])
        some = one.get("judged_on")
        name_of = model if some is None else f"{model} ({plural(sum(some.values()), 'person')})"
        name_of = name_of.replace("persons", "people")
        rows.append((name_of, *_cells(one["metrics"]), lead, verdict(one["more_than"])))
    people = ", ".join(f"{count} {label}" for label, count in found["judged_on"].items())
    titles = name_panels(found["chance"])
    return rows_table(
        f"Confounders and models on the same test participants, {name} ({people})",
        ("who answers", *titles.values(), "smallest lead in AUROC", "verdict"),
        rows,
        numeric=range(1, len(titles) + 2),
        note=f"value [interval]; the AUROC is that of {name_question(found['chance'])}. A lead is "
        "taken over chance and both confounder models, in pairs on the same resamples of "
        "participants. For the macro F1 the confounder models name the class whose probability "
        "is raised most above its share, so that they are not beaten merely for naming the "
        "commonest class.",
    )


def _cohort_group(found: Probe) -> Group:
    title = "Which confounder carries the label, over the whole cohort"
    if found["status"] != "judged":
        return Group("part", title, (Text(f"It cannot be judged: {found['reason']}."),))
    return Group(
        "part",
        title,
        (
            Text(
                f"Cross-validated over all participants in {found['folds']} folds, whatever side "
                "they are on: more people than a test side has, hence narrower intervals. Several "
                "confounders are looked at, so one interval that just misses 0.5 says little. A "
                "value below 0.5 says no more than 0.5: what held for some did not for the others."
            ),
            svg_picture(
                figure_to_svg(draw_alone(found)),
                "Dots with intervals of the AUROC of each confounder alone; the table below has "
                "the numbers.",
                f"AUROC for {name_question(found['chance'])} of each confounder alone; the dashed "
                "line is chance.",
            ),
            _alone_table("cohort, cross-validated", found),
        ),
    )


def _alone_table(name: str, found: Probe) -> Table:
    rows = [("all", "", *_alone_cells(found["all"]))]
    rows += [
        (words(confounder), one["known"], *_alone_cells(one))
        for confounder, one in found["alone"].items()
    ]
    kinds = [f"{metric}, {kind}" for kind in PROBE_TITLES for metric in ("AUROC", "accuracy")]
    return rows_table(
        f"Each confounder alone, {name}",
        ("confounder", "known of", *kinds),
        rows,
        numeric=range(2, 2 + len(kinds)),
    )


def _cells(entries: Probe) -> list[str]:
    return [format_interval(entries[metric]) for metric in name_panels(entries)]


def _alone_cells(found: Probe) -> list[str]:
    return [
        format_interval(found[kind][metric])
        for kind in PROBE_TITLES
        for metric in (find_area(found[kind]), "accuracy")
    ]
