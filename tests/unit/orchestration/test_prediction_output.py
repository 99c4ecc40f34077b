"""The lines that a person reads of one judged walk."""

import warnings

import pytest

_TWO_CLASSES = {
    "answer": {
        "predicted": "asd",
        "probability": 0.9,
        "probabilities": {"non_asd": 0.1, "asd": 0.9},
    },
    "uncertainty": {
        "entropy_bits": 0.02,
        "entropy_bits_of_a_guess": 1.0,
        "spread": None,
        "reason": "too short",
    },
    "questions": {"asd": {"classes": ["asd"], "probability": 0.9}},
    "own_test": {"reason": "not known"},
    "model": {"trained_on": {"participants": 9, "sequences": 9, "is_synthetic": True}},
    "explanation": {"views": []},
    "videos": [{"file": "walk.mp4", "overruled": False, "known_as": None, "gates": {}}],
    "notice": "a notice",
}


@pytest.fixture
def sum_up():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typer's import warns of click
        from orchestration.cli.prediction_output import sum_up
    return sum_up


def test_how_sure_it_is_does_not_read_as_a_verdict(sum_up) -> None:
    lines = sum_up(_TWO_CLASSES).splitlines()
    assert "uncertainty: entropy 0.02 of 1.00 bits; too short" in lines
    assert not any(line.startswith("unsure") for line in lines)


def test_a_question_that_is_one_of_two_classes_is_not_told_twice(sum_up) -> None:
    assert sum(line.strip().startswith("asd") for line in sum_up(_TWO_CLASSES).splitlines()) == 1
    three = _TWO_CLASSES | {
        "questions": {"any_abnormality": {"classes": ["a", "b"], "probability": 0.7}}
    }
    assert "  any abnormality: 0.70" in sum_up(three).splitlines()
