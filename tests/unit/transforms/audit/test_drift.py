import numpy as np
import polars as pl
import pytest

from transforms.audit.drift import ALPHA, MEASURES, MIN_PARTICIPANTS, compare_batch, measure_people
from transforms.schemas import EXTRACTED_RECORDINGS, FRAMES

LEVELS = {
    "frame_drop_fraction": (0.1, 0.02),
    "silhouette_px": (9000.0, 900.0),
    "box_height_px": (250.0, 20.0),
    "frames_per_sequence": (90.0, 9.0),
    "mask_confidence": (0.9, 0.02),
    "sharpness": (0.2, 0.05),
}


def people(count, random, first=0, **shifts):
    """Return what `measure_people` would; a shift is in standard deviations."""
    columns = {
        name: level + spread * (random.normal(size=count) + shifts.get(name, 0.0))
        for name, (level, spread) in LEVELS.items()
    }
    return pl.DataFrame({"participant_id": [f"p{first + n:04}" for n in range(count)], **columns})


def drifted(batch, others):
    return [one.measure for one in compare_batch(batch, others) if one.is_drift]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_planted_drift_is_found_and_named(measure):
    random = np.random.default_rng(1)
    batch = people(30, random, first=1000, **{measure: 3.0})
    others = people(300, random)
    found = [one for one in compare_batch(batch, others) if one.is_drift]
    assert [one.measure for one in found] == [measure]
    said = found[0].say("batch_007")
    assert "batch_007" in said
    assert measure in said


def test_batches_of_one_kind_give_at_most_the_promised_false_alarms():
    random = np.random.default_rng(2)
    trials = 600
    alarms = sum(
        bool(drifted(people(size, random, first=1000), people(80, random)))
        for size in (6, 12, 40)
        for _ in range(trials // 3)
    )
    # Twice what chance alone makes likely at ALPHA: 6 expected, more than 14 once in 1,000.
    assert alarms <= 14
    assert ALPHA * trials == 6


def test_a_difference_nobody_would_see_is_no_drift_however_large_the_batch():
    random = np.random.default_rng(3)
    batch = people(3000, random, first=10_000, sharpness=0.3)
    compared = {one.measure: one for one in compare_batch(batch, people(3000, random))}
    assert compared["sharpness"].p_value < 1e-6
    assert not compared["sharpness"].is_drift


def test_of_too_few_people_nothing_is_said():
    random = np.random.default_rng(4)
    few = people(MIN_PARTICIPANTS - 1, random, first=1000, sharpness=9.0)
    assert drifted(few, people(50, random)) == []
    assert {one.p_value for one in compare_batch(few, people(50, random))} == {None}


def test_people_of_the_batch_do_not_count_among_the_others():
    random = np.random.default_rng(5)
    batch = people(20, random)
    compared = compare_batch(batch, pl.concat([batch, people(30, random, first=1000)]))
    assert {one.cohort_participants for one in compared} == {30}


def test_a_cohort_without_spread_makes_every_distance_infinite_and_none_nothing():
    random = np.random.default_rng(6)
    flat = pl.lit(0.0).alias("frame_drop_fraction")
    others = people(40, random).with_columns(flat)
    lossy = people(40, random, first=1000)
    assert "frame_drop_fraction" in drifted(lossy, others)
    assert "frame_drop_fraction" not in drifted(lossy.with_columns(flat), others)


def table(schema, rows):
    empty = dict.fromkeys(schema.names)
    frame = pl.DataFrame(schema.empty_table()).schema
    return pl.DataFrame([empty | row for row in rows], schema=frame)


def test_people_are_measured_over_their_recordings_and_kept_frames():
    recordings = table(
        EXTRACTED_RECORDINGS,
        [
            {"recording_id": "a", "participant_id": "p1", "frame_count": 10, "kept_frame_count": 2},
            {"recording_id": "b", "participant_id": "p1", "frame_count": 10, "kept_frame_count": 8},
            {"recording_id": "c", "participant_id": "p2", "frame_count": 0, "kept_frame_count": 0},
        ],
    )
    frame = {"confidence": 0.5, "sharpness": 0.1, "y0": 10.0}
    frames = table(
        FRAMES,
        [
            frame | {"recording_id": "a", "status": "kept", "mask_px": 100, "y1": 30.0},
            frame | {"recording_id": "a", "status": "dropped", "mask_px": 9999, "y1": 9999.0},
            frame | {"recording_id": "b", "status": "kept", "mask_px": 300, "y1": 50.0},
        ],
    )
    measured = measure_people(recordings, frames)
    assert measured.to_dicts() == [
        {
            "participant_id": "p1",
            "frame_drop_fraction": pytest.approx(0.5),
            "silhouette_px": 200.0,
            "box_height_px": 30.0,
            "frames_per_sequence": 5.0,
            "mask_confidence": pytest.approx(0.5),
            "sharpness": pytest.approx(0.1),
        }
    ]
