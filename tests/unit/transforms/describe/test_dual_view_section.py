"""The published table of two views beside ours: spread, pooled people, and what is missing."""

from types import SimpleNamespace

import polars as pl
import pytest

from transforms.describe.dual_view_figure import ViewRow, draw_views
from transforms.describe.dual_view_section import dual_view_section
from transforms.describe.gather import Experiment
from transforms.describe.page import Missing, Picture, Table, Text
from transforms.metrics.summary import summarise_evaluation
from transforms.published import DUAL_VIEW_ROWS, DUAL_VIEW_SOURCE
from transforms.settings import EvaluationSettings

QUICK = EvaluationSettings(bootstrap_resamples=100)
DISEASES = ("asd", "asd", "asd", "dhs", "dhs", "lcs")


def make_people(fold: int) -> pl.DataFrame:
    ids = [f"p{fold}{number}" for number in range(len(DISEASES))]
    return pl.DataFrame({"participant_id": ids, "label": list(DISEASES)}).with_columns(
        sex=pl.lit("F"), age_years=pl.lit(70.0), site=pl.lit("a")
    )


def judge(model: str, fold: int, wrong: int, **lineage: str) -> Experiment:
    """Return one fold in which the first `wrong` people are named wrongly."""
    people = make_people(fold)
    truth = ["asd" if label == "asd" else "non_asd" for label in people["label"]]
    sure = [0.2 if place < wrong else 0.8 for place in range(len(truth))]
    p_asd = [p if label == "asd" else 1 - p for p, label in zip(sure, truth, strict=True)]
    predictions = pl.DataFrame(
        {
            "sequence_id": [f"{one}_s1" for one in people["participant_id"]],
            "participant_id": people["participant_id"],
            "label": truth,
            "side": ["test"] * len(truth),
            "p_non_asd": [1 - p for p in p_asd],
            "p_asd": p_asd,
            "predicted": ["asd" if p > 0.5 else "non_asd" for p in p_asd],
        }
    )
    metrics = {
        "model": model,
        "variant": f"fold_{fold}",
        "seed": 0,
        "experiment": f"{model}-fold_{fold}-seed_0",
        "dataset_version": "d" * 64,
        "split_sha256": "s" * 64,
        **lineage,
        **summarise_evaluation(predictions, people, QUICK),
    }
    return Experiment(metrics["experiment"], None, metrics, predictions)


def rival(accuracy):
    return {
        metric: {"value": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1}
        for metric in ("accuracy", "macro_f1", "asd/auroc")
    }


PROBE = {
    "pooled": {
        "status": "judged",
        "chance": rival(0.5),
        "all": {"linear": rival(0.6), "tree": rival(0.55)},
    }
}


def describe(experiments, confounders=None, split="s" * 64):
    people = pl.concat(make_people(fold) for fold in (1, 2))
    material = SimpleNamespace(
        experiments=experiments,
        judged=[one.metrics for one in experiments],
        dataset=SimpleNamespace(participants=people, version="d" * 64),
        splits=SimpleNamespace(sha256=split) if split else None,
        inputs=SimpleNamespace(settings={"evaluation": {"bootstrap_resamples": 100}}),
        is_synthetic=True,
        confounders=confounders,
    )
    return dual_view_section(material)


@pytest.fixture(scope="module")
def section():
    both = [judge("prob_mean", fold, wrong) for fold, wrong in ((1, 0), (2, 3))]
    return describe([*both, judge("gait_mil", 1, 1)])


def rows_of(section, caption):
    (table,) = [
        block
        for block in section.blocks
        if isinstance(block, Table) and block.caption.startswith(caption)
    ]
    return table.rows


def test_every_published_row_stands_beside_ours_or_says_not_run(section):
    rows = rows_of(section, "Ways to read two views")
    published = [row for row in rows if row[1] == "published, per clip"]
    assert [row[2] for row in published] == [
        f"{one.accuracy[0]:.1f} ± {one.accuracy[1]:.1f}" for one in DUAL_VIEW_ROWS
    ]
    assert published[3][:3] == ("late fusion (prob_mean)", "published, per clip", "70.3 ± 11.8")
    assert [row[0] for row in rows if row[2] == "not run"] == [
        one.model for one in DUAL_VIEW_ROWS if one.model != "prob_mean"
    ]


def test_ours_have_the_spread_over_folds_and_one_interval_over_all_people(section):
    rows = rows_of(section, "Ways to read two views")
    ours = {row[1]: row for row in rows if row[0] == "prob_mean, seed 0"}
    # Folds of 6/6 and 3/6: the mean is 75 %, the standard deviation 50 % / sqrt(2).
    assert ours["ours, per participant, 2 folds"][2] == "75.0 ± 35.4"
    assert ours["ours, pooled participants"][2].startswith("75.0 [")


def test_chance_and_the_confounders_stand_below_the_models():
    both = [judge("prob_mean", fold, 0) for fold in (1, 2)]
    rows = rows_of(describe(both, PROBE), "Ways to read two views")
    assert [row[0] for row in rows[-3:]] == ["chance", "confounders, linear", "confounders, tree"]
    assert rows[-2][1:3] == ("ours, pooled participants", "60.0 [50.0, 70.0]")
    assert rows_of(describe(both), "Ways to read two views") == rows[:-3]
    (picture,) = [one for one in describe(both, PROBE).blocks if isinstance(one, Picture)]
    assert "what it has to beat" in picture.alternative


def test_a_picture_has_a_mark_for_everything_that_is_known():
    figure = draw_views(
        [
            ViewRow("all", (50.0, 9.0), (60.0, 8.0), (70.0, 60.0, 80.0)),
            ViewRow("not run", (50.0, 9.0)),
            ViewRow("no interval", people=(70.0, None, None)),
            ViewRow("chance", people=(55.0, 45.0, 65.0), is_rival=True),
        ]
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "chance"
    marks = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in marks] == [50, 60, 70, 50, 70, 55]


def test_diseases_are_told_apart_and_few_people_are_not_measured(section):
    rows = {row[1]: row for row in rows_of(section, "Named rightly")}
    assert rows["asd"][2:] == ("6", rows["asd"][3])
    assert rows["asd"][3].startswith("50.0 [")
    assert rows["lcs"][2] == "2"
    assert "[" not in rows["lcs"][3]


def test_one_fold_alone_is_named_and_left_out(section):
    (words,) = [block for block in section.blocks if isinstance(block, Text)]
    assert "without a second fold: gait_mil-fold_1-seed_0" in words.text
    assert "synthetic" in words.text


def test_what_was_judged_on_an_older_split_is_named_so_and_left_out():
    old = [judge("early_channel", fold, 0, split_sha256="o" * 64) for fold in (1, 2)]
    mixed = [judge("prob_mean", 1, 0, split_sha256="o" * 64), judge("prob_mean", 2, 0)]
    section = describe([*old, *mixed])
    (words,) = [block for block in section.blocks if isinstance(block, Text)]
    other = "early_channel-fold_1-seed_0, early_channel-fold_2-seed_0, prob_mean-fold_1-seed_0"
    assert f"Not in the table, judged on another dataset or split: {other}." in words.text
    assert "Not in the table, without a second fold: prob_mean-fold_2-seed_0." in words.text
    rows = rows_of(section, "Ways to read two views")
    assert not [row for row in rows if row[1].startswith("ours") and row[2] != "not run"]
    # Without a split nothing says which are old: none is mixed with another one's folds.
    rows = rows_of(describe([*old, *mixed], split=None), "Ways to read two views")
    assert {row[0] for row in rows if "seed" in row[0]} == {"early_channel, seed 0"}


def test_nothing_judged_says_how_to():
    (block,) = describe([]).blocks
    assert isinstance(block, Missing)


def test_the_section_says_whose_the_published_numbers_are(section) -> None:
    assert DUAL_VIEW_SOURCE in next(one.text for one in section.blocks if isinstance(one, Text))
