import polars as pl
import pytest

from tests.unit.transforms.metrics.drawn_predictions import describe_people, draw
from transforms.errors import InputError
from transforms.labels import SCOLIOSIS
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import average_by_participant, read_predictions
from transforms.metrics.metrics import summarise_predictions
from transforms.metrics.subgroups import (
    NOT_RECORDED,
    SMALLEST_GROUP,
    list_metrics,
    read_groups,
    summarise_subgroups,
)
from transforms.release.participants import encode_participants
from transforms.settings import EvaluationSettings
from transforms.shards.reader import read_participants_tsv

PREDICTIONS = draw(30, 70)
IDS = sorted(PREDICTIONS["participant_id"].unique())
PEOPLE = describe_people(
    PREDICTIONS,
    sex=["F", "M", "F"] * 9 + ["M", "M", None],
    age_years=[9.5, 10.0, 11.9] * 10,
    site=["north"] * 30,
)


def summarise(participants, unit="participant"):
    judged = read_predictions(PREDICTIONS)
    judged = average_by_participant(judged) if unit == "participant" else judged
    weights = draw_weights(len(IDS), 200, seed=9)
    return summarise_subgroups(judged, read_groups(participants, IDS), weights, 0.95)


@pytest.mark.parametrize("unit", ["participant", "sequence"])
def test_a_group_is_worth_what_its_predictions_alone_are_worth(unit) -> None:
    women = PEOPLE.filter(pl.col("sex") == "F")["participant_id"]
    alone = PREDICTIONS.filter(pl.col("participant_id").is_in(women.implode()))
    wanted = summarise_predictions(alone, EvaluationSettings(bootstrap_resamples=100))
    found = next(one for one in summarise(PEOPLE, unit)["sex"] if one["group"] == "F")
    assert found["participants"] == len(women)
    assert found["count"] == wanted["units"][unit]["count"]
    assert sum(found["participants_per_label"].values()) == len(women)
    for name in list_metrics(SCOLIOSIS):
        assert found["metrics"][name]["value"] == wanted["units"][unit]["metrics"][name]["value"]
        assert found["metrics"][name]["low"] < found["metrics"][name]["high"]


def test_one_group_for_all_is_the_whole() -> None:
    (group,) = summarise(PEOPLE)["site"]
    whole = summarise_predictions(PREDICTIONS, EvaluationSettings(bootstrap_resamples=200, seed=9))
    for name in list_metrics(SCOLIOSIS):
        assert group["metrics"][name] == whole["units"]["participant"]["metrics"][name]


def test_groups_are_in_order_and_what_is_not_recorded_comes_last() -> None:
    found = summarise(PEOPLE)
    assert [one["group"] for one in found["sex"]] == ["F", "M", NOT_RECORDED]
    assert [one["group"] for one in found["age_band"]] == ["[8,10)", "[10,12)"]
    assert [one["participants"] for one in found["age_band"]] == [10, 20]


def test_few_participants_are_counted_and_not_measured() -> None:
    people = describe_people(PREDICTIONS, sex=["F"] * (SMALLEST_GROUP - 1) + ["M"] * 26)
    few, many = summarise(people)["sex"]
    assert few["participants"] == SMALLEST_GROUP - 1
    assert few["metrics"] is None
    assert "fewer than 5" in few["reason"]
    people = describe_people(PREDICTIONS, sex=["F"] * SMALLEST_GROUP + ["M"] * 25)
    assert summarise(people)["sex"][0]["metrics"] is not None
    assert many["metrics"]["accuracy"]["low"] is not None


def test_a_release_names_the_same_groups_and_has_no_site(tmp_path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_bytes(encode_participants(PEOPLE))
    found = summarise(read_participants_tsv(path))
    assert found["sex"] == summarise(PEOPLE)["sex"]
    assert found["age_band"] == summarise(PEOPLE)["age_band"]
    assert [one["group"] for one in found["site"]] == [NOT_RECORDED]


@pytest.mark.parametrize(
    ("people", "what"),
    [
        (PEOPLE.filter(pl.col("participant_id") != "p003"), "not in the participants table"),
        (pl.concat([PEOPLE, PEOPLE.head(1)]), "listed twice"),
    ],
)
def test_participants_that_do_not_fit_are_refused(people, what) -> None:
    with pytest.raises(InputError, match=what):
        read_groups(people, IDS)
