from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from transforms.describe.experiment_figures import (
    HISTORY_COLUMNS,
    draw_confusion_matrix,
    draw_learning_curves,
    draw_metric_intervals,
    read_history,
)
from transforms.describe.plots import plot_confusion, plot_learning_curves

HEADER = ",".join(HISTORY_COLUMNS) + "\n"


def write_history(tmp_path: Path, lines: str) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HEADER + lines)
    return path


def test_empty_cells_are_unknown_not_zero(tmp_path: Path) -> None:
    history = read_history(write_history(tmp_path, "1,1.5,1.5,,0.1,\n2,1,1,,0.1,0.5\n"))
    assert history["triplet"].to_list() == [None, None]
    assert history["selection_accuracy"].to_list() == [None, 0.5]
    assert history["loss"].to_list() == [1.5, 1.0]


def test_a_loss_that_is_all_there_is_is_drawn_once(tmp_path: Path) -> None:
    history = read_history(write_history(tmp_path, "1,1.5,1.5,,0.1,\n2,1,1,,0.1,0.5\n"))
    lines = draw_learning_curves(history).axes[0].lines
    assert [line.get_label() for line in lines] == ["cross-entropy"]


def test_the_parts_of_a_loss_are_drawn_beside_the_total(tmp_path: Path) -> None:
    history = read_history(write_history(tmp_path, "1,1.7,1.5,0.2,0.1,\n2,1.1,1,0.1,0.1,0.5\n"))
    lines = draw_learning_curves(history).axes[0].lines
    assert [line.get_label() for line in lines] == ["total", "cross-entropy", "triplet"]


def test_an_empty_history_can_be_drawn(tmp_path: Path) -> None:
    figure = draw_learning_curves(read_history(write_history(tmp_path, "")))
    assert [text.get_text() for text in figure.axes[1].texts] == ["never evaluated"]


def test_a_long_history_is_thinned_by_means() -> None:
    steps = np.arange(1.0, 20_001.0)
    columns = dict.fromkeys(HISTORY_COLUMNS, pl.Series([None] * len(steps), dtype=pl.Float64))
    history = pl.DataFrame(columns | {"step": steps, "loss": steps})
    line = draw_learning_curves(history).axes[0].lines[0]
    assert len(line.get_xdata()) == 400
    assert line.get_ydata()[0] == pytest.approx(25.5)  # the mean of steps 1 to 50


def test_confusion_counts_stand_in_their_cells() -> None:
    texts = draw_confusion_matrix([[5, 1], [0, 7]], ["a", "b"]).axes[0].texts
    assert {text.get_position(): text.get_text() for text in texts}[(1, 0)] == "1"


def test_an_undefined_metric_is_said_to_be_so() -> None:
    metrics = {"any_abnormality/sensitivity": {"value": 0.5, "low": 0.2, "high": 0.9}}
    one = {"model": "m", "variant": "v", "seed": 0, "units": {"participant": {"metrics": metrics}}}
    axes = draw_metric_intervals([one]).axes
    assert [[text.get_text() for text in some.texts] for some in axes[:2]] == [[], ["undefined"]]
    assert list(axes[0].lines[0].get_xdata()) == [0.2, 0.9]


def test_titles_of_the_forest_plot_stay_apart() -> None:
    metrics = {"asd/sensitivity": {"value": 0.5, "low": 0.2, "high": 0.9}}
    one = {"model": "m", "variant": "v", "seed": 0, "units": {"participant": {"metrics": metrics}}}
    figure = draw_metric_intervals([one])
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_previews_keep_their_limit(tmp_path: Path) -> None:
    history = write_history(tmp_path, "1,1.5,1.5,,0.1,\n2,1,1,,0.1,0.5\n")
    for picture in (
        plot_learning_curves(history, max_bytes=74_000),
        plot_confusion([[5, 1], [0, 7]], ["a", "b"], max_bytes=74_000),
    ):
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 74_000
