import dataclasses
import re
from pathlib import Path

import pytest

from transforms.release.questions import QUESTIONS
from transforms.release.settings import ReleaseSettings

OPEN = "the publisher has not answered this.*"


@pytest.fixture
def datasheet(make_inputs, publish):
    """Return a function that makes a datasheet's sections by question."""

    def make(**words):
        inputs = dataclasses.replace(make_inputs(), release=ReleaseSettings(**words))
        text = (publish(inputs) / "datasheet.md").read_text()
        parts = re.sub(r"\n## .*\n", "", text).split("\n**")[1:]
        return text, dict(part.split("**\n", 1) for part in parts)

    return make


def _of(answers, key):
    (question,) = [question for question in QUESTIONS if question.key == key]
    return answers[question.text]


def test_the_questions_are_those_of_the_paper_in_seven_sections():
    keys = [question.key for question in QUESTIONS]
    assert len(set(keys)) == len(keys) == 50
    assert len({question.section for question in QUESTIONS}) == 7


def test_every_key_is_documented_in_the_order_of_the_questions():
    text = (Path(__file__).parents[4] / "docs" / "releases.md").read_text()
    table = text[text.index("| section | keys |") : text.index("## Version numbers")]
    assert re.findall("`([a-z_]+)`", table) == [question.key for question in QUESTIONS]


def test_every_question_stands_there_answered_or_open(datasheet):
    text, answers = datasheet()
    assert list(answers) == [question.text for question in QUESTIONS]
    assert all(answer.strip() for answer in answers.values())
    assert f"{text.count(OPEN)} are open" in text


def test_what_the_data_know_is_answered_from_them(datasheet):
    _, answers = datasheet()
    assert "5 sequences of 5 participants, together 20 silhouettes" in _of(
        answers, "instance_count"
    )
    assert "64 x 44 pixels" in _of(answers, "instance_data")
    assert "5 of 25 decoded frames" in _of(answers, "missing")
    assert "ratio_1_1_2" in _of(answers, "splits")
    assert "sconet-ratio_1_1_2-seed_0" in _of(answers, "prior_uses")
    assert "pseudonymised" in _of(answers, "identifiable")
    # All five of the fixture are alike.
    assert "0 of 5 participants stand alone" in _of(answers, "identifiable")
    assert "2026-11-01" in _of(answers, "when")


def test_what_only_people_know_is_open_until_they_say_it(datasheet):
    _, answers = datasheet(answers={"funding": "The Spine Fund.", "raw_data": "Kept ten years."})
    assert OPEN in _of(answers, "consent")
    assert _of(answers, "funding").strip() == "The Spine Fund."
    # What the publisher adds stands after what the data say.
    raw = _of(answers, "raw_data")
    assert raw.index("not part of the release") < raw.index("Kept ten years.")
    assert OPEN not in raw
    assert f"The rest is open: {OPEN}" in _of(answers, "acquisition")


def test_a_synthetic_release_asks_nobody_for_consent(datasheet):
    text, answers = datasheet(is_synthetic=True)
    assert "Nobody was filmed" in _of(answers, "consent")
    assert _of(answers, "identifiable").strip().startswith("No.")
    assert OPEN in _of(answers, "funding")
    assert "pseudonymised" not in text
    assert "biometric" not in text


def test_a_warning_of_the_audit_is_among_the_known_errors(datasheet):
    _, answers = datasheet()  # its protocol `by_hand` is one that the audit does not know
    assert "what this protocol promises is not known" in _of(answers, "errors")
