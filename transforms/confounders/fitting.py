"""The two probes, a regularised linear model and a small tree, fitted on one side of a split.

Both are deterministic, and neither sees a label of the side it is judged on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.confounders.encoding import encode, fit_encoder
from transforms.confounders.people import Floats, People

PROBES: Final = ("linear", "tree")
PROBE_SETTINGS: Final[dict[str, dict[str, int | float]]] = {
    "linear": {"inverse_penalty": 1.0},
    "tree": {"max_depth": 3, "min_participants_per_leaf": 5},
}
_DIGITS: Final = 9  # scores that differ by less are one score: machines add in another order
_LEAST: Final = 1e-12


@dataclass(frozen=True)
class Answers:
    """What a probe or a model says of each participant.

    Attributes:
        likeliest: class index, int64 [row]; counted for the accuracy.
        raised: class index, int64 [row]: the class whose probability is raised most above its share
            of the side fitted on; counted for the macro F1, which weighs all classes alike.
        score: float64 [row], higher for who the screening question is about.
    """

    likeliest: NDArray[np.int64]
    raised: NDArray[np.int64]
    score: Floats


def fit_and_answer(fitted: People, judged: People, names: Sequence[str], probe: str) -> Answers:
    """Fit `probe` to the confounders `names` of `fitted` and ask it about `judged`.

    Args:
        fitted: participants whose labels are learnt from.
        judged: participants whose labels are not looked at.
        names: of `CONFOUNDERS`.
        probe: of `PROBES`.
    """
    prior = class_shares(fitted)
    encoder = fit_encoder(fitted, names)
    probabilities = np.tile(prior, (len(judged.ids), 1))
    if encoder.kept and np.count_nonzero(prior) > 1:
        model = _FITTERS[probe](encode(encoder, fitted), fitted.truth)
        probabilities = np.zeros_like(probabilities)
        probabilities[:, model.classes_] = model.predict_proba(encode(encoder, judged))
    healthy = fitted.scheme.class_indices(fitted.scheme.screening, inside=False)
    return _answer(probabilities, prior, healthy)


def answer_majority(fitted: People, judged: People) -> Answers:
    """Return the answers of somebody who knows nothing but the commonest class of `fitted`."""
    commonest = np.full(len(judged.ids), class_shares(fitted).argmax(), dtype=np.int64)
    return Answers(commonest, commonest, np.zeros(len(judged.ids)))


def class_shares(people: People) -> Floats:
    """Return each class's share of the participants, float64 [class]."""
    counts = np.bincount(people.truth, minlength=len(people.scheme.classes))
    shares: Floats = counts.astype(np.float64) / max(1.0, float(counts.sum()))
    return shares


def _answer(probabilities: Floats, prior: Floats, healthy: list[int]) -> Answers:
    known = np.round(probabilities, _DIGITS)
    lift = np.divide(known, prior, out=np.zeros_like(known), where=prior > 0)
    # Odds beside those of the side fitted on: folds that differ in their classes by a participant
    # would otherwise be told apart by that alone.
    cleared = probabilities[:, healthy].sum(axis=1)
    surplus = _log_odds(cleared) - _log_odds(float(prior[healthy].sum()))
    return Answers(
        likeliest=known.argmax(axis=1).astype(np.int64),
        # Among classes raised alike, the likeliest.
        raised=(np.round(lift, _DIGITS - 2) + known * _LEAST).argmax(axis=1).astype(np.int64),
        score=np.round(-surplus, _DIGITS - 2),
    )


def _log_odds(probability: Floats | float) -> Floats:
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds


def _fit_linear(columns: Floats, truth: NDArray[np.int64]) -> Any:
    # `Any`: scikit-learn is untyped.
    from sklearn.linear_model import LogisticRegression

    penalty = PROBE_SETTINGS["linear"]["inverse_penalty"]
    # Both end so near to the optimum that machines agree to the digits reported. Newton's method is
    # several times as fast, but warns of a line search without progress where it starts there.
    newton = LogisticRegression(C=penalty, solver="newton-cholesky", tol=1e-8, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return newton.fit(columns, truth)
        except Warning:
            pass
    return LogisticRegression(C=penalty, tol=1e-10, max_iter=10_000).fit(columns, truth)


def _fit_tree(columns: Floats, truth: NDArray[np.int64]) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    settings = PROBE_SETTINGS["tree"]
    tree = DecisionTreeClassifier(
        max_depth=settings["max_depth"],
        min_samples_leaf=settings["min_participants_per_leaf"],
        random_state=0,
    )
    return tree.fit(columns, truth)


_FITTERS: Final = {"linear": _fit_linear, "tree": _fit_tree}
