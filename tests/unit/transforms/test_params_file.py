from pathlib import Path

import pytest
import yaml

from transforms.errors import SettingsError
from transforms.params_file import change_section
from transforms.presets import PRESETS, format_value

ROOT = Path(__file__).parents[3]
TEXT = """# top
one:
  steps: 5  # of one
training:  # what is trained
  # before steps
  steps: 80   # all of them
  milestones:
    - 20  # first
    - 60  # last

  frozen: [1,
    2]
after: {steps: 3}
"""


def change(text: str, **values: str) -> str:
    return change_section(text, "training", values, where="params.yaml")


def test_only_the_values_change():
    changed = change(TEXT, steps="9", frozen="[3]")
    assert changed == TEXT.replace("steps: 80", "steps: 9").replace("[1,\n    2]", "[3]")


def test_a_block_list_becomes_a_line_and_what_follows_it_stays():
    changed = change(TEXT, milestones="[7]")
    assert yaml.safe_load(changed)["training"] == {"steps": 80, "milestones": [7], "frozen": [1, 2]}
    assert "# last\n\n  frozen" in changed


def test_missing_keys_come_behind_the_last_one():
    changed = change("training:\n  steps: 1  # why\nother: 2\n", seed="3")
    assert changed == "training:\n  steps: 1  # why\n  seed: 3\nother: 2\n"


def test_a_missing_section_comes_last():
    assert change("other: 2", seed="3") == "other: 2\n\ntraining:\n  seed: 3\n"


def test_line_ends_stay_as_they_are():
    changed = change("training:\r\n  steps: 1\r\n  size: 2\r\n", steps="4", seed="3")
    assert changed.startswith("training:\r\n  steps: 4\r\n  size: 2\n  seed: 3\r\n")


def test_the_same_values_leave_the_same_text():
    assert change(TEXT, steps="80") == TEXT


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_fits_into_the_projects_own_file(name):
    before = (ROOT / "params.yaml").read_text()
    after, wanted = before, yaml.safe_load(before)
    for section, values in PRESETS[name].sections.items():
        shown = {key: format_value(value) for key, value in values.items()}
        after = change_section(after, section, shown, where="params.yaml")
        wanted[section] |= values
    assert yaml.safe_load(after) == wanted
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line]
    assert comments == [line.partition("#")[2] for line in after.splitlines() if "#" in line]


@pytest.mark.parametrize(
    "text",
    [
        "training: {steps: 1}\n",
        "training:\n",
        "[1, 2]\n",
        "base: &b 5\ntraining:\n  steps: *b\n",
        "training: &t\n  steps: 1\nother: *t\n",
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text):
    with pytest.raises(SettingsError, match="cannot be changed in place"):
        change(text, steps="2")
