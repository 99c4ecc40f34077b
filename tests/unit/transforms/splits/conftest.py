"""Small cohorts as the tables of a dataset, without a pixel."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.manifest import write_manifest
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX, conform
from transforms.shards.parquet import write_table

# label -> sequences of each participant of that label
CohortPlan = Mapping[str, Sequence[int]]
Tables = tuple[pl.DataFrame, pl.DataFrame]


def make_tables(cohort: CohortPlan, seed: int = 0) -> Tables:
    """Return index and participants; demographics are drawn from `seed`."""
    random = np.random.default_rng(seed)
    sequences: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for label, counts in cohort.items():
        for number, count in enumerate(counts):
            person = f"{label}-{number:04}"
            people.append(
                {
                    "participant_id": person,
                    "label": label,
                    "sex": "F" if random.random() < 0.6 else "M",
                    "age_years": round(float(random.normal(14.5, 1.2)), 1),
                    "height_cm": round(float(random.normal(161.0, 7.0)), 1),
                    "weight_kg": round(float(random.normal(48.0, 8.0)), 1),
                    "site": "school",
                }
            )
            for turn in range(count):
                name = f"{person}-s{turn}"
                sequences.append(
                    dict.fromkeys(SEQUENCE_INDEX.names)
                    | {"sequence_id": name, "participant_id": person, "recording_id": name}
                    | {"batch_id": "batch_001", "label": label, "view": "side"}
                    | {"session": f"s{turn // 2}", "sync_group": f"g{turn}"}
                    | {"fps": 25.0, "frame_count": 100, "height_px": 64, "width_px": 44}
                    | {"codec": "bits", "video_sha256": f"sha of {name}", "extraction_key": name}
                    | {"shard": "sequences/one.parquet", "row": len(sequences)}
                )
    index = pl.DataFrame(sequences, schema=pl.DataFrame(SEQUENCE_INDEX.empty_table()).schema)
    participants = pl.DataFrame(people, schema=pl.DataFrame(PARTICIPANTS.empty_table()).schema)
    return index, participants


@pytest.fixture(scope="session")  # a plain function: hypothesis may call it for every example
def tables() -> Callable[..., Tables]:
    return make_tables


@pytest.fixture(scope="session")
def write_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def write(cohort: CohortPlan) -> Path:
        index, participants = make_tables(cohort)
        directory = tmp_path_factory.mktemp("shards")
        write_table(conform(index, SEQUENCE_INDEX, where="index"), directory / "index.parquet")
        write_table(
            conform(participants, PARTICIPANTS, where="people"), directory / "participants.parquet"
        )
        write_manifest(directory, kind="silhouette_shards", facts={})
        return directory

    return write


def spread(participants: int, sequences: int, most: int = 6) -> list[int]:
    """Return sequence counts of so many participants that add up, in no order of size."""
    random = np.random.default_rng(participants)
    counts = np.ones(participants, dtype=int)
    while counts.sum() < sequences:
        chosen = random.integers(participants)
        counts[chosen] += counts[chosen] < most
    return [int(count) for count in counts]


@pytest.fixture
def scoliosis1k() -> dict[str, list[int]]:
    """The shape of Scoliosis1K: 1,050 participants, 1,493 sequences."""
    return {
        "positive": spread(176, 493),
        "neutral": spread(82, 200),
        "negative": spread(792, 800),
    }


@pytest.fixture(scope="session")
def demo() -> dict[str, list[int]]:
    """The demo: 38 participants, 48 sequences."""
    return {
        "positive": spread(11, 14, 2),
        "neutral": spread(9, 11, 2),
        "negative": spread(18, 23, 2),
    }
