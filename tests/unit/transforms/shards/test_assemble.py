from dataclasses import dataclass

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.schemas import PARTICIPANTS, REJECTS
from transforms.shards.assemble import assemble_batches


def _assemble(*batches):
    return assemble_batches([b.intake for b in batches], [b.extraction for b in batches])


def test_batches_are_merged_in_order_of_their_ids(write_batch):
    second = write_batch("batch_002", [{"participant_id": "p3"}, {"participant_id": "p1"}])
    first = write_batch(
        "batch_001", [{"participant_id": "p2"}, {"participant_id": "p1", "recording_id": "p1-s0"}]
    )
    assembly = _assemble(second, first)
    assert [batch.batch_id for batch in assembly.batches] == ["batch_001", "batch_002"]
    assert assembly.sequence_ids == (("p1-s0", "p2-s1-side"), ("p1-s1-side", "p3-s1-side"))
    assert assembly.participants["participant_id"].to_list() == ["p1", "p2", "p3"]
    assert assembly.participants.columns == PARTICIPANTS.names
    assert assembly.rejects.is_empty()
    assert assembly.rejects.columns == REJECTS.names


def test_every_recording_without_a_sequence_is_accounted_for(write_batch):
    batch = write_batch(
        "batch_001",
        [
            {"participant_id": "p1"},
            {"participant_id": "p2", "verdict": "rejected"},
            {"participant_id": "p3", "verdict": "quarantined"},
        ],
    )
    assembly = _assemble(batch)
    rows = assembly.rejects.select("recording_id", "participant_id", "batch_id", "stage")
    assert rows.rows() == [
        ("p2-s1-side", "p2", "batch_001", "intake"),
        ("p3-s1-side", "p3", "batch_001", "extraction"),
    ]
    assert assembly.rejects["reason"].to_list() == [
        "p2-s1-side is too short",
        "p3-s1-side is too short",
    ]
    assert assembly.participants["participant_id"].to_list() == ["p1"]
    assert assembly.absent_participant_count == 2


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"label": "positive"}, "p1: label is 'negative' in batch_001 and 'positive' in batch_002"),
        ({"age_years": 15.0}, "p1: age_years is 14.5 in batch_001 and 15.0 in batch_002"),
    ],
)
def test_contradicting_participants_are_refused_by_name(write_batch, people, message):
    first = write_batch("batch_001", [{"participant_id": "p1"}])
    second = write_batch(
        "batch_002",
        [
            {
                "participant_id": "p1",
                "recording_id": "p1-s2",
                "label": people.get("label", "negative"),
            }
        ],
        {"p1": people},
    )
    with pytest.raises(InputError, match=message):
        _assemble(second, first)


def test_a_null_yields_to_a_value(write_batch):
    first = write_batch("batch_001", [{"participant_id": "p1"}], {"p1": {"height_cm": None}})
    second = write_batch("batch_002", [{"participant_id": "p1", "recording_id": "p1-s2"}])
    assert _assemble(first, second).participants["height_cm"].to_list() == [161.0]


def test_a_video_in_two_batches_is_kept_once_for_one_participant(write_batch):
    first = write_batch("batch_001", [{"participant_id": "p1", "video": "same"}])
    second = write_batch(
        "batch_002", [{"participant_id": "p1", "recording_id": "p1-again", "video": "same"}]
    )
    assembly = _assemble(second, first)
    assert assembly.sequence_ids == (("p1-s1-side",), ())
    assert assembly.rejects.rows() == [
        (
            "p1-again",
            "p1",
            "batch_002",
            "assembly",
            "duplicate_video",
            "the same video as recording p1-s1-side of batch_001",
        )
    ]


def test_a_video_of_two_participants_is_kept_for_neither(write_batch):
    first = write_batch("batch_001", [{"participant_id": "p1", "video": "same"}])
    second = write_batch(
        "batch_002", [{"participant_id": "p2", "video": "same"}, {"participant_id": "p3"}]
    )
    assembly = _assemble(first, second)
    assert assembly.sequence_ids == ((), ("p3-s1-side",))
    assert assembly.rejects["reason_code"].to_list() == ["conflicting_participants"] * 2
    assert assembly.rejects["reason"].unique().to_list() == [
        "the same video is filed under participants p1, p2"
    ]


def test_a_copy_counts_where_the_first_one_failed(write_batch):
    first = write_batch(
        "batch_001", [{"participant_id": "p1", "video": "same", "verdict": "rejected"}]
    )
    second = write_batch(
        "batch_002", [{"participant_id": "p1", "recording_id": "p1-again", "video": "same"}]
    )
    assembly = _assemble(first, second)
    assert assembly.sequence_ids == ((), ("p1-again",))
    assert assembly.rejects["stage"].to_list() == ["intake"]


def test_repeated_ids_are_refused_with_both_batches(write_batch):
    first = write_batch("batch_001", [{"participant_id": "p1"}])
    second = write_batch("batch_002", [{"participant_id": "p1", "video": "other"}])
    with pytest.raises(InputError, match=r"p1-s1-side: recording id .* batch_001 and batch_002"):
        _assemble(first, second)


def test_the_same_batch_twice_is_refused(write_batch):
    batch = write_batch("batch_001", [{"participant_id": "p1"}])
    with pytest.raises(InputError, match="batch_001: batch id appears twice"):
        _assemble(batch, batch)


@dataclass(frozen=True)
class _Mixed:
    intake: object
    extraction: object


def test_swapped_directories_are_refused(write_batch):
    first = write_batch("batch_001", [{"participant_id": "p1"}])
    second = write_batch("batch_002", [{"participant_id": "p2"}])
    with pytest.raises(InputError, match="tables of different batches"):
        _assemble(_Mixed(first.intake, second.extraction))


def test_an_extraction_of_another_intake_is_refused(write_batch, tmp_path):
    batch = write_batch("batch_001", [{"participant_id": "p1"}, {"participant_id": "p2"}])
    path = batch.extraction / "recordings.parquet"
    pl.read_parquet(path).head(1).write_parquet(path)
    with pytest.raises(InputError, match="extraction covers other recordings"):
        _assemble(batch)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sequence_id": "p1.s1"}, "sequence id must be"),
        ({"sequence_id": "../p1"}, "sequence id must be"),
        ({"sequence_id": "x" * 81}, "sequence id must be"),
    ],
)
def test_sequences_with_unusable_ids_are_refused(write_batch, columns, message):
    batch = write_batch("batch_001", [{"participant_id": "p1", **columns}])
    with pytest.raises(InputError, match=message):
        _assemble(batch)


def test_a_sequence_with_another_label_than_its_participant_is_refused(write_batch):
    batch = write_batch("batch_001", [{"participant_id": "p1"}], {"p1": {"label": "positive"}})
    with pytest.raises(InputError, match="another participant or label"):
        _assemble(batch)


def test_no_batch_is_refused():
    with pytest.raises(InputError, match="no batch"):
        assemble_batches([], [])


def test_batches_of_two_kinds_of_cohorts_are_refused_by_name(write_batch):
    one = write_batch("batch_001", [{"participant_id": "p1", "label": "neutral"}])
    other = write_batch("batch_002", [{"participant_id": "p2", "label": "dhs"}])
    assert _assemble(other).participants["label"].to_list() == ["dhs"]
    with pytest.raises(InputError, match="scoliosis in batch_001, spinal deformity in batch_002"):
        _assemble(one, other)
