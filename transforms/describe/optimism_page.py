"""The page of an optimism gap: the document, a sentence, a picture and tables.

What the difference is, and how it is measured, is the business of `transforms.metrics.optimism`.
Every file says LEAKY.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transforms.describe.formatting import NOTHING, format_interval, name_metric, words
from transforms.describe.style import ACCENT, FLAG, INK, figure_to_svg, new_figure, styled
from transforms.files import canonical_json
from transforms.metrics.optimism import ACTIVE, GAP, HONEST, LEAKY, SHOWN, SIDES, Gap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT_NAME: Final = "gap.json"
PAGE_NAME: Final = "gap.md"
PICTURE_NAME: Final = "gap.svg"
WARNING: Final = (
    "LEAKY: the sequence-wise split tests on people that the model was trained on. Its numbers are "
    "wrong on purpose, to measure by how much; they are no result, and no release holds them."
)
_METHOD: Final = (
    "Values are means over the seeds. Intervals are Wilson's, with as many independent people as "
    "resampling the test participants, each with all their sequences, shows; those of the "
    "difference take the two test sides as independent, for they hold different sequences. People "
    "tested on both score alike as a rule, which makes that interval too wide rather than too "
    "narrow. The spread over the seeds, and of another draw of the splits, is in no interval."
)


def write_gap(gap: Mapping[str, Any], output: Path) -> None:
    """Write `gap.json`, and `gap.md` with its picture `gap.svg`, into an existing directory.

    Args:
        gap: `model`, `variant`, `seeds`, `dataset_version`, `evaluation`, the `splits` of
            `describe_splits` and the `units` of `measure_gap`.
        output: an existing directory.
    """
    document = {"warning": WARNING, "method": _METHOD, **gap}
    (output / DOCUMENT_NAME).write_bytes(canonical_json(document))
    picture = figure_to_svg(draw_gap(gap["units"]["sequence"]))
    (output / PICTURE_NAME).write_text(picture, encoding="utf-8")
    (output / PAGE_NAME).write_text(_compose_page(gap), encoding="utf-8")


def say_gap(units: Mapping[str, Any], metric: str = "accuracy") -> str:
    """Return the gap of one metric per sequence as a sentence."""
    found = units["sequence"][metric]
    return (
        f"{name_metric(metric)[0]} per sequence: {format_interval(found[HONEST])} "
        f"{SHOWN[HONEST]}, {format_interval(found[LEAKY])} {SHOWN[LEAKY]}; "
        f"difference {_format_difference(found[GAP])}."
    )


@styled
def draw_gap(metrics: Mapping[str, Gap]) -> "Figure":
    """Draw both values of each metric with their intervals and, beside them, the difference.

    Args:
        metrics: one unit of what `measure_gap` returns, in the order of the rows from the top.
    """
    figure = new_figure(8.0, 1.0 + 0.36 * len(metrics))
    values, differences = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, found in enumerate(metrics.values()):
        for shift, name, colour, marker in ((-0.13, HONEST, ACCENT, "o"), (0.13, LEAKY, FLAG, "X")):
            _draw_interval(values, place + shift, found[name], colour, marker, SHOWN[name])
        _draw_interval(differences, place, found[GAP], INK, "D", "")
    names = [_title(metric) for metric in metrics]
    values.set_yticks(range(len(names)), names)
    values.set_ylim(len(names) - 0.5, -0.5)
    values.set(title="Value per sequence", xlim=(-0.03, 1.03))
    differences.set(title="LEAKY minus participant-wise")
    differences.axvline(0, color=INK, linewidth=0.8, linestyle="dashed")
    handles, labels = values.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    if by_label:
        figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", ncols=2)
    return figure


def _draw_interval(
    axes: Any, place: float, found: Mapping[str, Any], colour: str, marker: str, label: str
) -> None:
    # `Any`: matplotlib's array of axes is untyped.
    if found["value"] is None:
        return
    if found["low"] is not None:
        axes.plot([found["low"], found["high"]], [place, place], color=colour, linewidth=1.8)
    axes.plot([found["value"]], [place], color=colour, marker=marker, linestyle="", label=label)


def _compose_page(gap: Mapping[str, Any]) -> str:
    seeds = ("seed " if len(gap["seeds"]) == 1 else "seeds ") + ", ".join(map(str, gap["seeds"]))
    leaky = gap["splits"][LEAKY]
    parts = [
        f"# Optimism gap: {gap['model']}, {gap['variant']}, {seeds}",
        f"**{WARNING}**",
        say_gap(gap["units"]),
        "![Both values of each metric per sequence with their intervals, and the difference]"
        f"({PICTURE_NAME})",
        "## Per sequence",
        "The unit in which the field publishes.",
        _tabulate_unit(gap["units"]["sequence"]),
        "## Per participant",
        "The mean over a participant's sequences on the test side. On the LEAKY side it does not "
        f"stand for a new person: {leaky['known_test_participants']:,} of "
        f"{leaky['participants']['test']:,} are known from training or selection.",
        _tabulate_unit(gap["units"]["participant"]),
        "## What was compared",
        _tabulate_splits(gap["splits"]),
        "The sequences per side and class are equal on both. The people are not: a sequence-wise "
        "split takes as many sequences from more people, fewer of each, and the difference holds "
        "whatever that alone does.",
        "## How",
        f"{_METHOD} Confidence {gap['evaluation']['confidence']:g}, "
        f"{gap['evaluation']['bootstrap_resamples']:,} resamples. Dataset version "
        f"`{gap['dataset_version']}`.",
    ]
    return "\n\n".join(parts) + "\n"


def _tabulate_unit(metrics: Mapping[str, Gap]) -> str:
    rows = [
        [
            _title(metric),
            format_interval(found[HONEST]),
            format_interval(found[LEAKY]),
            _format_difference(found[GAP]),
            NOTHING if found[GAP]["seed_sd"] is None else f"{found[GAP]['seed_sd']:.2f}",
        ]
        for metric, found in metrics.items()
    ]
    columns = ["metric", *(SHOWN[name] for name in SIDES), "difference", "its sd over seeds"]
    return _tabulate(columns, rows)


def _tabulate_splits(splits: Mapping[str, Any]) -> str:
    rows = [
        [f"{what}, {side}", *(_total(splits[name][what][side]) for name in SIDES)]
        for what in ("sequences", "participants")
        for side in ACTIVE
    ]
    for what in ("known_test_participants", "known_test_sequences"):
        title = f"tested {what.rpartition('_')[2]} known from training or selection"
        rows.append([title, *(str(splits[name][what]) for name in SIDES)])
    return _tabulate(["", *(SHOWN[name] for name in SIDES)], rows)


def _total(count: int | Mapping[str, int]) -> str:
    if isinstance(count, int):
        return f"{count:,}"
    return " + ".join(f"{one:,} {label}" for label, one in count.items()) or "0"


def _tabulate(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _title(metric: str) -> str:
    question = metric.rpartition("/")[0]
    return name_metric(metric)[0] + (f", {words(question)}" if question else "")


def _format_difference(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "undefined"
    if found["low"] is None:
        return f"{found['value']:+.2f}"
    return f"{found['value']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]"
