import polars as pl
import pytest

from transforms.audit.class_counts import count_classes, find_broken_counts


def split(changes=None):
    """Return a split of two variants; `changes` maps a row number to new values."""
    rows = []
    for variant, negatives in (("ratio_1_1_2", 2), ("ratio_1_1_4", 4)):
        wanted = {"train": (1, 1, negatives), "test": (1, 1, 1)}
        for side, counts in wanted.items():
            for label, count in zip(("positive", "neutral", "negative"), counts, strict=True):
                rows += [{"variant": variant, "side": side, "label": label}] * count
    rows = [row | (changes or {}).get(number, {}) for number, row in enumerate(rows)]
    return pl.DataFrame(rows)


def proof(ratios=("ratio_1_1_2", "ratio_1_1_4")):
    counted = count_classes(split())
    return {
        "protocol": "fixed_test_nested",
        "settings": {"ratios": list(ratios)},
        "variants": {
            variant: {
                "sequences": sides,
                "requested": {"train": sides["train"], "test": {"positive": 9}},
            }
            for variant, sides in counted.items()
        },
    }


def codes(table, of):
    return [finding.code for finding in find_broken_counts(table, of)]


def test_a_split_as_promised_has_no_findings():
    assert codes(split(), proof()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({0: {"label": "negative"}}, ["counts_not_proved", "counts_not_requested"]),
        ({4: {"label": "neutral"}}, ["counts_not_proved"]),  # of the test side
        ({0: {"side": "unused"}}, ["counts_not_proved"] * 2 + ["counts_not_requested"]),
        ({n: {"variant": "ratio_1_1_2"} for n in range(7, 99)}, None),
        ({0: {"variant": "ratio_9_9_9"}}, None),
    ],
)
def test_every_moved_sequence_is_found_and_its_variant_named(change, expected):
    found = list(find_broken_counts(split(change), proof()))
    assert found
    assert all(finding.severity == "error" for finding in found)
    assert any(
        "ratio_1_1_2" in finding.records
        or "ratio_9_9_9" in finding.records
        or "ratio_1_1_4" in finding.records
        for finding in found
    )
    if expected is not None:
        assert sorted(finding.code for finding in found) == sorted(expected)


def test_a_ratio_that_was_asked_for_and_is_not_there_is_named():
    found = list(find_broken_counts(split(), proof(("ratio_1_1_2", "ratio_1_1_16"))))
    assert [(finding.code, finding.records) for finding in found] == [
        ("variant_missing", ("ratio_1_1_16",))
    ]


def test_the_message_says_which_class_and_how_many():
    found = list(find_broken_counts(split({0: {"label": "negative"}}), proof()))
    assert "0 positive instead of 1" in str(found[0])
    assert "3 negative instead of 2" in str(found[0])
