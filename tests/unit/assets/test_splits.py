import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.splits import _describe

GOALS = [{"name": "sequences", "value": 0, "bound": 0, "is_proved": True}]
PROBLEM = {
    "name": "positive",
    "variants": ["a"],
    "requested": {"positive": {"test": 1}},
    "achieved": {"positive": {"test": 1, "train": 1}},
    "goals": GOALS,
    "status": "optimal",
}


def describe(directory: Path, protocol: str, **changes: Any) -> dict[str, Any]:
    """Publish a split of two people, one of them on both sides if it is to be leaky."""
    people = ["p1", "p2", "p2" if protocol != "sequence_wise" else "p1"]
    split = pl.DataFrame(
        {
            "variant": ["a"] * 3,
            "sequence_id": ["s1", "s2", "s3"],
            "participant_id": people,
            "label": ["positive"] * 3,
            "side": ["train", "test", "test"],
        }
    ).with_columns(dataset_version=pl.lit("v"), protocol=pl.lit(protocol))
    proof = {
        "protocol": protocol,
        "participant_disjointness": "proved",
        "problems": [PROBLEM],
        "variants": {"a": {"seconds": {"test": {"positive": 60}, "train": {"positive": 60}}}},
        "balance": [
            {"variant": "a", "label": "positive", "side": side, "age_years_shift": shift}
            for side, shift in (("train", 0.0), ("test", 0.2))
        ],
    }
    directory.mkdir(exist_ok=True)
    split.write_parquet(directory / "split.parquet")
    (directory / "proof.json").write_text(json.dumps(proof | changes))
    return _describe(directory)


def test_an_honest_split_shows_its_tables_and_pictures(tmp_path: Path) -> None:
    shown = describe(tmp_path, "fixed_test_nested")
    assert "warning" not in shown
    assert (shown["protocol"], shown["variants"]) == ("fixed_test_nested", 1)
    assert shown["participant_disjointness"] == "proved"
    assert shown["participants_on_two_sides"] == 0
    assert "| a | test | 1 / 2 / 1.0 |" in shown["table"].value
    assert (
        "| a | positive | test 1 | train 1, test 1 | 0 |" in shown["requested_and_achieved"].value
    )
    assert "| a: test, positive | proved | 0 |" in shown["goals"].value
    for picture in ("picture", "differences"):
        assert "data:image/png;base64," in shown[picture].value
        assert len(shown[picture].value) < 100_000


def test_a_leaky_split_warns(tmp_path: Path) -> None:
    shown = describe(
        tmp_path,
        "sequence_wise",
        participant_disjointness="violated_by_design",
        problems=[],
        balance=[],
    )
    assert shown["warning"].startswith("LEAKY BY DESIGN: 1 participant")
    assert shown["participant_disjointness"] == "violated_by_design"
    assert shown["participants_on_two_sides"] == 1
    assert not {"requested_and_achieved", "goals", "differences"} & set(shown)


@pytest.mark.parametrize("rows", [5, 400])
def test_folds_are_a_table_of_folds(tmp_path: Path, rows: int) -> None:
    shown = describe(tmp_path, "k_fold", problems=[PROBLEM] * rows)
    assert "| a | 1 / 2 / 1.0 | 1 / 2 / 1.0 |" in shown["table"].value
    assert "| most |" in shown["table"].value
    assert len(shown["goals"].value.splitlines()) <= 24
