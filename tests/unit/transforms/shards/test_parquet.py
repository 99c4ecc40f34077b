import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.errors import IntegrityError
from transforms.schemas import PARTICIPANTS, REJECTS, SEQUENCES, TRACKS
from transforms.shards.parquet import (
    ROWS_PER_GROUP,
    encode_shard,
    encode_table,
    open_shard,
    read_table,
    write_table,
)

REJECT = {
    "recording_id": "p1-s1",
    "participant_id": "p1",
    "batch_id": "b1",
    "stage": "intake",
    "reason_code": "too_short",
    "reason": "3 frames",
}


def _sequences(count: int) -> pa.Table:
    rows = [
        {
            "sequence_id": f"p{number}-s1",
            "participant_id": f"p{number}",
            "recording_id": f"p{number}-s1",
            "batch_id": "b1",
            "label": "neutral",
            "view": "side",
            "session": None,
            "sync_group": None,
            "fps": 25.0,
            "frame_count": 2,
            "height_px": 64,
            "width_px": 44,
            "codec": "bits-zstd/2",
            "frame_index": [0, 1],
            "pts_s": [0.0, 0.04],
            "quality_score": None,
            "video_sha256": None,
            "extraction_key": "k",
            "silhouettes": bytes([number]) * 100,
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SEQUENCES)


def test_table_round_trip(tmp_path):
    table = pa.Table.from_pylist([REJECT], schema=REJECTS)
    write_table(table, tmp_path / "rejects.parquet")
    assert read_table(tmp_path / "rejects.parquet", REJECTS).equals(table)


def test_shard_round_trip_in_small_row_groups(tmp_path):
    table = _sequences(2 * ROWS_PER_GROUP + 1)
    path = tmp_path / "shard.parquet"
    path.write_bytes(encode_shard(table))
    assert read_table(path, SEQUENCES).equals(table)
    assert pq.ParquetFile(path).metadata.num_row_groups == 3


def test_shard_reads_with_polars_alone(tmp_path):
    path = tmp_path / "shard.parquet"
    path.write_bytes(encode_shard(_sequences(3)))
    assert pl.read_parquet(path)["silhouettes"].to_list() == [bytes([n]) * 100 for n in range(3)]


def test_equal_tables_give_equal_bytes():
    table = _sequences(5)
    rebuilt = pa.concat_tables([table.slice(0, 2), table.slice(2)])  # other chunks, equal rows
    assert encode_shard(rebuilt) == encode_shard(table)
    assert encode_table(rebuilt.combine_chunks()) == encode_table(table)


def test_empty_table_round_trip(tmp_path):
    write_table(REJECTS.empty_table(), tmp_path / "rejects.parquet")
    assert read_table(tmp_path / "rejects.parquet", REJECTS).num_rows == 0


def test_another_schema_is_refused(tmp_path):
    write_table(REJECTS.empty_table(), tmp_path / "rejects.parquet")
    with pytest.raises(IntegrityError, match="contract"):
        read_table(tmp_path / "rejects.parquet", PARTICIPANTS)
    with pytest.raises(IntegrityError, match="contract"):
        open_shard(tmp_path / "rejects.parquet")


def test_a_table_that_polars_wrote_is_taken(tmp_path):
    pl.DataFrame([REJECT]).write_parquet(tmp_path / "rejects.parquet")
    table = read_table(tmp_path / "rejects.parquet", REJECTS, ["stage", "reason"])
    assert table.to_pylist() == [{"stage": "intake", "reason": "3 frames"}]
    assert table.schema.equals(pa.schema([REJECTS.field("stage"), REJECTS.field("reason")]))


def test_a_null_where_none_may_be_is_refused(tmp_path):
    row = REJECT | {"reason": None}
    pl.DataFrame([row], schema_overrides={"reason": pl.String}).write_parquet(
        tmp_path / "r.parquet"
    )
    with pytest.raises(IntegrityError, match="do not decode"):
        read_table(tmp_path / "r.parquet", REJECTS)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(IntegrityError, match=r"nothing\.parquet: no such file"):
        read_table(tmp_path / "nothing.parquet", REJECTS)


def test_damaged_page_is_refused(tmp_path):
    path = tmp_path / "shard.parquet"
    data = bytearray(encode_shard(_sequences(1)))
    data[bytes(data).index(bytes(100)) + 50] ^= 1  # in the middle of the stored silhouettes
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="do not decode"):
        read_table(path, SEQUENCES)


@pytest.mark.parametrize("size", [0, 3, 200])
def test_truncated_file_is_refused(tmp_path, size):
    path = tmp_path / "shard.parquet"
    path.write_bytes(encode_shard(_sequences(1))[:size])
    with pytest.raises(IntegrityError, match="not a readable Parquet file"):
        read_table(path, SEQUENCES)


def test_writer_does_not_depend_on_memory_layout():
    table = _sequences(2)
    sliced = pa.concat_tables([table, table]).slice(2)
    assert encode_shard(sliced) == encode_shard(table)
    assert np.array_equal(sliced["frame_count"].to_numpy(), [2, 2])


def test_numbers_are_stored_as_differences_and_bytes_apart(tmp_path):
    path = tmp_path / "shard.parquet"
    path.write_bytes(encode_shard(_sequences(1)))
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
    found = {column.path_in_schema: column for column in columns}
    assert "DELTA_BINARY_PACKED" in found["frame_index.list.element"].encodings
    assert "BYTE_STREAM_SPLIT" in found["pts_s.list.element"].encodings
    assert found["silhouettes"].compression == "UNCOMPRESSED"
    assert found["pts_s.list.element"].compression == "ZSTD"


def test_lists_of_lists_are_tables_too(tmp_path):
    row = dict.fromkeys(TRACKS.names, 1) | {"recording_id": "r", "role": "target"}
    row |= {"sample_frames": [3, 1], "sample_boxes": [[0.5, 1.5], []]}
    table = pa.Table.from_pylist([row], schema=TRACKS)
    write_table(table, tmp_path / "tracks.parquet")
    assert read_table(tmp_path / "tracks.parquet", TRACKS).equals(table)
    assert pl.read_parquet(tmp_path / "tracks.parquet")["sample_boxes"].to_list() == [
        [[0.5, 1.5], []]
    ]
