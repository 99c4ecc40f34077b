"""The report's section on where the models look, and on how far those maps can be trusted.

Nothing is computed here: tables and pictures come from `training.explain`.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

import polars as pl

from transforms.describe.explanation_figures import METHOD_TITLES, draw_region_shares
from transforms.describe.formatting import NOTHING, plural, words
from transforms.describe.page import (
    Block,
    Group,
    Missing,
    Section,
    Statement,
    Statements,
    Table,
    Terms,
    Text,
    part_or_drawer,
    png_picture,
    rows_table,
    svg_picture,
)
from transforms.describe.style import figure_to_svg
from transforms.explanation.over_time import OVER_TIME_PICTURE
from transforms.explanation.regions import REGIONS
from transforms.explanation.results import LEFT_OUT, Explanation

PICTURED: Final = 6
"""Experiments shown with pictures: three of up to 74 kB each; of the others the tables."""
_TITLE: Final = "Where the models look"
_PLOTTED: Final = "evidence"
_METHOD_NAMES: Final = {"attention": "Attention", "grad_cam": "Grad-CAM", "evidence": "Evidence"}


class Explained(Protocol):
    """What the section needs of the report's material."""

    @property
    def explanations(self) -> Sequence[Explanation]:
        """The explained experiments, in their order."""


def explanation_section(material: Explained) -> Section:
    """Return what the maps show, how they are read, and whether they pass their checks."""
    found = material.explanations
    if not found:
        missing = Missing("No model has been explained yet.", "gaitworks run model_explanation")
        return Section("explanation", _TITLE, (missing,))
    explained = [one for one in found if LEFT_OUT not in one.summary]
    blocks: list[Block] = [
        Text(f"{one.name} is not explained: {one.summary[LEFT_OUT]}.")
        for one in found
        if LEFT_OUT in one.summary
    ]
    if explained:
        blocks += _describe(explained)
    return Section("explanation", _TITLE, tuple(blocks))


def _describe(found: Sequence[Explanation]) -> list[Block]:
    pictured = {one.name for one in _choose_pictured(found)}
    methods = {method for one in found for method in _methods_of(one)}
    blocks: list[Block] = [
        Text(
            "Maps of a sample of the test side, averaged over people: each sequence adds up to 1, "
            "sequences are averaged to participants and participants to the class the model "
            "predicted. Read the verdicts first: a map that fails its checks shows something else "
            "than what the model has learnt."
        ),
        Statements(tuple(_judge(one, method) for one in found for method in _methods_of(one))),
        _terms(methods),
        Group("box", "What the maps do not show", _limits(methods)),
    ]
    return blocks + [
        _experiment_group(one, has_pictures=one.name in pictured, among=len(found)) for one in found
    ]


def _methods_of(one: Explanation) -> list[str]:
    """Return the maps that were made of a model; of clips there is the evidence alone."""
    made = set(one.shares["method"])
    return [method for method in _METHOD_NAMES if method in made]


def _choose_pictured(found: Sequence[Explanation]) -> list[Explanation]:
    """Return one experiment of every model first, then others, up to `PICTURED`."""
    seen: dict[str, int] = {}
    turns = []
    for place, one in enumerate(found):
        model = str(one.summary["model"])
        turns.append((seen.get(model, 0), place))
        seen[model] = seen.get(model, 0) + 1
    return [found[place] for _, place in sorted(turns)[:PICTURED]]


def _judge(one: Explanation, method: str) -> Statement:
    checks = one.checks.filter(pl.col("method") == method)
    made = checks.drop_nulls("is_passed")
    claim = f"{one.name}: does {_METHOD_NAMES[method]} show what the model has learnt?"
    detail = " ".join(_say_check(row) for row in checks.to_dicts())
    if made.filter(~pl.col("is_passed")).height:
        return Statement("fails", claim, detail)
    if made.height < checks.height or not checks.height:
        return Statement("not checked", claim, detail or "No check was made.")
    return Statement("holds", claim, detail)


def _say_check(row: dict[str, Any]) -> str:
    # `Any`: one row of a table holds values of many types.
    if row["correlation"] is None:
        return f"{row['check'].capitalize()}: could not be compared."
    return (
        f"{row['check'].capitalize()}: rank correlation {row['correlation']:.2f}, must be "
        f"{row['must_be']} {row['limit']:.2f} ({row['compared']} compared)."
    )


def _terms(methods: Collection[str]) -> Terms:
    maps = {
        "attention": "The sum of squares over the channels of the backbone's last stage, the kind "
        "of map in Figure 5 of the Scoliosis1K paper. It knows no class and no head.",
        "grad_cam": "Activations of the last stage weighted by the gradient of the predicted "
        "class. Behind a maximum over time only the frames that hold it have a gradient, behind "
        "attention each as its weight: the map of the sequence is divided among them.",
        "evidence": "The predicted class's score above the mean of the others, carried back to the "
        "pixels: how much each raises it, to first order, by differing from the mean silhouette of "
        "the sample.",
    }
    return Terms(
        (
            *((_METHOD_NAMES[method], maps[method]) for method in maps if method in methods),
            (
                "All weights, or head, randomised",
                "The map is made again with weights drawn anew. It has to change: the rank "
                "correlation over the cells of the figure has to be near 0.",
            ),
            (
                "Other people",
                "The mean map of every other participant against that of the rest, the least "
                "alike group: it has to repeat itself.",
            ),
            (
                "Share, body share",
                "The part of the map that lies in a band of the body's height, and the part of "
                "the silhouette that does: a large band has a large share for its size alone.",
            ),
        )
    )


def _limits(methods: Collection[str]) -> tuple[Block, ...]:
    # Attention and Grad-CAM are of models of walks, which take frames as a set.
    is_of_sets = "attention" in methods
    last_stage = (
        "A cell of the last stage sees 41 x 41 pixels of 64 x 44: attention and Grad-CAM can stand "
        "two bands away from what they respond to. On walkers of whom one region alone tells the "
        "class, evidence found that region in 5 of 5 small models, attention in 2 and Grad-CAM in "
        "1 (docs/explanation.md). "
    )
    return (
        Text(
            "A share is no cause: it says where the model's score comes from, not where the "
            "disease is, and nothing about a single person. A model that reads age, height or "
            "clothing has a map too."
        ),
        Text(
            (last_stage if is_of_sets else "")
            + "Bands are heights, not organs: a hand beside the pelvis counts as pelvis."
        ),
        Text(
            ("The models are blind to the order of frames. " if is_of_sets else "")
            + "Phases say in which part of the cycle the frames lie that the score comes from, not "
            "that the model follows a movement. "
            "From the side left and right steps look alike: there the cycle's halves are one."
        ),
    )


def _experiment_group(one: Explanation, *, has_pictures: bool, among: int) -> Group:
    explained = [
        f"{plural(group['sequences'], 'sequence')} of {plural(group['participants'], 'person')} "
        f"predicted {group['predicted']} ({group['view']} view), {group['right']} rightly, "
        f"{group['with_rhythm']} with a clear rhythm"
        for group in one.summary["groups"]
    ]
    blocks: list[Block] = [Text(f"Explained: {'; '.join(explained)}.".replace("persons", "people"))]
    whole = one.shares.filter(pl.col("phase").is_null() & (pl.col("half") == "all"))
    plotted = whole.filter(pl.col("method") == _PLOTTED)
    if plotted.height:
        blocks.append(
            svg_picture(
                figure_to_svg(draw_region_shares(plotted)),
                "Bars of the share of each region of the body; the table has the numbers.",
                "Evidence by region of the body, per predicted class. Bars: share of the map. "
                "Black lines: one standard deviation between people. Grey marks: share of the "
                "silhouette.",
            )
        )
    blocks.append(_share_table(one.name, whole))
    over_time = one.summary.get("over_time", [])
    if over_time:
        blocks.append(_over_time_table(one.name, over_time))
    if has_pictures:
        blocks += [_picture(name, png) for name, png in sorted(one.pictures.items())]
    halves = one.shares.filter(
        pl.col("phase").is_null()
        & (pl.col("half") != "all")
        & (pl.col("method") == _PLOTTED)
        & ~pl.col("view").is_in(["side", "left", "right"])
    )
    if halves.height:
        blocks.append(Group("drawer", "Left and right of the picture", (_half_table(halves),)))
    phases = one.shares.filter(
        pl.col("phase").is_not_null() & (pl.col("half") == "all") & (pl.col("method") == _PLOTTED)
    )
    if phases.height:
        blocks.append(Group("drawer", "Over the gait cycle", (_phase_table(phases),)))
    return part_or_drawer(one.name, tuple(blocks), among=among)


def _picture(name: str, png: bytes) -> Block:
    method, _, view = name.partition("-")
    if method == OVER_TIME_PICTURE:
        return png_picture(
            png,
            f"Strips of walks, {view} view: silhouettes above, a bar of weight per frame below.",
            f"Attention over time, {view} view: a few walks of each predicted class. Bars: how "
            "many times an even share of the walk a frame takes, 1 dotted. Colours: the model's "
            "phases, in the order of the gait cycle. A strip shows one walker, as the shards do.",
        )
    title = METHOD_TITLES.get(method, method)
    return png_picture(
        png,
        f"{title}, {view} view: a row per predicted class, the whole walk and, where there is a "
        "clear rhythm, eight phases.",
        f"{title}, {view} view. Means over people on their mean silhouette. The whole walk has a "
        "scale of its own; eight phases of the gait cycle, drawn where enough people walk with a "
        "clear rhythm, share one.",
    )


def _share_table(name: str, whole: pl.DataFrame) -> Table:
    rows = []
    for (method, view, predicted), part in whole.group_by(
        "method", "view", "predicted", maintain_order=True
    ):
        shares = {row["region"]: row for row in part.to_dicts()}
        cells = [
            f"{shares[region]['share']:.2f} ({shares[region]['body_share']:.2f})"
            for region in REGIONS
        ]
        title = _METHOD_NAMES[str(method)]
        rows.append((title, f"{predicted}, {view}", *cells))
    return rows_table(
        f"Share of the map by region, {name}",
        ("map", "predicted, view", *(words(region) for region in REGIONS)),
        rows,
        numeric=range(2, 2 + len(REGIONS)),
        note="share of the map (share of the silhouette), whole walk",
    )


def _over_time_table(name: str, entries: Sequence[dict[str, Any]]) -> Table:
    # `Any`: JSON.
    rows = []
    for entry in entries:
        agreement = NOTHING
        if entry["agreement"] is not None:
            agreement = f"{entry['agreement']:.2f} ({entry['agreement_lowest']:.2f})"
        rows.append(
            (
                entry["view"],
                str(entry["phases"]),
                agreement,
                f"{entry['agreement_sequences']} of {entry['sequences']}",
                f"{entry['even_frames']:.2f}",
            )
        )
    return rows_table(
        f"Attention over time, {name}",
        ("view", "phases", "agreement with the gait cycle", "walks compared", "frames taken"),
        rows,
        numeric=range(1, 5),
        note="agreement: adjusted mutual information with equal sectors of the cycle that the "
        "rhythm of the legs shows (1 the same, 0 as by chance), the mean and the lowest of the "
        "walks; frames taken: the share of frames that even weights of this concentration would "
        "take",
    )


def _half_table(halves: pl.DataFrame) -> Table:
    rows = []
    for (view, predicted), part in halves.group_by("view", "predicted", maintain_order=True):
        found = {(row["region"], row["half"]): row["share"] for row in part.to_dicts()}
        cells = [f"{found[one, 'left']:.2f} | {found[one, 'right']:.2f}" for one in REGIONS]
        rows.append((f"{predicted}, {view}", *cells))
    return rows_table(
        "Evidence in the picture's left and right half",
        ("predicted, view", *(words(region) for region in REGIONS)),
        rows,
        numeric=range(1, 1 + len(REGIONS)),
        note="one who comes towards the camera has the right side on the picture's left",
    )


def _phase_table(phases: pl.DataFrame) -> Table:
    rows = []
    for (view, predicted, phase), part in phases.group_by(
        "view", "predicted", "phase", maintain_order=True
    ):
        shares = {row["region"]: row["share"] for row in part.to_dicts()}
        rows.append(
            (
                f"{predicted}, {view}, phase {phase}/8",
                f"{part['phase_share'][0]:.2f}",
                *(f"{shares[region]:.2f}" for region in REGIONS),
            )
        )
    return rows_table(
        "Evidence by phase of the gait cycle",
        ("predicted, view, phase", "of the whole map", *(words(region) for region in REGIONS)),
        rows,
        numeric=range(1, 2 + len(REGIONS)),
        note="regions: share of the map of that phase; 0.125 of the whole map would be even",
    )
