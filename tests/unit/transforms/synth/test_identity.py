import numpy as np
import pytest

from transforms.synth.demographics import CLASS_STATISTICS, STATISTICS, count_females
from transforms.synth.draws import generator_for
from transforms.synth.identity import draw_elderly, draw_gait, draw_identity


@pytest.fixture(scope="module")
def people() -> dict[str, list]:  # type: ignore[type-arg]  # lists of identities
    return {
        label: [
            draw_identity("p0", label, "F", generator_for(1, label, index)) for index in range(400)
        ]
        for label in STATISTICS
    }


@pytest.mark.parametrize("label", list(STATISTICS))
@pytest.mark.parametrize("column", ["age_years", "height_cm", "weight_kg"])
def test_demographics_follow_the_table(people, label: str, column: str) -> None:  # type: ignore[no-untyped-def]  # fixture
    values = np.array([getattr(person, column) for person in people[label]])
    mean, deviation = getattr(STATISTICS[label], column)
    assert values.mean() == pytest.approx(mean, abs=4 * deviation / 20)
    assert values.std() == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize(
    ("label", "count", "females"),
    [
        ("positive", 176, 113),
        ("neutral", 82, 49),
        ("negative", 792, 479),
        ("positive", 11, 7),
        ("asd", 27, 23),
    ],
)
def test_sex_ratio_is_the_published_one(label: str, count: int, females: int) -> None:
    assert count_females(STATISTICS[label], count) == females


def test_severity_rises_with_the_class_but_classes_overlap(people) -> None:  # type: ignore[no-untyped-def]  # fixture
    severity = {
        label: np.array([person.severity for person in group]) for label, group in people.items()
    }
    means = [severity[label].mean() for label in ("negative", "neutral", "positive")]
    assert means[0] + 0.15 < means[1] < means[2] - 0.15
    assert severity["negative"].max() > severity["neutral"].min()
    assert severity["neutral"].max() > severity["positive"].min()
    assert all(((values >= 0) & (values <= 1)).all() for values in severity.values())


def test_patients_are_old_and_slower_than_the_healthy_of_their_age(people) -> None:  # type: ignore[no-untyped-def]  # fixture
    healthy = [draw_elderly("p0", "asd", "F", generator_for(1, index)) for index in range(100)]
    assert {person.severity for person in healthy} == {0.0}

    def speed(group) -> float:  # type: ignore[no-untyped-def]  # small helper
        return float(np.mean([person.natural_speed_m_s for person in group]))

    for label in STATISTICS.keys() - CLASS_STATISTICS.keys():
        assert 65 < np.mean([person.age_years for person in people[label]]) < 75
        assert 0.6 < speed(people[label]) < 0.9 * speed(healthy) < 1.05
        assert min(person.natural_speed_m_s for person in people[label]) > 0.4


def test_severity_shows_in_the_gait() -> None:
    mild = [draw_gait(0.0, generator_for(2, index)) for index in range(50)]
    severe = [draw_gait(1.0, generator_for(2, index)) for index in range(50)]

    def mean(gaits, value) -> float:  # type: ignore[no-untyped-def]  # small helper
        return float(np.mean([value(gait) for gait in gaits]))

    for value in (
        lambda gait: gait.forward_lean,
        lambda gait: abs(gait.lateral_lean),
        lambda gait: abs(gait.shoulder_obliquity),
        lambda gait: abs(gait.arm_swing_left - gait.arm_swing_right),
    ):
        assert mean(severe, value) - mean(mild, value) > 4.0
    assert mean(severe, lambda gait: abs(gait.step_delay)) > 0.06
