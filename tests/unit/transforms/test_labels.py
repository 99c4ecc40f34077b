from itertools import combinations

import pytest

from transforms.describe.formatting import POSITIVE_SETS, QUESTIONS
from transforms.describe.style import OTHER_COLOUR, class_colour
from transforms.errors import InputError
from transforms.labels import (
    SCHEMES,
    SCOLIOSIS,
    SPINAL_DEFORMITY,
    find_scheme,
    order_labels,
    parse_label,
)
from transforms.metrics import sanity
from transforms.release.label_words import find_label_words


def words_of(scheme):
    return {*scheme.diagnoses, *scheme.classes}


def test_no_word_belongs_to_two_schemes() -> None:
    for one, other in combinations(SCHEMES, 2):
        assert not words_of(one) & words_of(other)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_scheme_is_whole(scheme) -> None:
    assert set(scheme.class_of) == set(scheme.diagnoses)
    assert set(scheme.class_of.values()) == set(scheme.classes)
    for question, positive in scheme.questions.items():
        assert 0 < len(positive) < len(scheme.classes)
        sides = (scheme.class_indices(question), scheme.class_indices(question, inside=False))
        assert sorted([*sides[0], *sides[1]]) == list(range(len(scheme.classes)))
        assert sides[0] == list(positive)


def test_the_labels_name_the_scheme() -> None:
    assert find_scheme(["neutral", "neutral"]) is SCOLIOSIS
    assert find_scheme(["dhs", "asd"]) is SPINAL_DEFORMITY
    assert find_scheme(["asd"]) is SPINAL_DEFORMITY
    assert find_scheme(["non_asd", "asd"]) is SPINAL_DEFORMITY


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], "no label"),
        (["healthy", "positive"], "unknown label.*found healthy"),
        (["asd", "positive"], "different kinds of cohorts.*asd, positive"),
        (["non_asd", "dhs"], "different kinds"),  # a class and a diagnosis
    ],
)
def test_what_names_no_scheme_is_refused(labels, words) -> None:
    with pytest.raises(InputError, match=words):
        find_scheme(labels)


def test_models_tell_one_deformity_from_the_others() -> None:
    assert SPINAL_DEFORMITY.is_folded
    assert not SCOLIOSIS.is_folded
    indices = {name: SPINAL_DEFORMITY.class_index(name) for name in SPINAL_DEFORMITY.diagnoses}
    assert indices == {"asd": 1, "dhs": 0, "lcs": 0, "hipoa": 0}
    assert SPINAL_DEFORMITY.probability_columns == ("p_non_asd", "p_asd")


def test_spellings_from_outside() -> None:
    assert parse_label(" Critical ") == "neutral"
    assert parse_label("HipOA") == "hipoa"
    with pytest.raises(InputError, match="unknown label"):
        parse_label("hipoa", scheme=SCOLIOSIS)
    with pytest.raises(InputError, match="unknown label"):
        parse_label("non_asd")  # what a model says is no diagnosis


def test_labels_have_one_order_everywhere() -> None:
    assert order_labels(["lcs", "odd", "asd", "dhs", "asd"]) == ["asd", "dhs", "lcs", "odd"]
    assert order_labels(["asd", "non_asd"]) == ["non_asd", "asd"]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_every_scheme_has_its_words_colours_and_second_count(scheme) -> None:
    assert set(find_label_words(scheme).levels) == set(scheme.diagnoses)
    assert set(scheme.questions) <= QUESTIONS.keys() & POSITIVE_SETS.keys()
    colours = [class_colour(label) for label in scheme.diagnoses]
    assert OTHER_COLOUR not in [*colours, *map(class_colour, scheme.classes)]
    assert len(set(colours)) == len(colours)
    assert sanity._POSITIVE_SETS[scheme.classes] == {
        question: tuple(scheme.classes[index] for index in positive)
        for question, positive in scheme.questions.items()
    }
