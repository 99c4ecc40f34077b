from dataclasses import replace

import numpy as np
import pytest

from transforms.errors import SettingsError
from transforms.synth.sequence_plan import (
    SCOLIOSIS1K_SHAPE,
    SPINAL_DEFORMITY_SHAPE,
    CohortShape,
    Planted,
    SequencePlan,
    plan_sequences,
)
from transforms.synth.silhouettes import render_sequence

PATIENTS = {"asd": 2, "dhs": 1}
DUAL = CohortShape(
    participants=PATIENTS,
    sequences=PATIENTS,
    frames_mean=30.0,
    frames_sd=0.0,
    views=("front", "side"),
    start_spread_s=0.4,
)


def _render(shape: CohortShape, view: str) -> dict[str, tuple[str, np.ndarray]]:
    """Return by sequence the label and the silhouettes."""
    return {
        plan.sequence_id: (plan.identity.label, render_sequence(plan))
        for plan in plan_sequences(shape, 5)
        if plan.view == view
    }


def _at(plan: SequencePlan, walk_s: float) -> np.ndarray:
    """Return the silhouette of the moment, `(64, 64)`."""
    assert plan.start_offset_s is not None
    return render_sequence(plan)[round((walk_s - plan.start_offset_s) * 30)]


def test_the_published_shape_has_its_published_counts() -> None:
    assert sum(SCOLIOSIS1K_SHAPE.participants.values()) == 1050
    assert sum(SCOLIOSIS1K_SHAPE.sequences.values()) == 1493


def test_the_spinal_deformity_cohort_is_seen_from_both_sides() -> None:
    plans = plan_sequences(SPINAL_DEFORMITY_SHAPE, 1)
    labels = [plan.identity.label for plan in plans if plan.view == "side"]
    counts = {label: labels.count(label) for label in labels}
    assert counts == {"asd": 27, "dhs": 9, "lcs": 6, "hipoa": 2}
    assert len(plans) == 2 * len(labels)


def test_a_participant_without_a_sequence_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"sequences\.neutral"):
        CohortShape(participants={"neutral": 2}, sequences={"neutral": 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": ()}, "two views"),
        ({"planted": Planted("lcs", "front")}, "nobody would show"),
        (
            {"planted": Planted("asd", "side"), "views": ("front",), "start_spread_s": 0.0},
            "nobody would show",
        ),
        ({"planted": Planted("asd", "side"), "sequences": {"asd": 4, "dhs": 3}}, "tell the label"),
        ({"planted": Planted("asd", "side"), "sequences": {"asd": 3, "dhs": 1}}, "tell the label"),
    ],
)
def test_shapes_that_would_not_be_what_they_say_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(DUAL, **changes)  # type: ignore[arg-type]  # values of several types


def test_cameras_that_start_apart_film_one_walk() -> None:
    """The same camera at another moment shows the same moments."""
    plan = next(plan for plan in plan_sequences(DUAL, 5) if plan.view == "side")
    early, late = (replace(plan, start_offset_s=start_s) for start_s in (0.0, 0.2))
    np.testing.assert_array_equal(_at(early, 0.6), _at(late, 0.6))
    assert not np.array_equal(render_sequence(early), render_sequence(late))


def test_a_planted_effect_shows_in_one_view_of_one_label_and_nowhere_else() -> None:
    plain = replace(DUAL, planted=Planted("asd", "front", 0.0))
    planted = replace(DUAL, planted=Planted("asd", "front", 1.0))
    for view in ("front", "side"):
        before, after = _render(plain, view), _render(planted, view)
        for name, (label, silhouettes) in before.items():
            is_same = np.array_equal(silhouettes, after[name][1])
            assert is_same == (view == "side" or label != "asd"), (view, label)


@pytest.mark.parametrize("planted", [Planted("asd", "front"), Planted("asd", "side")])
def test_other_labels_leave_every_byte_of_the_other_view(planted: Planted) -> None:
    """Whoever looks at the other view alone can know nothing of the labels."""
    swapped = {"asd": 1, "dhs": 2}
    shape = replace(DUAL, planted=planted)
    other_view = "side" if planted.view == "front" else "front"
    one, two = (
        _render(case, other_view)
        for case in (shape, replace(shape, participants=swapped, sequences=swapped))
    )
    assert one.keys() == two.keys()
    assert any(one[name][0] != two[name][0] for name in one)
    assert all(np.array_equal(one[name][1], two[name][1]) for name in one)
    assert len({silhouettes.tobytes() for _, silhouettes in one.values()}) == 3
