from dataclasses import dataclass
from typing import Any

import pytest

from transforms.confounders.people import CONFOUNDERS
from transforms.describe.confounder_figures import draw_alone, draw_beside_models
from transforms.describe.confounder_section import (
    confounder_section,
    confounder_statement,
    summarise_confounders,
    variant_statement,
    verdict,
)
from transforms.describe.page import Group, Missing, Picture, Statements, Table
from transforms.describe.rendering import load_template

METRICS = ("accuracy", "macro_f1", "any_abnormality/auroc")
HOSTILE = "<script>alert(1)</script>$x_{$"


@dataclass(frozen=True)
class Material:
    confounders: dict[str, Any] | None


def entry(value: float | None, low: float | None = None, high: float | None = None) -> Any:
    return {"value": value, "low": low, "high": high}


def entries(value: float | None, low: float | None = None, high: float | None = None) -> Any:
    return {metric: entry(value, low, high) for metric in METRICS}


def lead(*bounds: Any) -> dict[str, Any]:
    return {name: entries(*bounds) for name in ("chance", "linear", "tree")}


def judged(**comparisons: Any) -> dict[str, Any]:
    both = {"linear": entries(0.6, 0.5, 0.7), "tree": entries(0.55, 0.45, 0.65)}
    return {
        "status": "judged",
        "chance": entries(0.5, 0.5, 0.5),
        "all": both,
        "alone": {name: both | {"known": "9 of 9 participants, 2 levels"} for name in CONFOUNDERS},
        "fitted_on": {"negative": 9, "neutral": 5, "positive": 4},
        "judged_on": {"negative": 6, "neutral": 3, "positive": 2},
        "folds": 5,
        "comparisons": {
            name: {"metrics": entries(0.8, 0.7, 0.9), "more_than": more_than}
            for name, more_than in comparisons.items()
        },
    }


def probe(**variants: Any) -> dict[str, Any]:
    return {"settings": {}, "cohort": judged(), "variants": variants}


REFUSED = {"status": "cannot be judged", "reason": "too few participants: 1 neutral to judge"}


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ((0.2, 0.05, 0.3), "holds"),
        ((0.2, 0.0, 0.3), "caution"),
        ((0.2, None, None), "caution"),
        ((0.0, 0.0, 0.0), "fails"),
        ((-0.1, -0.3, 0.2), "fails"),
        ((None, None, None), "not checked"),
    ],
)
def test_a_lead_counts_only_with_its_interval(bounds: Any, status: str) -> None:
    assert verdict(lead(*bounds)) == status
    # One rival that is not beaten beyond doubt is enough.
    assert verdict(lead(0.2, 0.1, 0.3) | {"tree": entries(*bounds)}) == status


def test_a_variant_is_as_bad_as_its_worst_model() -> None:
    good, doubtful = lead(0.3, 0.1, 0.5), lead(0.1, -0.1, 0.3)
    assert variant_statement("v", judged(one=good)).status == "holds"
    statement = variant_statement("v", judged(one=good, two=doubtful))
    assert statement.status == "caution"
    assert "0.60 [0.50, 0.70] for any abnormality (linear)" in statement.detail
    assert "smallest lead of 2 models is that of two over chance: 0.10 [-0.10, 0.30]" in (
        statement.detail
    )


def test_the_lead_told_is_that_over_the_strongest_rival() -> None:
    more_than = lead(0.3, 0.1, 0.5) | {"tree": entries(0.2, 0.05, 0.4)}
    detail = variant_statement("v", judged(one=more_than)).detail
    assert "that of one over confounders, tree: 0.20 [0.05, 0.40]" in detail


def test_what_cannot_be_judged_is_said_to_be_unchecked() -> None:
    statement = variant_statement("v", REFUSED)
    assert (statement.status, "1 neutral to judge" in statement.detail) == ("not checked", True)
    assert variant_statement("v", judged()).status == "not checked"


def test_the_claim_over_all_variants_is_as_bad_as_the_worst() -> None:
    good = judged(one=lead(0.3, 0.1, 0.5))
    assert confounder_statement(probe(a=good)).status == "holds"
    bad = judged(one=lead(-0.3, -0.5, 0.1))
    statement = confounder_statement(probe(a=good, b=bad, c=REFUSED))
    assert statement.status == "fails"
    # Beside "fails" or "caution" a claim that affirms would read as if it held.
    assert all(one.claim.endswith("?") for one in (statement, variant_statement("v", bad)))
    assert statement.detail.startswith("b: ")
    alike = confounder_statement(probe(a=good, b=bad, c=bad))
    assert alike.detail.endswith("The same is true of c.")
    assert confounder_statement(probe(a=good, c=REFUSED)).status == "holds"


def test_a_model_that_cannot_read_everybody_is_said_to_be_compared_on_the_rest() -> None:
    found = judged(one=lead(0.3, 0.1, 0.5), two=lead(0.3, 0.1, 0.5))
    found["comparisons"]["two"]["judged_on"] = {"negative": 5, "neutral": 3, "positive": 2}
    detail = variant_statement("v", found).detail
    assert "Of the 11 people 10 can be judged by two, and are who it is compared on" in detail
    blocks = confounder_section(Material(probe(v=found))).blocks
    (table,) = [one for one in blocks if isinstance(one, Table)]
    assert [row[0] for row in table.rows[-2:]] == ["one", "two (10 people)"]


def test_the_claim_over_folds_rests_on_all_of_them_together() -> None:
    good, doubtful = judged(one=lead(0.3, 0.1, 0.5)), judged(one=lead(0.3, -0.3, 0.6))
    folds = probe(fold_1=doubtful, fold_2=REFUSED)
    statement = confounder_statement(folds | {"pooled": good})
    assert statement.status == "holds"
    assert statement.detail.startswith("all folds together: ")
    section = confounder_section(Material(folds | {"pooled": good}))
    drawers = [block for block in section.blocks if isinstance(block, Group)]
    assert [one.title for one in drawers if "by itself" in one.title] == ["fold_1 by itself"]
    assert "confounders/pooled/tree/accuracy" in summarise_confounders(folds | {"pooled": good})
    # As long as no model was judged on every fold, each fold speaks for itself.
    assert confounder_statement(folds | {"pooled": judged()}).status == "caution"


def test_a_model_that_lacks_a_fold_is_named_and_the_claim_does_not_hold() -> None:
    whole = judged(whole=lead(0.3, 0.1, 0.5))
    pooled = whole | {"not_on_every_fold": ["half, seed 0", "third, seed 0"]}
    statement = confounder_statement(probe(fold_1=judged()) | {"pooled": pooled})
    assert statement.status == "caution"
    assert statement.detail.endswith("left out of this: half, seed 0; third, seed 0.")
    assert variant_statement("v", whole | {"not_on_every_fold": []}).status == "holds"
    bad = judged(whole=lead(-0.3, -0.5, 0.1)) | {"not_on_every_fold": ["half, seed 0"]}
    assert variant_statement("v", bad).status == "fails"


def test_without_a_model_the_claim_is_unchecked() -> None:
    assert confounder_statement(probe()).status == "not checked"
    statement = confounder_statement(probe(a=judged(), c=REFUSED))
    assert statement.status == "not checked"
    assert "a: The confounders alone reach" in statement.detail
    assert "c: The probe cannot be judged" in statement.detail


def test_the_section_shows_a_table_a_variant_and_both_pictures() -> None:
    found = probe(a=judged(one=lead(0.3, 0.1, 0.5)), b=REFUSED)
    section = confounder_section(Material(found))
    kinds = [type(block) for block in section.blocks]
    assert kinds.count(Picture) == 1
    tables = [block for block in section.blocks if isinstance(block, Table)]
    assert [table.rows[-1][0] for table in tables] == ["one"]
    assert tables[0].rows[-1][-2:] == ("0.30 [0.10, 0.50]", "holds")
    statements = next(block for block in section.blocks if isinstance(block, Statements))
    assert [one.status for one in statements.statements] == ["holds", "not checked"]
    cohort = next(block for block in section.blocks if isinstance(block, Group))
    assert [type(block) for block in cohort.blocks][1:] == [Picture, Table]


def test_nothing_that_can_be_judged_is_no_error() -> None:
    found = {"settings": {}, "cohort": REFUSED, "variants": {"a": REFUSED}}
    section = confounder_section(Material(found))
    assert not any(isinstance(block, Picture) for block in section.blocks)
    assert summarise_confounders(found) == {}


def test_without_a_split_the_command_is_named() -> None:
    (missing,) = confounder_section(Material(None)).blocks
    assert isinstance(missing, Missing)


def test_names_from_data_are_escaped_in_the_page() -> None:
    found = probe(**{HOSTILE: judged(**{HOSTILE: lead(0.3, 0.1, 0.5)})})
    section = confounder_section(Material(found))
    page = load_template("report.html.jinja").render(title="t", sections=(section,))
    assert "<script>alert(1)" not in page


def test_the_summary_has_the_probes_figures_but_none_undefined() -> None:
    one = judged()
    one["all"]["tree"] = entries(None)
    figures = summarise_confounders({"settings": {}, "cohort": REFUSED, "variants": {"a": one}})
    assert figures == {f"confounders/a/linear/{metric}": 0.6 for metric in METRICS}


def test_every_dot_of_the_pictures_is_a_figure_of_the_probe() -> None:
    undefined = lead(None)
    one = judged(one=lead(0.3, 0.1, 0.5), two=undefined)
    one["comparisons"]["two"]["metrics"] = entries(None)
    figure = draw_beside_models({"a": one, "b": judged()})
    first = figure.axes[0]
    dots = [line.get_xdata()[0] for line in first.lines if line.get_marker() == "o"]
    assert dots == [0.5, 0.6, 0.55, 0.8]
    assert [text.get_text() for text in first.texts] == ["undefined"]
    names = [text.get_text() for text in first.get_yticklabels()]
    assert names == ["chance", "confounders, linear", "confounders, tree", "one", "two"]


def test_every_confounder_has_a_dot_for_each_probe() -> None:
    one = judged()
    one["alone"]["age"] = {"linear": entries(0.9, 0.8, 1.0), "tree": entries(None)}
    axes = draw_alone(one).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert len(dots) == 2 * (1 + len(CONFOUNDERS)) - 1
    place = [name.get_text() for name in axes.get_yticklabels()].index("age")
    at_age = [line for line in dots if abs(line.get_ydata()[0] - place) < 0.5]
    assert [line.get_xdata()[0] for line in at_age] == [0.9]
