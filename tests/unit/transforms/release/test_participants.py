import polars as pl
import pytest

from transforms.labels import SCOLIOSIS_LABELS
from transforms.release.participants import (
    PARTICIPANT_COLUMNS,
    RELEASED_PARTICIPANTS,
    bin_age,
    bin_participants,
    bin_value,
    describe_columns,
    encode_participants,
)
from transforms.schemas import conform


@pytest.mark.parametrize(
    ("value", "width", "interval"),
    [
        (14.0, 2, "[14,16)"),
        (15.999, 2, "[14,16)"),
        (16.0, 2, "[16,18)"),
        (161.6, 5, "[160,165)"),
        (0.0, 5, "[0,5)"),
    ],
)
def test_bins_are_half_open(value, width, interval):
    assert bin_value(value, width) == interval


@pytest.mark.parametrize(
    ("age", "interval"), [(89.9, "[88,90)"), (90.0, "[90,inf)"), (103.0, "[90,inf)")]
)
def test_the_oldest_are_one_group(age, interval):
    assert bin_age(age) == interval


def test_nan_is_not_binned():
    with pytest.raises(ValueError, match="NaN"):
        bin_value(float("nan"), 5)


PEOPLE = pl.DataFrame(
    {
        "participant_id": ["p2", "p1"],
        "label": ["positive", "negative"],
        "sex": ["F", None],
        "age_years": [14.3, None],
        "height_cm": [161.6, None],
        "weight_kg": [48.3, None],
        "site": ["clinic-a", "clinic-b"],
    }
)


def test_table_is_sorted_and_holds_no_exact_measure_and_no_site():
    assert encode_participants(PEOPLE).decode().splitlines() == [
        "participant_id\tlabel\tsex\tage_years\theight_cm\tweight_kg",
        "p1\tnegative\tn/a\tn/a\tn/a\tn/a",
        "p2\tpositive\tF\t[14,16)\t[160,165)\t[45,50)",
    ]


def test_the_two_forms_of_the_table_say_the_same():
    cells = [line.split("\t") for line in encode_participants(PEOPLE).decode().splitlines()]
    rows = [["n/a" if cell is None else cell for cell in row] for row in _binned().iter_rows()]
    assert cells == [_binned().columns, *rows]
    assert conform(_binned(), RELEASED_PARTICIPANTS, where="").num_rows == 2


def _binned():
    return bin_participants(PEOPLE)


def test_the_sidecar_describes_every_column():
    described = describe_columns()
    assert list(described) == list(PARTICIPANT_COLUMNS)
    assert all(column["Description"] for column in described.values())
    assert described["sex"]["Levels"] == {"F": "female", "M": "male"}
    assert set(described["label"]["Levels"]) == set(SCOLIOSIS_LABELS)
    assert described["age_years"]["BinWidth"] == 2
    assert described["height_cm"]["Units"] == "cm"
