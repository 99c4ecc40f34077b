"""Models beside chance and the probes, in pairs on the same participants and resamples."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.confounders.fitting import PROBES, Answers
from transforms.confounders.judgement import compare_with_probes
from transforms.confounders.judging import Resampled, resample
from transforms.confounders.people import People
from transforms.confounders.results import ModelAnswers
from transforms.confounders.sides import Given

_RIVALS: Final = ("chance", *(f"all/{probe}" for probe in PROBES))


def compare_all(
    people: People,
    models: Mapping[str, ModelAnswers],
    given: Given,
    values: Mapping[str, Resampled],
    draws: dict[str, int],
    confidence: float,
) -> dict[str, Any]:
    """Return `compare_with_probes` of every model, by name.

    A model that says nothing of somebody is compared on those it can read, by its own rivals'
    figures on them; it then has `judged_on`, the participants of each class.

    Args:
        people: who was asked about.
        models: their answers.
        given: what the probes say.
        values: what `resample` returned for `given` with the same draws.
        draws: seed and number of the resamples.
        confidence: of the intervals.
    """
    groups: dict[bytes, list[str]] = {}
    for name in sorted(models):
        groups.setdefault(models[name].rows.tobytes(), []).append(name)
    found: dict[str, Any] = {}
    for names in groups.values():
        rows = models[names[0]].rows
        truth, scheme = people.truth[rows], people.scheme
        is_whole = len(rows) == len(people.ids)
        rivals = values
        if not is_whole:
            some = {name: _take(given[name], rows) for name in _RIVALS}
            rivals = resample(truth, some, scheme=scheme, **draws)
        answers = {name: models[name].answers for name in names}
        own = resample(truth, answers, scheme=scheme, **draws)
        counts = np.bincount(truth, minlength=len(scheme.classes)).tolist()
        for name in names:
            found[name] = compare_with_probes(own[name], rivals, confidence)
            if not is_whole:
                found[name]["judged_on"] = dict(zip(scheme.classes, counts, strict=True))
    return {name: found[name] for name in sorted(found)}


def _take(answers: Answers, rows: NDArray[np.int64]) -> Answers:
    return Answers(answers.likeliest[rows], answers.raised[rows], answers.score[rows])
