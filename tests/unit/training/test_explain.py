"""A whole explanation: what it writes, for whom, and that it is the same bytes each time."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.explain import run_explanation
from training.explain_walks import randomise
from training.explained_walks import choose_sequences
from training.finished_model import open_finished_model
from training.job import ExplanationJob, TrainingJob
from training.models.registry import build_model
from transforms.errors import InputError
from transforms.explanation.checks import ALL_WEIGHTS, HEAD_WEIGHTS, OTHER_PEOPLE
from transforms.explanation.over_time import OVER_TIME_NAME
from transforms.explanation.results import (
    CHECKS_NAME,
    SHARES_NAME,
    SUMMARY_NAME,
    read_explanation,
)
from transforms.explanation.shares import METHODS
from transforms.progress import NoProgress
from transforms.settings import ExplanationSettings

SIDES = ("train", "train", "selection", *["test"] * 6)
SETTINGS = ExplanationSettings(sequences_per_class=5, frame_cap=8, check_sequences_per_class=2)


def explanation_of(job: TrainingJob) -> ExplanationJob:
    shared = job.model_dump(exclude={"kind"})
    return ExplanationJob(**shared, model_directory=job.output, explanation=SETTINGS)


@pytest.fixture
def explained(tmp_path, write_tiny_cohort):
    """A cohort, an evaluation job of a trained model, and how to explain it into a folder."""
    from training.train import run_training

    cohort = write_tiny_cohort(tmp_path / "cohort", per_class=len(SIDES), sides=SIDES)
    job = cohort.training_job(tmp_path / "model")
    run_training(job, device="cpu", progress=NoProgress())
    explanation = explanation_of(job)

    def run(name: str, settings: ExplanationSettings = SETTINGS) -> Path:
        output = tmp_path / name
        output.mkdir()
        changed = explanation.model_copy(update={"output": output, "explanation": settings})
        run_explanation(changed, device="cpu", progress=NoProgress())
        return output

    return cohort, explanation, run


def test_tables_and_summary_agree_and_shares_add_up_to_one(explained) -> None:
    _, _, run = explained
    output = run("first")
    shares = pl.read_parquet(output / SHARES_NAME)
    summary = json.loads((output / SUMMARY_NAME).read_bytes())
    assert sum(group["sequences"] for group in summary["groups"]) == 3 * 5
    # The bars do not walk: no phase is made up for them.
    assert shares["phase"].null_count() == shares.height
    assert [group["with_rhythm"] for group in summary["groups"]] == [0] * len(summary["groups"])
    totals = shares.group_by("view", "predicted", "method", "half").agg(
        pl.col("share", "body_share").sum()
    )
    everything = totals.filter(pl.col("half") == "all")
    assert set(everything["method"]) == set(METHODS)
    assert everything["share"].to_numpy() == pytest.approx(1.0)
    assert everything["body_share"].to_numpy() == pytest.approx(1.0)
    halves = (
        totals.filter(pl.col("half") != "all").group_by("predicted", "method").agg(pl.sum("share"))
    )
    assert halves["share"].to_numpy() == pytest.approx(1.0)


def test_every_check_is_a_row(explained) -> None:
    _, _, run = explained
    checks = pl.read_parquet(run("first") / CHECKS_NAME)
    found = set(checks.select("method", "check").rows())
    both = {(method, check) for method in METHODS for check in (ALL_WEIGHTS, OTHER_PEOPLE)}
    assert found == both | {("grad_cam", HEAD_WEIGHTS), ("evidence", HEAD_WEIGHTS)}
    made = checks.filter(pl.col("check") == ALL_WEIGHTS)
    assert made["compared"].to_list() == [6, 6, 6]
    judged = checks.drop_nulls("correlation")
    below = judged["must_be"] == "below"
    passed = (judged["correlation"] < judged["limit"]) == below
    assert passed.to_list() == judged["is_passed"].to_list()


def test_the_same_job_gives_the_same_bytes(explained) -> None:
    _, _, run = explained
    first, second = run("first"), run("second")
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_no_picture_shows_fewer_than_five_people(explained) -> None:
    _, _, run = explained
    few = run("few", SETTINGS.model_copy(update={"sequences_per_class": 1}))
    assert not list(few.glob("*.png"))
    # Fifteen people are in at most three groups: one at least has five.
    many = run("many")
    assert sorted(path.name for path in many.glob("*.png")) == sorted(
        f"{method}-side.png" for method in METHODS
    )
    assert all(path.stat().st_size < 74_000 for path in many.glob("*.png"))


def test_a_model_that_weighs_frames_says_which(tmp_path, write_tiny_cohort) -> None:
    from training.train import run_training

    cohort = write_tiny_cohort(tmp_path / "cohort", per_class=len(SIDES), sides=SIDES)
    job = cohort.training_job(tmp_path / "model").model_copy(update={"model": "gait_mil"})
    run_training(job, device="cpu", progress=NoProgress())
    output = tmp_path / "explained"
    output.mkdir()
    explanation = explanation_of(job).model_copy(update={"output": output})
    run_explanation(explanation, device="cpu", progress=NoProgress())
    weights = pl.read_parquet(output / OVER_TIME_NAME)
    totals = weights.group_by("sequence_id").agg(pl.sum("weight"))
    assert totals.height == 3 * 5
    assert totals["weight"].to_numpy() == pytest.approx(1.0, abs=1e-5)
    (entry,) = json.loads((output / SUMMARY_NAME).read_bytes())["over_time"]
    assert (entry["view"], entry["phases"], entry["sequences"]) == ("side", 4, 15)
    assert 0 < entry["even_frames"] <= 1 + 1e-6
    assert (output / "attention_over_time-side.png").stat().st_size < 74_000
    read = read_explanation(output, "one")  # the report takes all there is
    assert "attention_over_time-side" in read.pictures


def test_an_empty_test_side_is_refused(tmp_path, write_tiny_cohort) -> None:
    from training.train import run_training

    cohort = write_tiny_cohort(tmp_path / "cohort", sides=("train", "train", "train", "selection"))
    job = cohort.training_job(tmp_path / "model")
    run_training(job, device="cpu", progress=NoProgress())
    with pytest.raises(InputError, match="no sequence to explain"):
        run_explanation(explanation_of(job), device="cpu", progress=NoProgress())


def make_sequences(people: dict[str, int]):
    """Return a `SequenceSet` in which each person has so many sequences of one class."""
    from training.data import SequenceSet

    rows = [
        (f"{person}_{turn}", person, "negative")
        for person, count in people.items()
        for turn in range(count)
    ]
    table = pl.DataFrame(rows, schema=["sequence_id", "participant_id", "label"], orient="row")
    places = np.arange(len(rows))
    return SequenceSet(table.sort("sequence_id"), places, places * 0, places + 30, places)


def test_many_people_are_chosen_before_many_walks_of_one() -> None:
    chosen = choose_sequences(make_sequences({"a": 5, "b": 1, "c": 2}), 4)
    assert chosen.table["sequence_id"].to_list() == ["a_0", "a_1", "b_0", "c_0"]
    assert chosen.positions.tolist() == [0, 1, 5, 6]
    everyone = choose_sequences(make_sequences({"a": 2, "b": 1}), 9)
    assert everyone.table["sequence_id"].to_list() == ["a_0", "a_1", "b_0"]


def test_a_randomised_head_leaves_the_backbone_alone(explained) -> None:
    import torch

    _, job, _ = explained
    opened = open_finished_model(job, NoProgress(), purpose="explain")
    model = build_model(job.model, job.training, job.seed)
    others = randomise(opened, model)
    before = dict(model.named_parameters())
    for name, after in others[HEAD_WEIGHTS].named_parameters():
        is_same = torch.equal(before[name], after)
        is_constant = name.endswith("norm.bias")
        assert is_same == (name.startswith("backbone") or is_constant), name
    everything = dict(others[ALL_WEIGHTS].named_parameters())
    assert not any(torch.equal(before[name], everything[name]) for name in before if "conv" in name)
