"""Values from outside are harmless when shown, and problems become a table in a fixed order."""

import pytest

from transforms.intake.problems import Problem, problems_frame, show_value
from transforms.schemas import PROBLEMS, conform


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ä", "plain Ä"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@cmd", "'@cmd"),
        ("-5", "'-5"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff.mp4", "\\udcff.mp4"),
        ("\t=1", "\\t=1"),
        ("x" * 61, "x" * 59 + "…"),
        ("", ""),
    ],
)
def test_values_are_shown_harmless(text: str, shown: str) -> None:
    assert show_value(text) == shown


def _problem(file: str, row: int | None, code: str) -> Problem:
    return Problem(file, row, "c", "v", "e", code, "m")


def test_problems_are_sorted_and_meet_their_contract() -> None:
    problems = [
        _problem("b.csv", 10, "bad_id"),
        _problem("b.csv", 9, "unknown_column"),
        _problem("a.csv", None, "bad_id"),
    ]
    frame = problems_frame(problems)
    conform(frame, PROBLEMS, where="test")
    assert frame.select("file", "row", "severity").rows() == [
        ("a.csv", None, "error"),
        ("b.csv", 9, "warning"),
        ("b.csv", 10, "error"),
    ]
    assert frame.equals(problems_frame(reversed(problems)))


def test_no_problems_are_a_table_too() -> None:
    conform(problems_frame([]), PROBLEMS, where="test")
