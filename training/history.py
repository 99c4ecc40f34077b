"""`history.csv`: one row per training step, in a spelling that survives a round trip exactly."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HISTORY_NAME: Final = "history.csv"
_COLUMNS: Final = (
    "step",
    "loss",
    "cross_entropy",
    "triplet",
    "learning_rate",
    "selection_accuracy",
)


@dataclass(frozen=True)
class HistoryRow:
    """What is known of one step.

    Attributes:
        step: counted from 1, so it is also the number of updates made.
        loss: the sum of the losses that train the model.
        cross_entropy: None where the model is not trained with it; so is `triplet`.
        learning_rate: of this step's update.
        selection_accuracy: share of right sequences on the selection side; None where not judged.
    """

    step: int
    loss: float
    cross_entropy: float | None
    triplet: float | None
    learning_rate: float
    selection_accuracy: float | None = None


def format_history(rows: Sequence[HistoryRow]) -> bytes:
    """Return the CSV of rows; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        values = [getattr(row, column) for column in _COLUMNS]
        writer.writerow(["" if value is None else repr(value) for value in values])
    return text.getvalue().encode()


def parse_history(data: bytes) -> list[HistoryRow]:
    """Return the rows of a CSV that `format_history` wrote."""
    rows = []
    for fields in csv.DictReader(io.StringIO(data.decode())):
        numbers = {name: float(fields[name]) if fields[name] else None for name in _COLUMNS[2:]}
        rows.append(HistoryRow(int(fields["step"]), float(fields["loss"]), **numbers))  # type: ignore[arg-type]  # learning_rate is never empty
    return rows


def rose_at(rows: Sequence[HistoryRow]) -> int | None:
    """Return the step at which the selection accuracy last rose above all before it."""
    highest, step = -1.0, None
    for row in rows:
        if row.selection_accuracy is not None and row.selection_accuracy > highest:
            highest, step = row.selection_accuracy, row.step
    return step


def has_run_out(rows: Sequence[HistoryRow], patience: int | None) -> bool:
    """Tell whether `patience` judgements in a row have not raised the selection accuracy."""
    rose = rose_at(rows)
    if patience is None or rose is None:
        return False
    return sum(row.selection_accuracy is not None and row.step > rose for row in rows) >= patience
