"""The proof of a split as it may leave: without exact demographics of the few people of a side."""

from typing import Any, Final

_DEMOGRAPHICS: Final = ("age_years", "height_cm", "weight_kg", "is_female")
_FIGURES: Final = frozenset(
    f"{name}_{kind}" for name in _DEMOGRAPHICS for kind in ("mean", "shift")
)


def redact_proof(proof: dict[str, Any]) -> dict[str, Any]:
    """Return the proof without means and shifts of age, stature, weight and sex.

    A side may hold one participant of a class, whose mean is their exact age; and sides of nested
    variants differ by few people, whose values follow from two means. What is released of each
    participant is enough to tabulate the balance of a split again.

    Args:
        proof: plain JSON values, as the split's maker wrote them.
    """
    if not isinstance(proof.get("balance"), list):
        return proof
    balance = [
        {name: value for name, value in row.items() if name not in _FIGURES}
        for row in proof["balance"]
    ]
    return proof | {"balance": balance}
