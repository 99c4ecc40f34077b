import numpy as np
import polars as pl
import pytest

from transforms.errors import InputError
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.schemas import SEQUENCES
from transforms.settings import ShardSettings
from transforms.shards.codec import BITS, GREY, binarise, decode_silhouettes
from transforms.shards.ledgers import read_ledgers
from transforms.shards.parquet import encode_shard, read_table
from transforms.shards.verify import verify_dataset
from transforms.shards.writer import write_shards

FIRST = [
    {"participant_id": "p1", "label": "positive"},
    {"participant_id": "p2", "frames": 5},
    {"participant_id": "p3", "frames": 1},
]


def _write(output, *batches, worker_count=1, previous=None, progress=None, **settings):
    output.mkdir()
    facts = write_shards(
        [batch.intake for batch in batches],
        [batch.extraction for batch in batches],
        ShardSettings(**{"sequences_per_shard": 2} | settings),
        output,
        progress=progress or NoProgress(),
        worker_count=worker_count,
        previous=previous,
    )
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return facts


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
    assert set(facts["rows"]) == set(_bytes(tmp_path / "dataset")) - {"manifest.json"}
    assert facts["rows"]["index.parquet"] == 3
    assert sorted(facts["rows"][shard["tar"]] for shard in facts["shards"]) == [1, 2]
    assert sorted(facts["libraries"]) == ["pyarrow", "zstd_output"]


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
    parts = {name for name in before if "/" in name}
    assert len(parts) == 5  # two shards in two containers, one ledger
    assert all(after[name] == before[name] for name in parts)
    assert len({name for name in after if "/" in name} - parts) == 3


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
    for previous in (None, tmp_path / "1"):
        recorder = Recorder()
        _write(tmp_path / ("2" if previous else "1"), batch, previous=previous, progress=recorder)
        assert (recorder.total, recorder.done) == (3, 3)


def _decode(row):
    shape = (row["frame_count"], row["height_px"], row["width_px"])
    return decode_silhouettes(row["silhouettes"], row["codec"], shape)


@pytest.mark.parametrize("codec", ["binary", "grey"])
def test_silhouettes_are_the_middle_of_the_extracted_ones(write_batch, tmp_path, codec):
    batch = write_batch("batch_001", FIRST)
    _write(tmp_path / "dataset", batch, codec=codec)
    extracted = pl.read_parquet(batch.extraction / "sequences.parquet").sort("sequence_id")
    written = pl.read_parquet(tmp_path / "dataset" / "sequences").sort("sequence_id")
    for before, after in zip(extracted.to_dicts(), written.to_dicts(), strict=True):
        expected = _decode(before)[:, :, 10:54]
        expected = binarise(expected) if codec == "binary" else expected
        np.testing.assert_array_equal(_decode(after), expected)


def test_ledgers_are_sorted_and_apart_by_batch(write_batch, tmp_path):
    first = write_batch("batch_001", FIRST)
    second = write_batch("batch_002", [{"participant_id": "p0"}])
    facts = _write(tmp_path / "dataset", first, second)
    assert [ledger["batch_id"] for ledger in facts["ledgers"]] == ["batch_001", "batch_002"]
    tables = [pl.read_parquet(tmp_path / "dataset" / part["frames"]) for part in facts["ledgers"]]
    assert [table["recording_id"].n_unique() for table in tables] == [3, 1]
    assert all(
        table.equals(table.sort("recording_id", "frame_index")) and table.height for table in tables
    )
    together = read_ledgers(tmp_path / "dataset")
    assert together["recording_id"][0] == "p0-s1-side"
    assert together.height == sum(table.height for table in tables)


@pytest.mark.slow  # starts processes
def test_any_number_of_workers_writes_the_same_bytes(write_batch, tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.shards.writer._TASKS_PER_WORKER", 1)
    batches = [
        write_batch("batch_001", [{"participant_id": f"p{n}", "frames": n} for n in range(12)]),
        write_batch("batch_002", [{"participant_id": "p91"}]),
    ]
    facts = [
        _write(tmp_path / str(count), *batches, worker_count=count, sequences_per_shard=1)
        for count in (1, 3)
    ]
    assert facts[0] == facts[1]
    assert _bytes(tmp_path / "1") == _bytes(tmp_path / "3")


def test_rows_of_a_table_in_any_order_give_the_same_shards(write_batch, tmp_path):
    batch = write_batch("batch_001", FIRST)
    _write(tmp_path / "one", batch)
    path = batch.extraction / "sequences.parquet"
    table = read_table(path, SEQUENCES).take([2, 0, 1])
    path.write_bytes(encode_shard(table))
    _write(tmp_path / "two", batch)
    one, two = _bytes(tmp_path / "one"), _bytes(tmp_path / "two")
    assert {k: v for k, v in one.items() if k != "manifest.json"} == {
        k: v for k, v in two.items() if k != "manifest.json"
    }


def _inodes(directory):
    return {path.stat().st_ino for path in directory.rglob("part-*")}


def test_a_previous_version_saves_its_parts(write_batch, tmp_path):
    first = write_batch("batch_001", FIRST)
    second = write_batch("batch_002", [{"participant_id": "p0"}])
    _write(tmp_path / "old", first)
    facts = _write(tmp_path / "new", first, second, previous=tmp_path / "old")
    assert facts == _write(tmp_path / "fresh", first, second)
    assert _bytes(tmp_path / "new") == _bytes(tmp_path / "fresh")
    assert _inodes(tmp_path / "old") < _inodes(tmp_path / "new")


def test_parts_are_copied_where_links_cannot_be(write_batch, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link")

    batch = write_batch("batch_001", FIRST)
    _write(tmp_path / "old", batch)
    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("transforms.shards.writer.write_shards_of", None)  # nothing is packed
    _write(tmp_path / "new", batch, previous=tmp_path / "old")
    assert _bytes(tmp_path / "new") == _bytes(tmp_path / "old")
    assert not _inodes(tmp_path / "old") & _inodes(tmp_path / "new")


def _damage_a_shard(old, batch):
    path = next((old / "sequences").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def _link_a_shard(old, batch):
    path = next((old / "webdataset").iterdir())
    path.rename(old / "elsewhere")
    path.symlink_to(old / "elsewhere")


def _remove_the_ledger(old, batch):
    next((old / "frames").iterdir()).unlink()


def _damage_the_index(old, batch):
    (old / "index.parquet").write_bytes(b"PAR1")


def _damage_the_manifest(old, batch):
    (old / "manifest.json").write_bytes(b"{")


def _name_other_files(old, batch):
    path = old / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"tar": "webdataset/', b'"tar": "../webdataset/'))


def _forget_the_sources(old, batch):
    path = old / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"source"', b'"other"'))


def _extract_again(old, batch):
    path = batch.extraction / "sequences.parquet"
    table = pl.read_parquet(path).with_columns(pl.lit(0.25).alias("quality_score"))
    path.write_bytes(encode_shard(table.to_arrow()))


@pytest.mark.parametrize(
    "change",
    [
        _damage_a_shard,
        _link_a_shard,
        _remove_the_ledger,
        _damage_the_index,
        _damage_the_manifest,
        _name_other_files,
        _forget_the_sources,
        _extract_again,
    ],
)
def test_what_is_not_sound_is_made_again(write_batch, tmp_path, change):
    batch = write_batch("batch_001", FIRST)
    _write(tmp_path / "old", batch)
    change(tmp_path / "old", batch)
    _write(tmp_path / "fresh", batch)
    _write(tmp_path / "new", batch, previous=tmp_path / "old")
    assert _bytes(tmp_path / "new") == _bytes(tmp_path / "fresh")
    assert verify_dataset(tmp_path / "new") == []


@pytest.mark.parametrize("other", [{"codec": "grey"}, {"width_px": 64}, {"compression_level": 1}])
def test_other_settings_take_nothing_over(write_batch, tmp_path, other):
    batch = write_batch("batch_001", FIRST)
    _write(tmp_path / "old", batch, **other)
    _write(tmp_path / "fresh", batch)
    _write(tmp_path / "new", batch, previous=tmp_path / "old")
    assert _bytes(tmp_path / "new") == _bytes(tmp_path / "fresh")
