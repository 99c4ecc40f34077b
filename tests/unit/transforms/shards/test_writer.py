import polars as pl
import pytest

from transforms.errors import InputError
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.codec import BITS, GREY
from transforms.shards.writer import write_shards

FIRST = [
    {"participant_id": "p1", "label": "positive"},
    {"participant_id": "p2", "frames": 5},
    {"participant_id": "p3", "frames": 1},
]


def _write(output, *batches, **settings):
    output.mkdir()
    return write_shards(
        [batch.intake for batch in batches],
        [batch.extraction for batch in batches],
        ShardSettings(sequences_per_shard=2, **settings),
        output,
        progress=NoProgress(),
    )


def _bytes(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_rows_and_counts_are_facts(write_batch, tmp_path):
    batch = write_batch(
        "batch_001", [*FIRST, {"participant_id": "p4", "verdict": "quarantined", "frames": 2}]
    )
    facts = _write(tmp_path / "dataset", batch)
    assert facts["counts"] == {
        "participants": 3,
        "participants_without_sequence": 1,
        "sequences": 3,
        "silhouettes": 9,
        "decoded_frames": 15,
        "rejected_recordings": 1,
    }
    assert facts["classes"] == [
        {"label": "negative", "view": "side", "participants": 2, "sequences": 2, "silhouettes": 6},
        {"label": "positive", "view": "side", "participants": 1, "sequences": 1, "silhouettes": 3},
    ]
    assert facts["rejects"] == [
        {"stage": "extraction", "reason_code": "too_short", "recordings": 1}
    ]
    assert set(facts["rows"]) == set(_bytes(tmp_path / "dataset"))
    assert facts["rows"]["index.parquet"] == 3
    assert sorted(facts["rows"][shard["tar"]] for shard in facts["shards"]) == [1, 2]
    assert list(facts["libraries"]) == ["pyarrow"]


def test_two_builds_are_byte_identical_whatever_the_order_of_batches(write_batch, tmp_path):
    first = write_batch("batch_001", FIRST)
    second = write_batch("batch_002", [{"participant_id": "p5"}])
    one = _write(tmp_path / "one", first, second)
    two = _write(tmp_path / "two", second, first)
    assert one == two
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_a_further_batch_leaves_the_shards_of_the_first_alone(write_batch, tmp_path):
    first = write_batch("batch_001", FIRST)
    second = write_batch("batch_002", [{"participant_id": "p0"}, {"participant_id": "p9"}])
    _write(tmp_path / "one", first)
    _write(tmp_path / "both", first, second)
    before, after = _bytes(tmp_path / "one"), _bytes(tmp_path / "both")
    shards = {name for name in before if "/" in name}
    assert len(shards) == 4
    assert all(after[name] == before[name] for name in shards)
    assert len({name for name in after if "/" in name} - shards) == 2


@pytest.mark.parametrize(("codec", "name"), [("binary", BITS), ("grey", GREY)])
@pytest.mark.parametrize("width", [44, 64])
def test_the_index_says_how_frames_are_stored(write_batch, tmp_path, codec, name, width):
    batch = write_batch("batch_001", FIRST)
    facts = _write(tmp_path / "dataset", batch, codec=codec, width_px=width)
    index = pl.read_parquet(tmp_path / "dataset" / "index.parquet")
    assert facts["codec"] == name
    assert index["codec"].unique().to_list() == [name]
    assert index["width_px"].unique().to_list() == [width]
    assert index["row"].to_list() == [0, 1, 0]
    assert index["sequence_id"].to_list() == ["p1-s1-side", "p2-s1-side", "p3-s1-side"]


def test_a_dataset_without_sequences_is_a_dataset(write_batch, tmp_path):
    batch = write_batch("batch_001", [{"participant_id": "p1", "verdict": "rejected"}])
    facts = _write(tmp_path / "dataset", batch)
    assert facts["counts"]["sequences"] == 0
    assert facts["shards"] == []
    assert pl.read_parquet(tmp_path / "dataset" / "index.parquet").height == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"frame_index": [1]}, "sequence is not what its row says"),
        ({"pts_s": []}, "sequence is not what its row says"),
        ({"width_px": 44}, "expected width 64"),
        ({"fps": float("nan")}, "finite"),
        ({"quality_score": float("inf")}, "finite"),
        ({"pts_s": [0.0, 0.1, float("nan")]}, "finite"),
    ],
)
def test_a_sequence_unlike_its_row_is_refused(write_batch, tmp_path, columns, message):
    batch = write_batch("batch_001", [{"participant_id": "p1", **columns}])
    with pytest.raises(InputError, match=message) as caught:
        _write(tmp_path / "dataset", batch)
    assert "batch_001, sequence p1-s1-side" in str(caught.value)


def test_progress_counts_sequences(write_batch, tmp_path):
    class Recorder:
        total, done = 0, 0

        def start(self, label, total):
            self.total = total

        def advance(self, count=1, note=""):
            self.done += count

    batch = write_batch("batch_001", FIRST)
    recorder = Recorder()
    (tmp_path / "dataset").mkdir()
    write_shards(
        [batch.intake],
        [batch.extraction],
        ShardSettings(sequences_per_shard=2),
        tmp_path / "dataset",
        progress=recorder,
    )
    assert (recorder.total, recorder.done) == (3, 3)
