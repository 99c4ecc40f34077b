"""Coverage of the intervals on simulated cohorts; benchmarks/interval_coverage.py has the whole."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[4] / "benchmarks" / "interval_coverage.py"
MAIN = (
    "accuracy",
    "macro_f1",
    "any_abnormality/sensitivity",
    "any_abnormality/specificity",
    "any_abnormality/auroc",
)


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("interval_coverage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["participant", "sequence"])
def test_intervals_of_few_participants_hold_the_truth_as_often_as_they_say(benchmark, unit) -> None:
    shares = {"ours": [], "percentile": []}
    for skill in (1.5, 3.5):
        _, held = benchmark.simulate_one(60, skill, unit, 120, 200)
        for method, found in shares.items():
            found += [np.mean(held[name, method]) for name in MAIN]
    assert 0.93 <= np.mean(shares["ours"]) <= 0.98
    assert min(shares["ours"]) >= 0.87  # 95 % of 120 less four standard errors
    # The usual interval fails the same check, so the check can fail.
    assert np.mean(shares["percentile"]) < 0.93


@pytest.mark.slow
def test_intervals_of_paired_differences_hold_the_truth_as_often_as_they_say(benchmark) -> None:
    _, held = benchmark.simulate_pair(60, (2.5, 3.5), "participant", 120, 200)
    ours, plain = ([np.mean(held[name, one]) for name in MAIN] for one in ("ours", "percentile"))
    assert np.mean(ours) >= 0.93
    assert min(ours) >= 0.87
    assert np.mean(plain) < 0.9
