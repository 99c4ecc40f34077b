import pytest

from transforms.suggestions import suggest

KNOWN = ("extraction_score", "trained_model", "model_evaluation")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("extration_score", "did you mean extraction_score?"),
        ("score", "did you mean extraction_score?"),
        ("model", "did you mean trained_model or model_evaluation?"),
        ("nonsense", "name one"),
        ("", "name one"),
    ],
)
def test_a_part_or_a_misspelling_is_understood(name: str, said: str) -> None:
    assert suggest(name, KNOWN, otherwise="name one") == said
