"""A model's card from elsewhere: what is believed of it, and what is refused."""

import json

import pytest

from training.card_file import CARD_NAME, FORMAT, read_card
from transforms.errors import IntegrityError

CARD = {
    "format": FORMAT,
    "experiment": "sconet-a-seed_0",
    "model": "sconet",
    "variant": "a",
    "seed": 0,
    "dataset_version": "d",
    "split_sha256": "s",
    "weights_sha256": "w",
    "parameter_count": 7,
    "train": {"participants": 3, "sequences": 5},
}


def write(tmp_path, card):
    (tmp_path / CARD_NAME).write_text(card if isinstance(card, str) else json.dumps(card))
    return tmp_path


def test_a_card_is_read_with_and_without_what_training_adds(tmp_path):
    assert read_card(write(tmp_path, CARD)) == CARD
    untrained = {name: value for name, value in CARD.items() if name != "train"}
    assert read_card(write(tmp_path, untrained)) == untrained


@pytest.mark.parametrize("name", sorted(CARD.keys() - {"format", "train"}))
def test_a_card_without_a_part_is_refused(tmp_path, name):
    rest = {other: value for other, value in CARD.items() if other != name}
    with pytest.raises(IntegrityError, match=f"a wrong model card.*{name}: Field required"):
        read_card(write(tmp_path, rest))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": float("nan")}, "unreadable model card"),
        ({"other": float("inf")}, "unreadable model card"),
        ({"experiment": "\ud800"}, "unreadable model card"),
        ({"other": {"\udfff": 1}}, "unreadable model card"),
        ({"experiment": 7}, "experiment: "),
        ({"seed": "0"}, "seed: "),
        ({"seed": True}, "seed: "),
        ({"parameter_count": -1}, "parameter_count: "),
        ({"train": "many"}, "train: "),
        ({"train": {"participants": "<b>many</b>"}}, "train.participants: "),
        ({"train": {"participants": 10**400}}, "train.participants: "),
        ({"train": {"sequences": {}}}, "train.sequences: "),
        ({"format": "other/1"}, "not a model card"),
    ],
)
def test_a_card_with_a_wrong_part_is_refused(tmp_path, change, words):
    with pytest.raises(IntegrityError, match=words):
        read_card(write(tmp_path, CARD | change))


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "[" * 100_000, '{"other": 1e999}', " " * ((1 << 20) + 1)]
)
def test_what_is_no_card_is_refused(tmp_path, text):
    with pytest.raises(IntegrityError, match="model card"):
        read_card(write(tmp_path, text))
