import polars as pl
import pytest

from transforms.dual_view.pairing import Pair, Reject, pair_sequences
from transforms.schemas import RECORDINGS, REJECTS, SEQUENCE_INDEX


def recording(name, view, **values):
    return (
        dict.fromkeys(RECORDINGS.names)
        | {"recording_id": name, "batch_id": "one", "participant_id": "p1", "view": view}
        | {"sync_group": "g1", "file": f"{name}.mp4", "verdict": "accepted"}
        | values
    )


def pair(rows, unextracted=(), reasons=()):
    recordings = pl.DataFrame(rows, infer_schema_length=None)
    sequences = [
        dict.fromkeys(SEQUENCE_INDEX.names)
        | {key: row[key] for key in ("recording_id", "participant_id", "batch_id", "view")}
        | {"sequence_id": f"s-{row['recording_id']}", "label": "negative", "fps": 25.0}
        for row in rows
        if row["recording_id"] not in unextracted
    ]
    index = pl.DataFrame(sequences, schema=pl.DataFrame(SEQUENCE_INDEX.empty_table()).schema)
    rejects = [dict.fromkeys(REJECTS.names) | {"recording_id": a, "reason": b} for a, b in reasons]
    schema = pl.DataFrame(REJECTS.empty_table()).schema
    return pair_sequences(recordings, index, pl.DataFrame(rejects, schema=schema))


def test_a_front_and_a_side_recording_of_a_group_become_a_pair():
    pairs, rejects = pair([recording("a", "side"), recording("b", "front")])
    assert rejects == []
    (found,) = pairs
    assert isinstance(found, Pair)
    assert (found.front.sequence_id, found.side.sequence_id) == ("s-b", "s-a")
    assert found.declared_offset_s is None


def test_the_declared_offset_is_what_the_side_began_after_the_front():
    rows = [
        recording("a", "side", start_offset_s=1.75),
        recording("b", "front", start_offset_s=0.5),
    ]
    assert pair(rows)[0][0].declared_offset_s == 1.25
    rows[0]["start_offset_s"] = None
    assert pair(rows)[0][0].declared_offset_s is None


def test_other_views_of_a_group_do_no_harm():
    rows = [recording("a", "side"), recording("b", "front"), recording("c", "back")]
    assert len(pair(rows)[0]) == 1


def test_recordings_without_a_group_make_no_pair():
    rows = [recording("a", "side", sync_group=None), recording("b", "front", sync_group=None)]
    assert pair(rows) == ([], [])


@pytest.mark.parametrize(
    ("rows", "options", "code", "words"),
    [
        ([("a", "side", {})], {}, "missing_view", "no recording from the front"),
        ([("a", "side", {}), ("b", "side", {}), ("c", "front", {})], {}, "two_of_a_view", "a, b"),
        (
            [("a", "side", {}), ("b", "front", {"participant_id": "p2"})],
            {},
            "different_participants",
            "p1, p2",
        ),
        ([("a", "side", {}), ("b", "front", {"batch_id": "two"})], {}, "two_batches", "one, two"),
        (
            [("a", "side", {}), ("b", "front", {})],
            {"unextracted": ("b",), "reasons": [("b", "too dark")]},
            "not_extracted",
            "b is no sequence of the dataset: too dark",
        ),
    ],
)
def test_what_is_no_pair_says_why(rows, options, code, words):
    made = [recording(name, view, **values) for name, view, values in rows]
    pairs, rejects = pair(made, **options)
    assert pairs == []
    (reject,) = rejects
    assert isinstance(reject, Reject)
    assert (reject.sync_group, reject.stage, reject.reason_code) == ("g1", "pairing", code)
    assert words in reject.reason
