"""The two sides of one variant and what the probes, fitted on one, say of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.confounders.fitting import PROBES, Answers, answer_majority, fit_and_answer
from transforms.confounders.judgement import Counts, count_classes, say_what_is_lacking
from transforms.confounders.people import CONFOUNDERS, People, gather_people
from transforms.labels import LabelScheme

FITTED_SIDES: Final = ("train", "selection")
JUDGED_SIDE: Final = "test"

Given = dict[str, Answers]  # `<confounder or all>/<probe>`, or `chance` -> answers


@dataclass(frozen=True)
class ProbedSide:
    """One variant.

    Attributes:
        fitted: the participants of the train and selection sides.
        judged: those of the test side.
        given: what is said of them; None where there are too few to fit on.
        lacking: why the variant cannot be judged by itself, if so.
    """

    fitted: People
    judged: People
    given: Given | None
    lacking: str | None

    @property
    def counts(self) -> Counts:
        """The participants of each class on either side."""
        return {"fitted_on": count_classes(self.fitted), "judged_on": count_classes(self.judged)}


def probe_side(sequences: pl.DataFrame, scheme: LabelScheme, split: pl.DataFrame) -> ProbedSide:
    """Fit the probes to a variant and ask them about its test side.

    Args:
        sequences: as `describe_sequences` returns them.
        scheme: of the labels.
        split: the variant's rows.
    """
    sides = sequences.join(split.select("sequence_id", "side"), on="sequence_id")
    fitted = gather_people(sides.filter(pl.col("side").is_in(FITTED_SIDES)), scheme)
    judged = gather_people(sides.filter(pl.col("side") == JUDGED_SIDE), scheme)
    counts = {"fitted_on": count_classes(fitted), "judged_on": count_classes(judged)}
    is_fit = say_what_is_lacking({"fitted_on": counts["fitted_on"]}) is None
    given = predict_side(fitted, judged) if is_fit and judged.ids else None
    return ProbedSide(fitted, judged, given, say_what_is_lacking(counts))


def predict_side(fitted: People, judged: People) -> Given:
    """Return what each probe, fitted on `fitted`, says of `judged`: of all confounders and each."""
    selections = {"all": CONFOUNDERS} | {name: (name,) for name in CONFOUNDERS}
    given = {
        f"{name}/{probe}": fit_and_answer(fitted, judged, chosen, probe)
        for name, chosen in selections.items()
        for probe in PROBES
    }
    return given | {"chance": answer_majority(fitted, judged)}


def join_answers(parts: Sequence[Given], members: NDArray[np.int64]) -> Given:
    """Return the answers of several sides about the people of all of them.

    Args:
        parts: each about the people of its own side.
        members: the row, among the people of all, of each person of the parts one after the other.
    """
    back = np.argsort(members, kind="stable")
    return {
        name: Answers(
            *(
                np.concatenate([getattr(part[name], field) for part in parts])[back]
                for field in ("likeliest", "raised", "score")
            )
        )
        for name in parts[0]
    }
