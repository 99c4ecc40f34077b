from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.describe.explanation_figures import (
    MIN_PARTICIPANTS,
    draw_explanation,
    draw_region_shares,
    plot_explanation,
)
from transforms.describe.explanation_section import PICTURED, explanation_section
from transforms.describe.page import Group, Missing, Picture, Statements, Table, Text
from transforms.describe.rendering import load_template
from transforms.errors import IntegrityError
from transforms.explanation.checks import ALL_WEIGHTS, OTHER_PEOPLE, tabulate_checks
from transforms.explanation.regions import REGIONS
from transforms.explanation.results import (
    CHECKS_NAME,
    LEFT_OUT,
    SHARES_NAME,
    SUMMARY_NAME,
    Explanation,
    read_explanation,
)
from transforms.explanation.shares import (
    METHODS,
    SequenceMaps,
    group_sequences,
    reduce_frames,
    tabulate_shares,
)
from transforms.files import canonical_json

HOSTILE = "<script>alert(1)</script>$x_{$"


def explain(people: int, *, predicted: str = "positive", row: int = 2, has_phases: bool = True):
    """Return people whose every map is one warm row, brightest in phase 3."""
    frames = np.zeros((16, 64, 44), np.float32)
    frames[:, :, 10:30] = 1
    maps = np.zeros((16, 16, 11), np.float32)
    maps[:, row] = 1
    maps[3, row] = 5
    phases = np.arange(16) % 8 if has_phases else None
    return [
        SequenceMaps(
            f"{predicted}_{number}", f"{predicted}_{number}", "front", "positive", predicted,
            **reduce_frames(dict.fromkeys(METHODS, maps), frames, phases),
        )
        for number in range(people)
    ]  # fmt: skip


def explanation(name: str = "one", model: str = "sconet", **changes: Any) -> Explanation:
    groups = group_sequences(explain(6) + explain(5, predicted="negative", row=13))
    summary = {
        "model": model,
        "groups": [
            {
                "view": group.view,
                "predicted": group.predicted,
                "sequences": len(group.members),
                "participants": group.participant_count,
                "right": 3,
                "with_rhythm": 4,
            }
            for group in groups
        ],
    }
    pictures = {f"{method}-front": b"png" for method in METHODS}
    found = Explanation(name, tabulate_shares(groups), checks(0.1, 0.9, 0.9), summary, pictures)
    return replace(found, **changes)


def checks(randomised: float | None, people: float | None, evidence: float | None) -> pl.DataFrame:
    table = tabulate_checks({ALL_WEIGHTS: []}, [], 0.5)
    value = (
        pl.when(pl.col("check") == ALL_WEIGHTS).then(pl.lit(randomised, pl.Float64))
        .when(pl.col("method") == "evidence").then(pl.lit(evidence, pl.Float64))
        .otherwise(pl.lit(people, pl.Float64))
    )  # fmt: skip
    table = table.with_columns(correlation=value)
    is_above = pl.col("must_be") == "above"
    return table.with_columns(is_passed=(pl.col("correlation") > pl.col("limit")) == is_above)


@dataclass(frozen=True)
class Material:
    explanations: tuple[Explanation, ...]


def section(*found: Explanation):
    return explanation_section(Material(found))


def statuses(*found: Explanation) -> list[str]:
    block = next(one for one in section(*found).blocks if isinstance(one, Statements))
    assert all(one.claim.endswith("?") for one in block.statements)
    return [one.status for one in block.statements]


def test_a_map_holds_only_if_every_check_of_it_does() -> None:
    assert statuses(explanation()) == ["holds", "holds", "holds"]
    assert statuses(explanation(checks=checks(0.9, 0.9, 0.9))) == ["fails"] * 3
    assert statuses(explanation(checks=checks(0.1, 0.9, 0.2))) == ["holds", "holds", "fails"]
    # A failed check is not outweighed by one that could not be made.
    assert statuses(explanation(checks=checks(0.9, None, None))) == ["fails"] * 3
    assert statuses(explanation(checks=checks(0.1, 0.9, None))) == ["holds", "holds", "not checked"]


def test_only_maps_that_were_made_are_judged_and_explained() -> None:
    shares = explanation().shares.filter(pl.col("method") == "evidence")
    of_clips = explanation(shares=shares, pictures={"evidence-front": b"png"})
    assert statuses(of_clips) == ["holds"]
    page = load_template("report.html.jinja").render(title="t", sections=(section(of_clips),))
    assert "Grad-CAM" not in page
    assert "blind to the order of frames" not in page  # a model of clips is not
    page = load_template("report.html.jinja").render(title="t", sections=(section(explanation()),))
    assert "Grad-CAM" in page
    assert "blind to the order of frames" in page


def test_the_statement_says_what_was_compared() -> None:
    block = next(one for one in section(explanation()).blocks if isinstance(one, Statements))
    assert "rank correlation 0.10, must be below 0.50" in block.statements[0].detail
    assert OTHER_PEOPLE.capitalize() in block.statements[0].detail


def experiment_blocks(found: Explanation) -> tuple[Any, ...]:
    return next(
        one.blocks
        for one in section(found).blocks
        if isinstance(one, Group) and one.title == found.name
    )


def test_every_map_and_class_is_a_row_of_shares() -> None:
    table = next(one for one in experiment_blocks(explanation()) if isinstance(one, Table))
    assert len(table.rows) == 2 * len(METHODS)
    row = next(row for row in table.rows if row[:2] == ("Evidence", "positive, front"))
    assert row[2 + list(REGIONS).index("shoulders")] == "1.00 (0.12)"
    assert row[2] == "0.00 (0.12)"


def test_phases_are_told_where_there_are_some() -> None:
    drawer = next(
        one
        for one in experiment_blocks(explanation())
        if isinstance(one, Group) and one.title == "Over the gait cycle"
    )
    rows = {row[0]: row[1] for row in drawer.blocks[0].rows}
    # Frames 3 and 11 are of phase 3: (5 + 1) / 2 against 1 in each of the seven others.
    assert rows["positive, front, phase 3/8"] == "0.30"
    assert rows["positive, front, phase 0/8"] == "0.10"
    still = tabulate_shares(group_sequences(explain(6, has_phases=False)))
    titles = [
        one.title for one in experiment_blocks(explanation(shares=still)) if isinstance(one, Group)
    ]
    assert "Over the gait cycle" not in titles


def test_each_model_is_pictured_before_a_second_seed_of_one() -> None:
    many = [explanation(f"sconet-{seed}") for seed in range(PICTURED + 3)]
    shown = section(*many, explanation("other", model="baseline_cnn"))
    has_sheets = {
        one.title: any(isinstance(block, Picture) and block.form == "sheet" for block in one.blocks)
        for one in shown.blocks
        if isinstance(one, Group) and one.form == "drawer"
    }
    assert has_sheets["other"]
    assert sum(has_sheets.values()) == PICTURED
    assert len(has_sheets) == PICTURED + 4


def test_without_an_explanation_the_command_is_named() -> None:
    (missing,) = section().blocks
    assert isinstance(missing, Missing)


def test_a_model_that_is_not_explained_has_a_sentence_and_no_verdict() -> None:
    nothing = explanation(
        "rgb",
        shares=tabulate_shares([]),
        checks=tabulate_checks({}, [], 0.5),
        summary={"model": "single_side", "groups": [], LEFT_OUT: "it shows people"},
        pictures={},
    )
    (alone,) = section(nothing).blocks
    assert isinstance(alone, Text)
    assert alone.text == "rgb is not explained: it shows people."
    assert statuses(nothing, explanation("one")) == ["holds"] * 3
    titles = [
        one.title for one in section(nothing, explanation("one")).blocks if hasattr(one, "title")
    ]
    assert "one" in titles
    assert "rgb" not in titles


def test_a_map_that_was_made_and_not_checked_is_said_to_be_so() -> None:
    evidence = checks(0.1, 0.9, 0.9).filter(pl.col("method") == "evidence")
    assert statuses(explanation(checks=evidence)) == ["not checked", "not checked", "holds"]


def test_names_from_data_are_escaped_in_the_page() -> None:
    page = load_template("report.html.jinja").render(
        title="t", sections=(section(explanation(HOSTILE)),)
    )
    assert "<script>alert(1)" not in page


def test_nothing_to_show_is_no_error() -> None:
    nothing = explanation(shares=tabulate_shares([]), pictures={})
    assert not any(isinstance(one, Picture) for one in experiment_blocks(nothing))


def test_what_was_written_is_read_back(tmp_path) -> None:
    found = explanation()
    found.shares.write_parquet(tmp_path / SHARES_NAME)
    found.checks.write_parquet(tmp_path / CHECKS_NAME)
    (tmp_path / SUMMARY_NAME).write_bytes(canonical_json(found.summary))
    for name, png in found.pictures.items():
        (tmp_path / f"{name}.png").write_bytes(png)
    read = read_explanation(tmp_path, "one")
    assert read.shares.equals(found.shares)
    assert read.checks.equals(found.checks)
    assert (read.summary, read.pictures) == (found.summary, found.pictures)
    (tmp_path / SHARES_NAME).write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="explanation can't be read"):
        read_explanation(tmp_path, "one")


def test_too_few_people_are_not_drawn() -> None:
    enough = group_sequences(explain(MIN_PARTICIPANTS))
    few = group_sequences(explain(MIN_PARTICIPANTS - 1))
    assert plot_explanation(few, "attention") is None
    png = plot_explanation(enough, "attention")
    assert png is not None
    assert png[:4] == b"\x89PNG"
    # Many walks of few people are still few people.
    one_person = [replace(one, participant_id="p") for one in explain(9)]
    assert plot_explanation(group_sequences(one_person), "attention") is None


def test_a_picture_is_the_same_bytes_each_time() -> None:
    groups = group_sequences(explain(6))
    assert plot_explanation(groups, "evidence") == plot_explanation(groups, "evidence")


def test_phases_of_too_few_people_are_left_blank() -> None:
    walkers, others = explain(2), explain(6, has_phases=False)[2:]
    figure = draw_explanation(group_sequences(walkers + others), "evidence")
    assert [bool(axes.images) for axes in figure.axes] == [True] + [False] * 8
    assert [axes.get_title() for axes in figure.axes] == ["whole walk"] + [""] * 8
    figure = draw_explanation(group_sequences(explain(6)), "evidence")
    assert all(axes.images and axes.get_title() for axes in figure.axes)


def test_the_warm_place_is_where_the_map_is() -> None:
    figure = draw_explanation(group_sequences(explain(6)), "evidence")
    painted = np.asarray(figure.axes[0].images[0].get_array())  # (64, 44, 3)
    redness = painted[..., 0] - painted[..., 2]
    assert 8 <= int(redness.sum(axis=1).argmax()) < 12  # row 2 of the cells
    assert np.abs(redness[30:]).max() < 1e-6


def test_bars_are_the_shares() -> None:
    shares = explanation().shares.filter(
        pl.col("phase").is_null() & (pl.col("half") == "all") & (pl.col("method") == "evidence")
    )
    figure = draw_region_shares(shares)
    assert len(figure.axes) == 2
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [0, 0, 0, 0, 0, 1]  # negative: shanks and feet
