import pytest

from tests.unit.transforms.metrics.drawn_predictions import draw
from transforms.describe.operating_table import operating_group
from transforms.describe.page import Table, Text
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import average_by_participant, read_predictions
from transforms.metrics.operating_points import summarise_operating_points


def describe(predictions, selection=None):
    judged = average_by_participant(read_predictions(predictions))
    if selection is not None:
        selection = average_by_participant(read_predictions(selection))
    weights = draw_weights(len(judged.truth), 200, seed=1)
    points = summarise_operating_points(judged, weights, 0.95, selection=selection)
    return {"experiment": "one", "units": {"participant": {"operating_points": points}}}


def test_every_point_of_both_questions_is_shown() -> None:
    metrics = describe(draw(200, 200, skill=2.0), draw(60, 60, skill=2.0))
    group = operating_group(metrics)
    tables = [block for block in group.blocks if isinstance(block, Table)]
    assert [table.caption.partition(", ")[2] for table in tables] == [
        "any_abnormality: positive + neutral",
        "positive_vs_rest: positive",
    ]
    point = metrics["units"]["participant"]["operating_points"]["any_abnormality"]
    rows = {row[0]: row for row in tables[0].rows}
    assert len(rows) == len(point) == 5
    fixed = rows["threshold that finds 95 % of the selection side"]
    entry = point["sensitivity_95_by_selection"]
    assert fixed[1] == f"{entry['threshold']:.3f}"
    assert fixed[2].startswith(f"{entry['sensitivity']['value']:.2f} [")
    assert all(len(row) == len(tables[0].columns) for row in rows.values())


def test_what_could_not_be_fixed_says_why() -> None:
    group = operating_group(describe(draw(30, 30)))
    table = next(block for block in group.blocks if isinstance(block, Table))
    assert "on the selection side." in table.note


@pytest.mark.parametrize("label", ["negative", "neutral"])
def test_a_question_without_a_side_is_told_in_words(label) -> None:
    import polars as pl

    predictions = draw(12, 12).with_columns(pl.lit(label).alias("label"))
    texts = [b.text for b in operating_group(describe(predictions)).blocks if isinstance(b, Text)]
    assert any("none, nobody" in text for text in texts)


def test_metrics_of_an_older_version_have_no_table() -> None:
    assert operating_group({"experiment": "old", "units": {"participant": {}}}) is None
