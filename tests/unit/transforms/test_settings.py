import datetime
from pathlib import Path

import pytest

from transforms.errors import SettingsError
from transforms.settings import parse_settings, read_settings


def test_all_mistakes_are_named_at_once_with_their_path() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(
            {
                "splits": {"test_fracton": 0.2, "test_fraction": 2},
                "extraction": {"quality": {"nonsense": 1}},
                "nope": {},
            }
        )
    text = str(caught.value)
    assert "splits.test_fracton: unknown key; allowed here: cleared_pairs, folds" in text
    assert "splits.test_fraction: Input should be less than 1, found 2" in text
    assert "extraction.quality.nonsense: unknown key" in text
    assert "nope: unknown key; allowed here: clips, " in text


def test_values_that_clash_are_named_without_the_whole_section() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings({"training": {"steps": 4, "milestones": [60]}})
    assert caught.value.what.splitlines()[1:] == [
        "  training: the last milestone, 60, must come before `steps`, which is 4"
    ]


def test_models_cannot_read_pictures_that_are_not_cut() -> None:
    values = {"dual_view": {"input": "rgb"}, "clips": {"rgb": False}}
    with pytest.raises(
        SettingsError, match=r"dual_view\.input: rgb reads pictures, which only clips"
    ):
        parse_settings(values)
    assert parse_settings(values | {"clips": {"rgb": True}}).dual_view.input == "rgb"


def test_settings_cannot_be_changed() -> None:
    settings = parse_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.splits.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"training": {"steps": 10, "milestones": [10]}},
        {"training": {"steps": 10, "milestones": [5, 3]}},
        {"splits": {"ratios": ["ratio_1_1_2", "ratio_1_1_2"]}},
        {"splits": {"ratios": []}},
        {"splits": {"test_fraction": 0.8, "selection_fraction": 0.2}},
        {"splits": {"protocol": "imported"}},
        {"splits": {"protocol": "imported", "partition": "../elsewhere.json"}},
        {"splits": {"folds": 1}},
        {"splits": {"protocol": "k_fold"}, "experiments": {"variants": ["ratio_1_1_2"]}},
        {"experiments": {"variants": ["ratio_1_1_16"]}},
        {"release": {"version": "1.2"}},
        {"release": {"version": "2026.13.0"}},
        {"release": {"version": "2026.11.01"}},
        {"release": {"date": "2026-02-30"}},
        {"release": {"date": datetime.date(2026, 2, 1)}},
        {"release": {"url": "http://example.org"}},
        {"release": {"answers": {"no_such_question": "yes"}}},
        {"release": {"further_protocols": ["sequence_wise"]}},
        {"splits": {"protocol": "k_fold"}, "release": {"further_protocols": ["k_fold"]}},
        {"dual_view": {"pretrained": "../weights.pth", "pretrained_sha256": "0" * 64}},
        {"dual_view": {"pretrained": "/weights.pth", "pretrained_sha256": "0" * 64}},
        {"synth": {"participants": {"healthy": 3}}},
        {"synth": {"start_spread_s": 1.0}},
        {"synth": {"start_spread_s": -1.0, "views": ["front", "side"]}},
    ],
)
def test_impossible_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        parse_settings(values)


def test_weights_lie_below_the_workspace() -> None:
    section = {"pretrained": "weights/kinetics.pth", "pretrained_sha256": "0" * 64}
    found = parse_settings({"dual_view": section}).dual_view
    assert found.pretrained == "weights/kinetics.pth"


def test_a_synthetic_cohort_is_of_one_kind() -> None:
    patients = {"asd": 27, "dhs": 9, "lcs": 6, "hipoa": 2}
    assert parse_settings({"synth": {"participants": patients}}).synth.participants == patients
    with pytest.raises(SettingsError, match="two kinds of cohort") as caught:
        parse_settings({"synth": {"participants": {"asd": 3, "negative": 3}}})
    assert "only negative, neutral, positive, or only asd, dhs, lcs, hipoa" in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "just text"])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"params\.yaml"):
        read_settings(path)


def test_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--workspace"):
        read_settings(tmp_path / "params.yaml")
