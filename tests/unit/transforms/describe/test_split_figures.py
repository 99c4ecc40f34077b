from typing import Any

import polars as pl
import pytest

from transforms.describe.split_figures import draw_folds, draw_sides, draw_split, text_colour
from transforms.describe.style import CLASS_COLOURS, figure_to_png, figure_to_svg


def split_of(*rows: tuple[str, str, str, str], protocol: str) -> pl.DataFrame:
    """Variant, side, label and participant; the sequence is the row."""
    frame = pl.DataFrame(rows, schema=["variant", "side", "label", "participant_id"], orient="row")
    return frame.with_row_index("sequence_id").with_columns(
        pl.col("sequence_id").cast(pl.String), protocol=pl.lit(protocol)
    )


RATIOS = split_of(
    ("ratio_1_1_16", "train", "positive", "p1"),
    ("ratio_1_1_16", "test", "negative", "p2"),
    ("ratio_1_1_2", "train", "positive", "p1"),
    ("ratio_1_1_2", "train", "positive", "p1"),
    ("ratio_1_1_2", "unused", "positive", "p3"),
    ("ratio_1_1_2", "test", "negative", "p2"),
    protocol="fixed_test_nested",
)
LEAKY = split_of(
    ("ratio_1_1_2", "train", "positive", "p1"),
    ("ratio_1_1_2", "train", "positive", "p3"),
    ("ratio_1_1_2", "test", "positive", "p1"),
    ("ratio_1_1_2", "test", "positive", "p1"),
    protocol="sequence_wise",
)
FOLDS = split_of(
    ("fold_10", "test", "positive", "p1"),
    ("fold_10", "train", "positive", "p2"),
    ("fold_2", "train", "positive", "p1"),
    ("fold_2", "test", "positive", "p2"),
    ("fold_2", "test", "positive", "p2"),
    protocol="k_fold",
)


def written(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def hatched(axes: Any) -> list[float]:
    return [patch.get_width() for patch in axes.patches if patch.get_hatch()]


def test_variants_are_ordered_by_ratio_not_by_name() -> None:
    titles = [axes.get_title(loc="left") for axes in draw_sides(RATIOS, {}).axes]
    assert [title for title in titles if title] == ["ratio_1_1_2", "ratio_1_1_16"]


def test_bars_count_participants_and_beside_them_sequences() -> None:
    people, sequences = draw_sides(RATIOS, {}).axes[:2]
    assert (people.get_title(loc="left"), sequences.get_title()) == ("ratio_1_1_2", "")
    assert [patch.get_width() for patch in people.patches] == [0, 1, 1, 0, 0, 1]
    assert [patch.get_width() for patch in sequences.patches] == [0, 2, 1, 0, 0, 1]


def test_what_is_of_people_on_both_sides_is_hatched_and_the_picture_says_so() -> None:
    figure = draw_sides(LEAKY, {})
    people, sequences = figure.axes
    assert hatched(people) == [1, 1]
    assert hatched(sequences) == [1, 2]
    assert figure.get_suptitle() == "LEAKY BY DESIGN: 1 participant on both sides"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("hatched") for text in legend)


def test_an_honest_split_has_no_hatch_and_no_mark() -> None:
    figure = draw_sides(RATIOS, {"participant_disjointness": "proved"})
    assert not any(hatched(axes) for axes in figure.axes)
    assert figure.get_suptitle() == ""


def test_an_unverifiable_split_is_marked_on_its_picture() -> None:
    split = RATIOS.with_columns(protocol=pl.lit("imported"))
    figure = draw_split(split, {"participant_disjointness": "unverifiable"})
    assert figure.get_suptitle().startswith("UNVERIFIABLE")


def test_folds_show_what_each_tests_in_the_order_of_their_numbers() -> None:
    proof = {
        "variants": {
            fold: {"seconds": {"test": {"positive": seconds}, "train": {"positive": 999}}}
            for fold, seconds in (("fold_2", 90), ("fold_10", 30))
        }
    }
    figure = draw_folds(FOLDS, proof)
    assert written(figure) == ["1", "1", "2", "1", "1.5", "0.5"] * 2  # the class, and all classes
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["positive", "all"]
    evens = [axes.lines[0].get_ydata()[0] for axes in figure.axes[:3]]
    assert evens == [1, 1.5, 1]


def test_folds_without_seconds_leave_the_minutes_out() -> None:
    assert len(draw_folds(FOLDS, {}).axes) == 4


def test_a_fold_without_a_class_has_an_empty_bar() -> None:
    other = split_of(("fold_2", "test", "neutral", "p5"), protocol="k_fold")
    figure = draw_split(pl.concat([FOLDS, other]), {})
    assert written(figure)[:4] == ["1", "0", "1", "0"]  # neutral


@pytest.mark.parametrize("count", [5, 50])
def test_many_folds_stay_readable(count: int) -> None:
    rows = [(f"fold_{n}", "test", "positive", f"p{n}") for n in range(1, count + 1)]
    figure = draw_folds(split_of(*rows, protocol="k_fold"), {})
    assert len(figure.axes[-1].get_xticks()) <= 12
    assert len(written(figure)) == (0 if count == 50 else 4 * count)


@pytest.mark.parametrize("split", [RATIOS, LEAKY, FOLDS], ids=["ratios", "leaky", "folds"])
def test_the_same_split_gives_the_same_picture_in_any_order_of_its_rows(
    split: pl.DataFrame,
) -> None:
    drawn = figure_to_svg(draw_split(split, {}))
    assert figure_to_svg(draw_split(split.reverse(), {})) == drawn
    assert len(figure_to_png(draw_split(split, {}), max_bytes=74_000)) < 74_000


def test_numbers_can_be_read_on_every_class() -> None:
    assert text_colour(CLASS_COLOURS["neutral"]) != text_colour(CLASS_COLOURS["positive"])
