import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import RefusalError, SettingsError
from transforms.splits.ratios import (
    class_counts,
    parse_ratio,
    plan_training_sets,
    require_ratio_labels,
)

ALL = ("ratio_1_1_2", "ratio_1_1_4", "ratio_1_1_8", "ratio_1_1_16")
WHOLE = {"positive": 394, "neutral": 160, "negative": 640}  # Scoliosis1K less 20 %


def test_ratio_names_read_positive_neutral_negative() -> None:
    assert parse_ratio("ratio_1_2_16") == {"positive": 1, "neutral": 2, "negative": 16}


@pytest.mark.parametrize("name", ["1_1_8", "ratio_1_8", "ratio_0_1_8", "ratio_1_1_8x", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="not a class ratio"):
        parse_ratio(name)


def test_scoliosis1k_with_a_fifth_held_out_gives_the_known_counts() -> None:
    plan = plan_training_sets(ALL, WHOLE)
    assert plan.size == 640
    assert plan.bounding_variant == "ratio_1_1_2"
    assert {name: tuple(counts.values()) for name, counts in plan.counts.items()} == {
        "ratio_1_1_2": (160, 160, 320),
        "ratio_1_1_4": (106, 106, 428),
        "ratio_1_1_8": (64, 64, 512),
        "ratio_1_1_16": (35, 35, 570),
    }


def test_remainder_that_no_class_can_give_lowers_the_size() -> None:
    # 1:1:1 fits 5 times = 15 exactly; 1:1:2 at 15 is 3/3/9, which 8 negatives cannot give.
    available = {"positive": 5, "neutral": 5, "negative": 8}
    plan = plan_training_sets(("ratio_1_1_1", "ratio_1_1_2"), available)
    assert plan.size == 14
    assert plan.counts["ratio_1_1_2"] == {"positive": 3, "neutral": 3, "negative": 8}


def test_requested_size_is_met_or_refused_with_the_nearest() -> None:
    assert plan_training_sets(ALL, WHOLE, 500).size == 500
    with pytest.raises(RefusalError) as caught:
        plan_training_sets(ALL, WHOLE, 700)
    text = str(caught.value)
    assert "ratio_1_1_2 at 700 takes 175 neutral, 160 can be trained on" in text
    assert "394/160/640" in text
    assert "nearest training size that can be met is 643" in text
    assert plan_training_sets(ALL, WHOLE, 643).size == 643
    with pytest.raises(RefusalError):
        plan_training_sets(ALL, WHOLE, 644)


def test_ratio_steeper_than_the_cohort_is_refused() -> None:
    with pytest.raises(RefusalError, match="takes 16 negative, 13 can be trained on") as caught:
        plan_training_sets(ALL, {"positive": 9, "neutral": 7, "negative": 13})
    assert caught.value.fix is not None
    assert "drop the steepest ratio" in caught.value.fix


counts_available = st.fixed_dictionaries(
    {label: st.integers(0, 60) for label in ("positive", "neutral", "negative")}
)
weights = st.tuples(*[st.integers(1, 6)] * 3)


@given(counts_available, st.lists(weights, min_size=1, max_size=3, unique=True), st.data())
def test_every_plan_is_within_what_there_is_and_every_refusal_is_right(
    available: dict[str, int], ratios: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    variants = ["ratio_" + "_".join(map(str, ratio)) for ratio in ratios]

    def fits(size: int) -> bool:
        divided = [class_counts(parse_ratio(variant), size) for variant in variants]
        return all(1 <= c[label] <= available[label] for c in divided for label in c)

    feasible = {size for size in range(1, sum(available.values()) + 1) if fits(size)}
    size = data.draw(st.none() | st.integers(1, 120))
    plan, refusal = None, None
    try:
        plan = plan_training_sets(variants, available, size)
    except RefusalError as error:
        refusal = error
    if plan is not None:
        assert plan.size in feasible
        assert size in (None, plan.size)
        assert all(sum(counts.values()) == plan.size for counts in plan.counts.values())
    elif size is not None and feasible:
        assert refusal is not None
        nearest = int(str(refusal.fix).rsplit(" ", 1)[1])
        assert size not in feasible
        assert nearest in feasible
        assert abs(nearest - size) == min(abs(other - size) for other in feasible)
    else:
        assert refusal is not None
        assert "drop the steepest ratio" in str(refusal.fix)
        assert not feasible


def test_other_labels_are_told_what_splits_them() -> None:
    require_ratio_labels(["positive", "negative"])
    with pytest.raises(RefusalError, match="class ratios") as caught:
        require_ratio_labels(["positive", "dhs", "asd"])
    assert caught.value.found == "asd, dhs"
    assert "gaitworks preset spinal_deformity --write" in str(caught.value.fix)
