"""The same split whatever the processor can do: NumPy picks its loops by it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
FEATURES = "AVX512_ICL AVX512_SPR X86_V4 X86_V3"
PROGRAM = """
import hashlib, json
from tests.unit.transforms.splits.conftest import make_tables, spread
from transforms.settings import SplitSettings
from transforms.splits.participants import gather_participants
from transforms.splits.protocols import PROTOCOLS

cohort = {"positive": spread(60, 130), "neutral": spread(40, 90), "negative": spread(150, 160)}
index, people = make_tables(cohort)
participants = gather_participants(index, people)
found = {}
for name in ("fixed_test_nested", "paper_exact", "k_fold"):
    split = PROTOCOLS[name](index, participants, SplitSettings(protocol=name))
    rows = repr(split.table.rows()) + repr([problem.describe() for problem in split.problems])
    found[name] = hashlib.sha256(rows.encode()).hexdigest()
print(json.dumps(found))
"""


def run(features: str | None) -> dict[str, str]:
    environment = os.environ | ({"NPY_DISABLE_CPU_FEATURES": features} if features else {})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_plainer_processor_gives_the_same_split() -> None:
    assert run(None) == run(FEATURES)
