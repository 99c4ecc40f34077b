"""A small cohort of spinal deformity from its split to its metrics, probe and report, no video."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.describe.results_material import material
from tests.unit.transforms.splits.conftest import make_tables
from transforms.audit.checks import audit_split
from transforms.confounders.probe import probe_confounders
from transforms.confounders.results import Result
from transforms.describe.closing_sections import reading_section
from transforms.describe.confounder_section import confounder_section, summarise_confounders
from transforms.describe.experiment_section import experiment_section
from transforms.describe.gather import Experiment
from transforms.describe.headline_section import headline_section
from transforms.describe.roc_figure import trace_questions
from transforms.errors import InputError, RefusalError
from transforms.labels import SPINAL_DEFORMITY
from transforms.metrics.comparison import compare_experiments
from transforms.metrics.folds import summarise_folds
from transforms.metrics.sanity import find_contradictions
from transforms.metrics.summary import summarise_evaluation
from transforms.schemas import conform, predictions_schema
from transforms.settings import EvaluationSettings, SplitSettings
from transforms.splits.folds import split_k_fold
from transforms.splits.participants import gather_participants
from transforms.splits.protocols import PROTOCOLS

COHORT = {"asd": [1, 2] * 7, "dhs": [2] * 5, "lcs": [1] * 4, "hipoa": [1] * 2}
INDEX, PEOPLE = make_tables(COHORT)
EVALUATION = EvaluationSettings(bootstrap_resamples=100)
SETTINGS = SplitSettings(protocol="k_fold", folds=3, selection_fraction=0.1)
FOLDS = SETTINGS.variants


@pytest.fixture(scope="module")
def split() -> pl.DataFrame:
    table = split_k_fold(INDEX, gather_participants(INDEX, PEOPLE), SETTINGS).table
    return table.with_columns(dataset_version=pl.lit("v"), protocol=pl.lit("k_fold"))


def predict(split: pl.DataFrame, variant: str, side: str, skill: float = 1.0) -> pl.DataFrame:
    """Predictions of a model that finds most of the deformity and takes lcs for it, too."""
    random = np.random.default_rng([FOLDS.index(variant), len(side)])
    rows = split.filter((pl.col("variant") == variant) & (pl.col("side") == side))
    rows = rows.select("sequence_id", "participant_id", "label", "side").sort("sequence_id")
    drift = rows["label"].replace_strict({"asd": 1.0, "dhs": -1.0, "lcs": 0.6, "hipoa": -1.0})
    asd = 1 / (1 + np.exp(-(skill * drift.to_numpy() + random.normal(size=rows.height))))
    table = rows.with_columns(
        pl.col("label").replace_strict(SPINAL_DEFORMITY.class_of),
        p_non_asd=pl.Series(1 - asd),
        p_asd=pl.Series(asd),
        predicted=pl.Series(np.where(asd > 0.5, "asd", "non_asd")),
    )
    conform(table, predictions_schema(SPINAL_DEFORMITY), where="test")
    return table


def cut_clips(predictions: pl.DataFrame) -> pl.DataFrame:
    """Three clips per sequence, one of which says the opposite."""
    random = np.random.default_rng(0)
    clips = pl.concat([predictions.with_columns(clip=pl.lit(n)) for n in range(3)])
    shift = random.uniform(-0.2, 0.2, clips.height)
    asd = np.clip(clips["p_asd"].to_numpy() + shift, 0, 1)
    return clips.select(
        pl.format("{}-c{}", "sequence_id", "clip").alias("clip_id"),
        *("sequence_id", "participant_id", "label", "side"),
        p_non_asd=pl.Series(1 - asd),
        p_asd=pl.Series(asd),
        predicted=pl.Series(np.where(asd > 0.5, "asd", "non_asd")),
    )


def judge(split: pl.DataFrame, variant: str, **more: Any) -> dict[str, Any]:
    facts = {"experiment": f"m@{variant}", "model": "m", "variant": variant, "seed": 0}
    facts |= {"dataset_version": "v", "split_sha256": "s"}
    tested, selected = (predict(split, variant, side) for side in ("test", "selection"))
    return facts | summarise_evaluation(tested, PEOPLE, EVALUATION, selection=selected, **more)


@pytest.fixture(scope="module")
def judged(split: pl.DataFrame) -> list[dict[str, Any]]:
    return [judge(split, variant) for variant in FOLDS]


def test_every_diagnosis_is_spread_over_the_folds_and_the_classes_too(split: pl.DataFrame) -> None:
    assert audit_split(split, INDEX, participants=PEOPLE) == []
    tested = split.filter(pl.col("side") == "test").unique("participant_id")
    for members in ([name] for name in COHORT):
        check_even(tested.filter(pl.col("label").is_in(members)))
    check_even(tested.filter(pl.col("label") != "asd"))
    check_even(tested)
    selected = split.filter(pl.col("side") == "selection")
    classes = selected.with_columns(pl.col("label").replace_strict(SPINAL_DEFORMITY.class_of))
    assert classes.group_by("variant").agg(pl.col("label").n_unique())["label"].to_list() == [2] * 3


def check_even(people: pl.DataFrame) -> None:
    counts = [people.filter(pl.col("variant") == fold).height for fold in FOLDS]
    assert max(counts) - min(counts) <= 1, counts


@pytest.mark.parametrize("protocol", ["fixed_test_nested", "paper_exact", "sequence_wise"])
def test_class_ratios_are_refused_with_what_to_do(protocol: str) -> None:
    with pytest.raises(
        RefusalError, match=r"asd, dhs, hipoa, lcs; `gaitworks preset spinal_deformity --write`"
    ):
        PROTOCOLS[protocol](INDEX, gather_participants(INDEX, PEOPLE), SplitSettings())


def test_a_lonely_patient_of_a_diagnosis_stops_no_fold_but_a_lonely_class_does() -> None:
    cohort = {"asd": [1] * 4, "dhs": [1] * 3, "hipoa": [1]}
    index, people = make_tables(cohort)
    settings = SplitSettings(protocol="k_fold", folds=3, selection_fraction=0.0)
    found = split_k_fold(index, gather_participants(index, people), settings)
    assert any("hipoa has 1 participants" in note for note in found.notes)
    index, people = make_tables({"asd": [1] * 4, "hipoa": [1]})
    with pytest.raises(RefusalError, match="class non_asd cannot be both"):
        split_k_fold(index, gather_participants(index, people), settings)


def test_metrics_are_of_two_classes_and_one_question(
    split: pl.DataFrame, judged: list[dict[str, Any]]
) -> None:
    predictions = predict(split, FOLDS[0], "test")
    found = judged[0]
    assert "as_published_2024" not in found
    unit = found["units"]["sequence"]
    assert unit["labels"] == ["non_asd", "asd"]
    is_ill, is_named = (predictions[name] == "asd" for name in ("label", "predicted"))
    cells = [[(~is_ill & ~is_named).sum(), (~is_ill & is_named).sum()]]
    cells += [[(is_ill & ~is_named).sum(), (is_ill & is_named).sum()]]
    assert unit["confusion"] == cells
    metrics = unit["metrics"]
    assert metrics["asd/sensitivity"]["value"] == pytest.approx(cells[1][1] / sum(cells[1]))
    assert metrics["asd/specificity"]["value"] == pytest.approx(cells[0][0] / sum(cells[0]))
    questions = {name.rpartition("/")[0] for name in metrics}
    assert questions == {"", "asd"}
    assert set(unit["per_class"]) == {"non_asd", "asd"}
    assert unit["per_class"]["asd"]["recall"]["value"] == metrics["asd/sensitivity"]["value"]
    assert set(unit["operating_points"]) == {"asd"}
    assert "sensitivity" in unit["operating_points"]["asd"]["sensitivity_95_by_selection"]


def test_metrics_do_not_contradict_their_predictions_and_a_planted_fault_is_found(
    split: pl.DataFrame, judged: list[dict[str, Any]]
) -> None:
    predictions = predict(split, FOLDS[0], "test")
    tested = predictions["sequence_id"].to_list()
    assert find_contradictions(judged[0], predictions, tested) == []
    metrics = judge(split, FOLDS[0])
    rates = metrics["units"]["sequence"]["metrics"]
    rates["asd/sensitivity"], rates["asd/specificity"] = (
        rates["asd/specificity"],
        rates["asd/sensitivity"],
    )
    found = find_contradictions(metrics, predictions, tested)
    assert any("asd/sensitivity" in line and "the matrix says" in line for line in found)
    metrics["units"]["participant"]["labels"] = ["asd", "non_asd"]
    assert any("odd classes" in one for one in find_contradictions(metrics, predictions, tested))


def test_the_pooled_folds_tell_each_diagnosis_apart(
    split: pl.DataFrame, judged: list[dict[str, Any]]
) -> None:
    tables = [predict(split, variant, "test") for variant in FOLDS]
    found = summarise_folds(judged, tables, EVALUATION, participants=PEOPLE)
    groups = found["pooled"]["units"]["participant"]["subgroups"]["diagnosis"]
    people = {one["group"]: one["participants"] for one in groups}
    assert people == {name: len(counts) for name, counts in COHORT.items()}
    (dhs,) = (one for one in groups if one["group"] == "dhs")
    rates = dhs["metrics"]
    assert dhs["participants_per_label"] == {"non_asd": 5, "asd": 0}
    assert rates["asd/specificity"]["value"] == rates["accuracy"]["value"]
    assert rates["asd/sensitivity"]["value"] is None
    (few,) = (one for one in groups if one["group"] == "hipoa")
    assert few["metrics"] is None
    spread = found["spread"]["participant"]["asd/sensitivity"]
    assert spread["mean"] == pytest.approx(np.mean(spread["per_fold"]))


def test_clips_are_a_unit_below_the_sequence(split: pl.DataFrame) -> None:
    predictions = predict(split, FOLDS[0], "test")
    clips = cut_clips(predictions)
    metrics = judge(split, FOLDS[0], clips=clips)
    assert list(metrics["units"]) == ["participant", "sequence", "clip"]
    unit, above = metrics["units"]["clip"], metrics["units"]["sequence"]
    assert unit["count"] == clips.height == 3 * above["count"]
    assert unit["participants"] == above["participants"]
    right = (clips["label"] == clips["predicted"]).mean()
    assert unit["metrics"]["accuracy"]["value"] == pytest.approx(right)
    # More clips of the same people are no more people: the interval hardly narrows.
    widths = [one["high"] - one["low"] for one in (entry(unit), entry(above))]
    assert widths[0] > 0.7 * widths[1]
    tested = predictions["sequence_id"].to_list()
    assert find_contradictions(metrics, predictions, tested, clips=clips) == []
    turned = clips.with_columns(p_asd="p_non_asd", p_non_asd="p_asd")
    found = find_contradictions(metrics, predictions, tested, clips=turned)
    assert any(", clip: the predictions give the matrix" in line for line in found)
    without = judge(split, FOLDS[0])
    assert {unit: metrics["units"][unit] for unit in without["units"]} == without["units"]


def entry(unit: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = unit["metrics"]["accuracy"]
    return found


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda clips: clips.filter(pl.col("sequence_id") != clips["sequence_id"][0]),
            "not those of the predicted sequences",
        ),
        (lambda clips: pl.concat([clips, clips.head(1)]), "a clip is predicted twice"),
        (lambda clips: clips.drop("clip_id"), "columns differ"),
        (lambda clips: clips.with_columns(side=pl.lit("train")), "not those of the predicted"),
    ],
)
def test_clips_that_do_not_belong_are_refused(
    split: pl.DataFrame, spoil: Callable[[pl.DataFrame], pl.DataFrame], words: str
) -> None:
    predictions = predict(split, FOLDS[0], "test")
    with pytest.raises(InputError, match=words):
        summarise_evaluation(predictions, PEOPLE, EVALUATION, clips=spoil(cut_clips(predictions)))


def test_two_models_are_compared_by_the_question(split: pl.DataFrame) -> None:
    one, other = (predict(split, FOLDS[0], "test", skill) for skill in (0.0, 3.0))
    found = compare_experiments([one], [other], EVALUATION)["participant"]
    assert {name.partition("/")[0] for name in found if "/" in name} == {"asd"}
    assert found["asd/auroc"]["difference"]["value"] > 0


@pytest.mark.slow
def test_the_probe_asks_the_screening_question(split: pl.DataFrame) -> None:
    # Age gives the deformity away.
    people = PEOPLE.with_columns(
        age_years=pl.when(pl.col("label") == "asd").then(70.0).otherwise(40.0)
    )
    split = split.filter(pl.col("variant") == FOLDS[0])
    result = Result("m", FOLDS[0], predict(split, FOLDS[0], "test", skill=0.0))
    found = probe_confounders(INDEX, people, None, split, seed=1, resamples=50, results=[result])
    judged = found["variants"][FOLDS[0]]
    assert judged["judged_on"].keys() == {"non_asd", "asd"}
    assert judged["alone"]["age"]["linear"]["asd/auroc"]["value"] == 1.0
    assert judged["comparisons"]["m"]["more_than"]["linear"]["asd/auroc"]["value"] < 0
    section = repr(confounder_section(material([], confounders=found)))
    assert "adult spinal deformity" in section
    assert "any abnormality" not in section
    assert "confounders/cohort/linear/asd/auroc" in summarise_confounders(found)


def test_the_report_speaks_of_the_deformity(
    split: pl.DataFrame, judged: list[dict[str, Any]]
) -> None:
    clips = cut_clips(predict(split, FOLDS[0], "test"))
    with_clips = judge(split, FOLDS[0], clips=clips)
    experiments = [
        Experiment(one["experiment"], None, one, predict(split, one["variant"], "test"))
        for one in (with_clips, *judged[1:])
    ]
    found = material(experiments)
    assert found.scheme is SPINAL_DEFORMITY
    for section in (experiment_section, reading_section, headline_section):
        said = repr(section(found))
        for word in ("any_abnormality", "any abnormality", "neutral", "positive_vs_rest", "2024"):
            assert word not in said, (section, word)
    said = repr(experiment_section(found))
    assert "per clip" in said
    assert "by diagnosis" in said
    assert "asd: asd" in said
    assert list(trace_questions(predict(split, FOLDS[0], "test"))) == ["asd"]
