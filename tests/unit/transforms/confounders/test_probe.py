from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.confounders.people import CONFOUNDERS
from transforms.confounders.probe import probe_confounders
from transforms.confounders.results import Result
from transforms.errors import InputError
from transforms.files import canonical_json
from transforms.metrics.metrics import summarise_predictions
from transforms.schemas import RECORDINGS
from transforms.settings import EvaluationSettings

AREA = "any_abnormality/auroc"
VARIANT = "ratio_1_1_2"
MakeCohort = Callable[..., Any]


def probe(cohort: Any, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "index": cohort.index,
        "participants": cohort.participants,
        "recordings": None,
        "split": cohort.split,
        "seed": 7,
        "resamples": 200,
    }
    return probe_confounders(**(given | changes))


def plant_sex(label: str, _: dict[str, Any]) -> dict[str, Any]:
    return {"sex": {"negative": "M", "neutral": "F", "positive": "X"}[label]}


def plant_age(label: str, person: dict[str, Any]) -> dict[str, Any]:
    return {"age_years": person["age_years"] + 20 * (label != "negative")}


def plant_site(label: str, _: dict[str, Any]) -> dict[str, Any]:
    return {"site": "school" if label == "negative" else "clinic"}


def plant_length(label: str, _: dict[str, Any]) -> dict[str, Any]:
    return {"frame_count": 60 if label == "negative" else 150}


def plant_unknown_weight(label: str, person: dict[str, Any]) -> dict[str, Any]:
    return {"weight_kg": None if label == "negative" else person["weight_kg"]}


def test_a_sex_that_decides_the_label_is_found_by_both_probes(cohort: MakeCohort) -> None:
    found = probe(cohort(change=plant_sex))
    for judgement in (found["cohort"], found["variants"][VARIANT]):
        for one in (judgement["all"], judgement["alone"]["sex"]):
            for kind in ("linear", "tree"):
                assert one[kind]["accuracy"]["value"] > 0.97
                assert one[kind]["macro_f1"]["value"] > 0.97
                assert one[kind][AREA]["value"] > 0.97


@pytest.mark.parametrize(
    ("plant", "carrier"),
    [
        (plant_age, "age"),
        (plant_site, "site"),
        (plant_length, "clip_length"),
        (plant_unknown_weight, "weight"),
    ],
)
def test_what_carries_the_label_is_named_and_nothing_else_is(
    cohort: MakeCohort, plant: Callable[..., dict[str, Any]], carrier: str
) -> None:
    alone = probe(cohort(change=plant))["cohort"]["alone"]
    for name in CONFOUNDERS:
        best = max(alone[name][kind][AREA]["value"] for kind in ("linear", "tree"))
        assert (best > 0.95) == (name == carrier)


def test_a_camera_that_tells_the_classes_apart_is_found(cohort: MakeCohort) -> None:
    made = cohort()
    rows = made.index.select("recording_id", "batch_id", "participant_id", "label", "view")
    is_negative = pl.col("label") == "negative"
    recordings = rows.with_columns(
        width_px=pl.when(is_negative).then(1280).otherwise(1920),
        height_px=pl.when(is_negative).then(720).otherwise(1080),
        codec=pl.lit("h264"),
        fps=pl.lit(29.97),
    )
    with_camera = probe(made, recordings=recordings)["cohort"]["alone"]["camera"]
    assert with_camera["linear"][AREA]["value"] > 0.97
    assert with_camera["known"] == "120 of 120 participants, 2 levels"
    without = probe(made)["cohort"]["alone"]["camera"]
    assert without["known"] == "the same for everyone"
    assert without["linear"][AREA]["value"] == 0.5
    assert set(recordings.columns) <= set(RECORDINGS.names)


@pytest.mark.slow
def test_intervals_of_independent_confounders_include_chance(cohort: MakeCohort) -> None:
    included = []
    for seed in range(12):
        found = probe(cohort(count=150, seed=seed))
        entries = [
            judgement["all"][kind][AREA]
            for judgement in (found["cohort"], found["variants"][VARIANT])
            for kind in ("linear", "tree")
        ]
        included += [entry["low"] <= 0.5 <= entry["high"] for entry in entries]
    assert np.mean(included) >= 0.85


def test_the_same_inputs_give_the_same_bytes_in_any_order_of_rows(cohort: MakeCohort) -> None:
    made = cohort(change=plant_age, variants=("ratio_1_1_2", "ratio_1_1_4"))
    expected = canonical_json(probe(made))
    shuffled = {
        "index": made.index.sample(fraction=1.0, shuffle=True, seed=1),
        "participants": made.participants.sample(fraction=1.0, shuffle=True, seed=2),
        "split": made.split.sample(fraction=1.0, shuffle=True, seed=3),
    }
    assert canonical_json(probe(made, **shuffled)) == expected
    assert canonical_json(probe(made, seed=8)) != expected


def test_unused_sequences_are_neither_fitted_nor_judged(cohort: MakeCohort) -> None:
    made = cohort()
    people = made.split["participant_id"].unique().sort().gather_every(4)
    split = made.split.with_columns(
        side=pl.when(pl.col("participant_id").is_in(people.to_list()))
        .then(pl.lit("unused"))
        .otherwise("side")
    )
    found = probe(made, split=split)["variants"][VARIANT]
    counted = sum(found["fitted_on"].values()) + sum(found["judged_on"].values())
    assert counted == 120 - 30
    kept = split.filter(pl.col("side") != "unused")
    assert probe(made, split=kept)["variants"][VARIANT] == found


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_class_of_one_participant_cannot_be_judged(cohort: MakeCohort, side: str) -> None:
    made = cohort()
    neutral = made.split.filter((pl.col("label") == "neutral") & (pl.col("side") == side))
    gone = neutral["participant_id"].unique().sort()[1:]
    is_fitted = (pl.col("label") == "neutral") & (pl.col("side") == "selection")
    split = made.split.filter(
        ~pl.col("participant_id").is_in(gone.to_list()) & ~(is_fitted & (side == "train"))
    )
    found = probe(made, split=split)["variants"][VARIANT]
    assert found["status"] == "cannot be judged"
    purpose = {"train": "fit on", "test": "judge"}[side]
    assert found["reason"] == f"too few participants: 1 neutral to {purpose}"


def test_an_empty_side_or_a_single_class_cannot_be_judged(cohort: MakeCohort) -> None:
    made = cohort()
    train = made.split.filter(pl.col("side") != "test")
    assert probe(made, split=train)["variants"][VARIANT]["status"] == "cannot be judged"
    index = made.index.filter(pl.col("label") == "negative")
    split = made.split.filter(pl.col("label") == "negative")
    found = probe(made, index=index, split=split)
    assert found["cohort"]["reason"] == "no two classes: negative"
    assert found["variants"][VARIANT]["reason"] == "no two classes: negative"


def test_columns_that_are_null_or_constant_say_nothing_and_harm_nothing(
    cohort: MakeCohort,
) -> None:
    def blank(_: str, __: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(("sex", "age_years", "height_cm", "weight_kg", "site")) | {
            "frame_count": 100
        }

    made = cohort(change=blank)
    found = probe(made)["cohort"]
    assert {name: found["alone"][name]["known"] for name in CONFOUNDERS} == {
        **dict.fromkeys(("sex", "age", "height", "weight", "site"), "not recorded"),
        **dict.fromkeys(("clip_length", "camera", "view"), "the same for everyone"),
    }
    for kind in ("linear", "tree"):
        assert found["all"][kind][AREA] == {"value": 0.5, "low": 0.5, "high": 0.5}
        assert found["all"][kind]["accuracy"] == found["chance"]["accuracy"]


def test_a_cohort_of_two_classes_has_no_macro_f1_but_an_area(cohort: MakeCohort) -> None:
    made = cohort(count=150)
    keep = pl.col("label") != "neutral"
    found = probe(made, index=made.index.filter(keep), split=made.split.filter(keep))
    linear = found["variants"][VARIANT]["all"]["linear"]
    assert linear["macro_f1"]["value"] is None
    assert "a class is missing" in linear["macro_f1"]["reason"]
    assert linear[AREA]["low"] is not None


def test_a_model_is_compared_in_pairs_and_its_figures_are_those_of_its_evaluation(
    cohort: MakeCohort, predictions: Callable[..., pl.DataFrame]
) -> None:
    made = cohort(count=300)
    table = predictions(made.split, VARIANT, 0.4)
    found = probe(made, results=[Result("sconet", VARIANT, table)])["variants"][VARIANT]
    one = found["comparisons"]["sconet"]
    settings = EvaluationSettings(bootstrap_resamples=200, seed=7)
    told = summarise_predictions(table, settings)["units"]["participant"]["metrics"]
    for metric, entry in one["metrics"].items():
        for key in ("value", "low", "high"):
            assert entry[key] == pytest.approx(told[metric][key], abs=1e-6)
    for kind, lead in one["more_than"].items():
        rival = found["chance"] if kind == "chance" else found["all"][kind]
        difference = one["metrics"][AREA]["value"] - rival[AREA]["value"]
        assert lead[AREA]["value"] == pytest.approx(difference, abs=2e-6)
        assert lead[AREA]["low"] < lead[AREA]["value"] < lead[AREA]["high"]


def test_a_model_that_says_what_the_probe_says_has_no_lead(
    cohort: MakeCohort, predictions: Callable[..., pl.DataFrame]
) -> None:
    made = cohort(change=plant_site)
    table = predictions(made.split, VARIANT, 50.0)
    found = probe(made, results=[Result("copy", VARIANT, table)])["variants"][VARIANT]
    lead = found["comparisons"]["copy"]["more_than"]["linear"][AREA]
    assert lead == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_somebody_whom_a_model_cannot_read_costs_themselves(
    cohort: MakeCohort, predictions: Callable[..., pl.DataFrame]
) -> None:
    made = cohort(change=plant_site)
    table = predictions(made.split, VARIANT, 1.0)
    gone = table["participant_id"].unique().sort()[:5].to_list()
    some = table.filter(~pl.col("participant_id").is_in(gone))
    results = [Result("all", VARIANT, table), Result("some", VARIANT, some)]
    found = probe(made, results=results)["variants"][VARIANT]
    whole, part = found["comparisons"]["all"], found["comparisons"]["some"]
    assert "judged_on" not in whole
    assert sum(part["judged_on"].values()) == sum(found["judged_on"].values()) - 5
    # As if nobody else had been asked about: model and probes alike.
    left = made.split.with_columns(
        side=pl.when(pl.col("participant_id").is_in(gone) & (pl.col("side") == "test"))
        .then(pl.lit("unused"))
        .otherwise("side")
    )
    alone = probe(replace(made, split=left), results=results[1:])["variants"][VARIANT]
    assert part | {"judged_on": None} == alone["comparisons"]["some"] | {"judged_on": None}
    assert alone["judged_on"] == part["judged_on"]


def test_predictions_of_strangers_are_refused(
    cohort: MakeCohort, predictions: Callable[..., pl.DataFrame]
) -> None:
    made = cohort()
    table = predictions(made.split, VARIANT, 1.0)
    stranger = table.with_columns(
        pl.when(pl.col("participant_id") == table["participant_id"][0])
        .then(pl.lit("somebody"))
        .otherwise("participant_id")
        .alias("participant_id")
    )
    for odd in (stranger, table.clear()):
        with pytest.raises(InputError, match="other participants"):
            probe(made, results=[Result("old", VARIANT, odd)])


def test_a_split_of_another_dataset_is_refused(cohort: MakeCohort) -> None:
    made = cohort()
    with pytest.raises(InputError, match="not in the dataset"):
        probe(made, index=made.index.filter(pl.col("participant_id") != "p00003"))
    with pytest.raises(InputError, match="not in the participants table"):
        probe(made, participants=made.participants.filter(pl.col("participant_id") != "p00003"))


@pytest.fixture
def folds(cohort: MakeCohort) -> Any:
    """A cohort in which a site decides the label, divided into three folds."""
    made = cohort(change=plant_site)
    ids = made.index["participant_id"].unique().sort().to_list()
    fold_of = {person: number % 3 + 1 for number, person in enumerate(ids)}
    rows = made.split.drop("variant", "side")
    parts = [
        rows.with_columns(
            variant=pl.lit(f"fold_{fold}"),
            side=pl.when(pl.col("participant_id").replace_strict(fold_of) == fold)
            .then(pl.lit("test"))
            .otherwise(pl.lit("train")),
        ).select(made.split.columns)
        for fold in (1, 2, 3)
    ]
    return replace(made, split=pl.concat(parts))


def test_folds_are_judged_together_as_metrics_pool_them(
    folds: Any, predictions: Callable[..., pl.DataFrame]
) -> None:
    names = ["fold_1", "fold_2", "fold_3"]
    tables = {name: predictions(folds.split, name, 1.0, seed=4) for name in names}
    results = [
        Result(f"{system}-{name}", name, tables[name], system)
        for system in ("a, seed 0", "b, seed 0")
        for name in names
    ]
    found = probe(folds, results=results[:-1])  # b lacks a fold
    pooled = found["pooled"]
    assert list(pooled["comparisons"]) == ["a, seed 0"]
    assert pooled["not_on_every_fold"] == ["b, seed 0"]
    settings = EvaluationSettings(bootstrap_resamples=200, seed=7)
    told = summarise_predictions(pl.concat(tables.values()), settings)
    expected = told["units"]["participant"]["metrics"]
    for metric, entry in pooled["comparisons"]["a, seed 0"]["metrics"].items():
        for key in ("value", "low", "high"):
            assert entry[key] == pytest.approx(expected[metric][key], abs=1e-6)
    # Each person is asked about once, by what was fitted on the others: a site still decides.
    assert sum(pooled["judged_on"].values()) == folds.participants.height
    for kind in ("linear", "tree"):
        assert pooled["all"][kind][AREA]["value"] == pytest.approx(1.0)
    shares = [found["variants"][name]["all"]["tree"]["accuracy"]["value"] for name in names]
    counts = [sum(found["variants"][name]["judged_on"].values()) for name in names]
    whole = sum(share * count for share, count in zip(shares, counts, strict=True)) / sum(counts)
    assert pooled["all"]["tree"]["accuracy"]["value"] == pytest.approx(whole, abs=1e-6)


def test_folds_are_not_pooled_where_a_fit_does_not_know_a_class_that_is_asked_about(
    folds: Any,
) -> None:
    is_first = pl.col("variant") == "fold_1"
    side = pl.when(is_first).then(pl.lit("test")).otherwise(pl.lit("train"))
    split = folds.split.with_columns(
        side=pl.when(pl.col("label") == "neutral").then(side).otherwise("side")
    )
    found = probe(replace(folds, split=split))["pooled"]
    assert found["status"] == "cannot be judged"
    assert found["reason"] == "fold_1: too few participants: 0 neutral to fit on"


def test_variants_that_are_no_folds_are_not_pooled(cohort: MakeCohort, folds: Any) -> None:
    assert "pooled" not in probe(cohort())
    twice = folds.split.with_columns(side=pl.lit("test"))
    found = probe(replace(folds, split=twice))["pooled"]
    assert found == {"status": "cannot be judged", "reason": "somebody is tested in two folds"}
