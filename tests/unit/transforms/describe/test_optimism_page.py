import json
from pathlib import Path

import polars as pl
import pytest

from tests.unit.transforms.metrics.gap_inputs import DISJOINT, MIXED, QUICK, VARIANT, judge, split
from transforms.describe.optimism_page import say_gap, write_gap
from transforms.metrics.optimism import GAP, HONEST, LEAKY, describe_splits, measure_gap


def describe_gap(tables):
    return {
        "model": "sconet",
        "variant": VARIANT,
        "seeds": [0],
        "dataset_version": "v",
        "evaluation": QUICK.model_dump(mode="json"),
        "splits": describe_splits({HONEST: split(DISJOINT), LEAKY: split(MIXED)}, VARIANT),
        "units": measure_gap(tables, QUICK),
    }


def test_everything_written_says_leaky_and_repeats_its_bytes(tmp_path: Path) -> None:
    tables = {HONEST: [judge([0, 1, 0, 0, 1, 0])], LEAKY: [judge([1, 1, 1, 1, 1, 0])]}
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_gap(describe_gap(tables), tmp_path / name)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    first, second = written
    assert first == second
    assert sorted(first) == ["gap.json", "gap.md", "gap.svg"]
    assert all(b"LEAKY" in data for data in first.values())
    document = json.loads(first["gap.json"])
    accuracy = document["units"]["sequence"]["accuracy"]
    assert accuracy[GAP]["value"] == pytest.approx(0.5)
    page = first["gap.md"].decode()
    assert "(gap.svg)" in page
    assert "+0.50 [" in page
    assert "6 of 6 are known from training" in page
    assert say_gap(document["units"]) in page


def test_a_page_without_intervals_and_values_is_written_nevertheless(tmp_path: Path) -> None:
    table = judge([1, 1, 0, 1, 1, 0]).filter(pl.col("label") == "positive")
    write_gap(describe_gap({HONEST: [table], LEAKY: [table]}), tmp_path)
    assert "| undefined | undefined | undefined |" in (tmp_path / "gap.md").read_text()


def test_a_metric_that_is_undefined_on_one_side_is_said_to_be() -> None:
    table = judge([1, 1, 0, 1, 1, 0])
    positive = table.filter(pl.col("label") == "positive")
    units = measure_gap({HONEST: [table], LEAKY: [positive]}, QUICK)
    said = say_gap(units, "any_abnormality/specificity")
    assert said.endswith("undefined sequence-wise, LEAKY; difference undefined.")
