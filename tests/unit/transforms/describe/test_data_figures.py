import polars as pl
import pytest

from transforms.describe.data_figures import (
    count_frames,
    draw_demographics,
    draw_extraction_outcome,
    draw_iou_histogram,
    draw_split,
    order_labels,
)
from transforms.describe.style import figure_to_svg

FRAMES = pl.DataFrame(
    {
        "recording_id": ["a"] * 6,
        "status": ["kept", "dropped", "dropped", "dropped", "dropped", "kept"],
        "reason": [None, "x", "y", "y", None, None],
    }
)
SPLIT = pl.DataFrame(
    {
        "variant": ["ratio_1_1_16", "ratio_1_1_16", "ratio_1_1_2", "ratio_1_1_2"],
        "side": ["train", "test", "train", "test"],
        "label": ["positive", "negative", "positive", "negative"],
        "participant_id": ["p1", "p2", "p1", "p2"],
        "sequence_id": ["s1", "s2", "s1", "s2"],
    }
)


def test_frames_are_counted_by_outcome_kept_first() -> None:
    assert count_frames(FRAMES).rows() == [
        ("kept", 2),
        ("y", 2),
        ("no reason given", 1),
        ("x", 1),
    ]


def test_labels_have_their_canonical_order() -> None:
    assert order_labels(["positive", "asd", "negative"]) == ["negative", "positive", "asd"]


def test_variants_are_ordered_by_ratio_not_by_name() -> None:
    titles = [axes.get_title(loc="left") for axes in draw_split(SPLIT).axes]
    assert titles == ["ratio_1_1_2", "ratio_1_1_16"]


def test_bars_count_participants_not_sequences() -> None:
    twice = pl.concat([SPLIT, SPLIT.with_columns(pl.lit("other").alias("sequence_id"))])
    assert figure_to_svg(draw_split(twice)) == figure_to_svg(draw_split(SPLIT))


@pytest.mark.parametrize("age", [[12.0, None], [None, None]])
def test_unknown_demographics_are_left_out(age: list[float | None]) -> None:
    people = pl.DataFrame(
        {
            "participant_id": ["p1", "p2"],
            "label": ["positive", "negative"],
            "age_years": pl.Series(age, dtype=pl.Float64),
            "height_cm": [150.0, 160.0],
            "weight_kg": [40.0, 50.0],
        }
    )
    axes = draw_demographics(SPLIT, people).axes[0]
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")
    assert dots == sum(one is not None for one in age)


def test_a_batch_without_recordings_can_be_drawn() -> None:
    recordings = pl.DataFrame(
        schema={"verdict": pl.String, "kept_frame_count": pl.Int32, "frame_count": pl.Int32}
    )
    assert "<svg" in figure_to_svg(draw_extraction_outcome(FRAMES.head(0), recordings))


@pytest.mark.parametrize("values", [[], [0.02, 1.0], [0.9]])
def test_every_iou_is_counted(values: list[float]) -> None:
    axes = draw_iou_histogram(values).axes[0]
    assert sum(patch.get_height() for patch in axes.patches) == len(values)
