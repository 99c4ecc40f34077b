import polars as pl
import pytest

from transforms.describe.data_figures import (
    count_frames,
    draw_extraction_outcome,
    draw_iou_histogram,
)
from transforms.describe.style import figure_to_svg
from transforms.labels import order_labels

FRAMES = pl.DataFrame(
    {
        "recording_id": ["a"] * 6,
        "status": ["kept", "dropped", "dropped", "dropped", "dropped", "kept"],
        "reason": [None, "x", "y", "y", None, None],
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


def test_a_batch_without_recordings_can_be_drawn() -> None:
    recordings = pl.DataFrame(
        schema={"verdict": pl.String, "kept_frame_count": pl.Int32, "frame_count": pl.Int32}
    )
    assert "<svg" in figure_to_svg(draw_extraction_outcome(FRAMES.head(0), recordings))


@pytest.mark.parametrize("values", [[], [0.02, 1.0], [0.9]])
def test_every_iou_is_counted(values: list[float]) -> None:
    axes = draw_iou_histogram(values).axes[0]
    assert sum(patch.get_height() for patch in axes.patches) == len(values)
