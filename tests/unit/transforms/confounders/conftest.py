"""Cohorts in which it is known what carries the label."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.labels import SCOLIOSIS_LABELS
from transforms.schemas import PARTICIPANTS, SEQUENCE_INDEX, SPLIT

SHARES = {"negative": 0.5, "neutral": 0.2, "positive": 0.3}


@dataclass(frozen=True)
class Cohort:
    index: pl.DataFrame
    participants: pl.DataFrame
    split: pl.DataFrame


def typed(rows: list[dict[str, Any]], schema: Any) -> pl.DataFrame:
    empty = pl.DataFrame(schema.empty_table())
    full = [dict.fromkeys(schema.names) | row for row in rows]
    return pl.DataFrame(full, schema=empty.schema)


def make_cohort(
    count: int = 120,
    seed: int = 0,
    change: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None,
    variants: tuple[str, ...] = ("ratio_1_1_2",),
) -> Cohort:
    """Return a cohort whose columns are independent of the label, but for what `change` sets.

    Args:
        count: participants.
        seed: of everything random.
        change: label, participant with the first sequence's columns -> columns to set.
        variants: each splits the participants anew, 6 : 1 : 3.
    """
    random = np.random.default_rng(seed)
    labels = random.choice(list(SHARES), size=count, p=list(SHARES.values()))
    people, sequences = [], []
    for number, label in enumerate(labels):
        person: dict[str, Any] = {
            "participant_id": f"p{number:05}",
            "label": str(label),
            "sex": "FM"[int(random.integers(2))],
            "age_years": round(float(random.normal(14.5, 1.2)), 1),
            "height_cm": round(float(random.normal(161.0, 7.0)), 1),
            "weight_kg": round(float(random.normal(48.0, 8.0)), 1),
            "site": ["clinic", "school"][int(random.integers(2))],
        }
        clip = {"frame_count": int(random.integers(80, 121)), "fps": 25.0, "view": "side"}
        turns = int(random.integers(1, 3))
        changed = person | clip | (change(str(label), person | clip) if change else {})
        people.append({name: changed[name] for name in person})
        for turn in range(turns):
            name = f"{person['participant_id']}-{turn}"
            sequences.append(
                {name: changed[name] for name in (*clip, "participant_id", "label")}
                | {"sequence_id": name, "recording_id": name, "batch_id": "batch_001"}
                | {"height_px": 64, "width_px": 44, "codec": "bits", "extraction_key": name}
                | {"shard": "sequences/one.parquet", "row": len(sequences)}
            )
    index = typed(sequences, SEQUENCE_INDEX)
    return Cohort(index, typed(people, PARTICIPANTS), make_split(index, random, variants))


def make_split(
    index: pl.DataFrame, random: np.random.Generator, variants: tuple[str, ...]
) -> pl.DataFrame:
    ids = index["participant_id"].unique().sort()
    rows: list[dict[str, Any]] = []
    for variant in variants:
        sides = random.choice(["train", "selection", "test"], size=len(ids), p=[0.6, 0.1, 0.3])
        side_of = dict(zip(ids, (str(side) for side in sides), strict=True))
        rows += [
            {"dataset_version": "v", "protocol": "fixed_test_nested", "variant": variant}
            | {"sequence_id": sequence, "participant_id": person, "label": label}
            | {"side": side_of[person]}
            for sequence, person, label in index.select(
                "sequence_id", "participant_id", "label"
            ).iter_rows()
        ]
    return typed(rows, SPLIT)


def predict(split: pl.DataFrame, variant: str, hit: float, seed: int = 0) -> pl.DataFrame:
    """Predictions of the test side that put `hit` on the truth, with some noise between classes."""
    random = np.random.default_rng(seed)
    test = split.filter((pl.col("variant") == variant) & (pl.col("side") == "test"))
    rows = []
    for sequence, person, label in test.select(
        "sequence_id", "participant_id", "label"
    ).iter_rows():
        weights = random.uniform(0.0, 1.0, 3)
        weights[SCOLIOSIS_LABELS.index(label)] += hit
        shares = (weights / weights.sum()).tolist()
        rows.append(
            {"sequence_id": sequence, "participant_id": person, "label": label, "side": "test"}
            | {f"p_{name}": share for name, share in zip(SCOLIOSIS_LABELS, shares, strict=True)}
            | {"predicted": SCOLIOSIS_LABELS[shares.index(max(shares))]}
        )
    return pl.DataFrame(rows)


@pytest.fixture(scope="session")
def cohort() -> Callable[..., Cohort]:
    return make_cohort


@pytest.fixture(scope="session")
def predictions() -> Callable[..., pl.DataFrame]:
    return predict
