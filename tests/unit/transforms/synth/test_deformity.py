import numpy as np
import pytest

from transforms.synth.deformity import EFFECTS, draw_elderly_gait
from transforms.synth.draws import generator_for
from transforms.synth.identity import draw_gait, draw_identity
from transforms.synth.walker import Gait


def _gaits(label: str, severity: float) -> list[Gait]:
    gaits = []
    for index in range(30):
        rng = generator_for(4, index)
        gaits.append(draw_elderly_gait(draw_gait(0.0, rng), EFFECTS[label], severity, rng))
    return gaits


def _mean(gaits: list[Gait], name: str) -> float:
    values = [getattr(gait, name, None) or getattr(gait.posture, name, 0.0) for gait in gaits]
    return float(np.mean(np.abs(values)))


@pytest.mark.parametrize(
    ("label", "name", "least"),
    [
        ("asd", "forward_lean", 15.0),
        ("asd", "lateral_lean", 5.0),
        ("asd", "crouch", 0.03),
        ("dhs", "head_pitch", 40.0),
        ("lcs", "forward_lean", 8.0),
        ("lcs", "base_m", 0.08),
        ("hipoa", "step_delay", 0.07),
        ("hipoa", "pelvis_drop", 8.0),
        ("hipoa", "trunk_lean", 8.0),
    ],
)
def test_a_disease_does_what_it_is_known_for(label: str, name: str, least: float) -> None:
    assert _mean(_gaits(label, 1.0), name) - _mean(_gaits(label, 0.0), name) > least


def test_at_severity_zero_all_diseases_are_one() -> None:
    healthy = [_gaits(label, 0.0) for label in EFFECTS]
    assert all(gaits == healthy[0] for gaits in healthy)


def test_the_limp_is_on_one_side_and_hurries_the_sound_step() -> None:
    for gait in _gaits("hipoa", 1.0):
        assert gait.step_delay * gait.posture.limp_side > 0.05


@pytest.mark.parametrize("name", ["forward_lean", "lateral_lean", "stride_hz"])
def test_no_single_number_tells_adult_deformity_from_the_others(name: str) -> None:
    def values(*labels: str) -> np.ndarray:
        people = [
            draw_identity("p0", label, "F", generator_for(5, label, index))
            for label in labels
            for index in range(60)
        ]
        return np.sort([abs(getattr(person.gait, name)) for person in people])

    asd, others = values("asd"), values("dhs", "lcs", "hipoa")
    # Share of pairs in which the one with the disease has the greater value.
    above = np.searchsorted(others, asd).mean() / others.size
    assert 0.04 < above < 0.96
