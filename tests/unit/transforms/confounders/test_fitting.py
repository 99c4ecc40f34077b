from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.confounders.encoding import encode, fit_encoder
from transforms.confounders.fitting import PROBES, fit_and_answer
from transforms.confounders.people import CONFOUNDERS, People, describe_sequences, gather_people

MakeCohort = Callable[..., Any]


def two_sides(made: Any) -> tuple[People, People]:
    sequences = describe_sequences(made.index, made.participants, None)
    sides = sequences.join(made.split.select("sequence_id", "side"), on="sequence_id")
    return (
        gather_people(sides.filter(pl.col("side") != "test")),
        gather_people(sides.filter(pl.col("side") == "test")),
    )


@pytest.mark.parametrize("probe", PROBES)
def test_labels_of_the_test_side_change_no_answer(cohort: MakeCohort, probe: str) -> None:
    fitted, judged = two_sides(cohort())
    permuted = replace(judged, truth=np.random.default_rng(1).permutation(judged.truth))
    assert (permuted.truth != judged.truth).any()
    expected = fit_and_answer(fitted, judged, CONFOUNDERS, probe)
    found = fit_and_answer(fitted, permuted, CONFOUNDERS, probe)
    for name in ("likeliest", "raised", "score"):
        assert (getattr(found, name) == getattr(expected, name)).all()
    # The labels fitted on do: the comparison above is able to fail.
    turned = replace(fitted, truth=np.random.default_rng(1).permutation(fitted.truth))
    assert (fit_and_answer(turned, judged, CONFOUNDERS, probe).score != expected.score).any()


@pytest.mark.parametrize("probe", PROBES)
def test_who_else_is_judged_changes_no_answer(cohort: MakeCohort, probe: str) -> None:
    made = cohort()
    fitted, judged = two_sides(made)
    some = set(judged.ids[:5])
    kept = pl.col("participant_id").is_in(sorted(some)) | (pl.col("side") != "test")
    _, few = two_sides(replace(made, split=made.split.filter(kept)))
    expected = fit_and_answer(fitted, judged, CONFOUNDERS, probe).score[:5]
    assert (fit_and_answer(fitted, few, CONFOUNDERS, probe).score == expected).all()


def people_of(**columns: list[Any]) -> People:
    count = len(next(iter(columns.values())))
    given: dict[str, list[Any]] = {
        "participant_id": [f"p{number}" for number in range(count)],
        "label": ["negative", "positive"] * (count // 2) + ["negative"] * (count % 2),
        **{name: [None] * count for name in ("sex", "site", "camera", "view")},
        **{name: [None] * count for name in ("age_years", "height_cm", "weight_kg", "duration_s")},
    }
    return gather_people(pl.DataFrame(given | columns))


def test_numbers_are_standardised_and_missing_ones_are_the_mean_with_a_mark() -> None:
    people = people_of(age_years=[10.0, 14.0, None])
    written = encode(fit_encoder(people, ["age"]), people)
    assert written.tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]


def test_only_the_side_fitted_on_sets_mean_and_levels() -> None:
    encoder = fit_encoder(
        people_of(age_years=[10.0, 14.0, 10.0, 14.0], sex=["F", "F", "M", "M"]), ["age", "sex"]
    )
    others = people_of(age_years=[16.0, None], sex=["M", "X"])
    # age; of F and M each a column; nobody fitted on lacked an age or had another sex.
    assert encode(encoder, others).tolist() == [[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_rare_levels_share_a_column() -> None:
    people = people_of(site=["a", "a", "b", "c"])
    written = encode(fit_encoder(people, ["site"]), people)
    assert written.tolist() == [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]


def test_equal_values_leave_no_column() -> None:
    people = people_of(age_years=[0.1] * 7, sex=["F"] * 7)
    assert encode(fit_encoder(people, CONFOUNDERS), people).shape == (7, 0)


def test_sequences_are_averaged_per_participant() -> None:
    people = people_of(
        participant_id=["p0", "p0", "p0", "p1"],
        label=["negative"] * 4,
        duration_s=[1.0, 3.0, None, 5.0],
        view=["side", "side", "front", None],
    )
    assert people.numbers["clip_length"].tolist() == [2.0, 5.0]
    assert [(row, level) for row, level, _ in people.levels["view"].iter_rows()] == [
        (0, "front"),
        (0, "side"),
        (1, "not recorded"),
    ]
    assert people.levels["view"]["share"].to_list() == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_classes_that_are_alike_in_everything_are_answered_without_a_warning() -> None:
    # The start is the optimum: Newton's line search finds no progress and warns.
    people = people_of(
        participant_id=[f"p{number}" for number in range(6)],
        label=["negative", "neutral", "positive", "neutral", "positive", "negative"],
        sex=["F", "M", "F", "F", "M", "M"],
    )
    answers = fit_and_answer(people, people, ["sex"], "linear")
    assert answers.score.tolist() == [0.0] * 6
