import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from transforms.release.damage import find_hit_sequences
from transforms.schemas import SEQUENCES
from transforms.shards.parquet import read_table
from transforms.shards.webdataset import encode_tar

IDS = tuple(f"p0000000{number}-s1-side" for number in range(6))


@pytest.fixture
def shards(write_batch, tmp_path):
    """One shard of six sequences, two row groups, as Parquet and as tar."""
    recordings = [
        {"participant_id": name.split("-")[0], "frames": 2 + number}
        for number, name in enumerate(IDS)
    ]
    parquet = write_batch("batch_001", recordings).extraction / "sequences.parquet"
    tar = tmp_path / "sequences.tar"
    tar.write_bytes(encode_tar(read_table(parquet, SEQUENCES)))
    return {"parquet": parquet, "tar": tar}


def _spans(path):
    """Return `(start, end, sequences that bytes there belong to)`, the narrowest last."""
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            return [
                (m.offset, m.offset_data + m.size + -m.size % 512, {m.name.split(".")[0]})
                for m in tar
            ]
    whole, spans, row = path.read_bytes(), [], 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            ids = set(IDS[row : row + group.num_rows])
            row += group.num_rows
            for column in range(group.num_columns):
                chunk = group.column(column)
                start = chunk.data_page_offset
                spans.append((start, start + chunk.total_compressed_size, ids))
        for name, data in zip(IDS, file.read()["silhouettes"].to_pylist(), strict=True):
            start = whole.index(data)
            spans.append((start, start + len(data), {name}))
    return spans


def _owners(spans, position):
    return next((ids for start, end, ids in reversed(spans) if start <= position < end), set(IDS))


@pytest.mark.parametrize("container", ["parquet", "tar"])
def test_a_flipped_bit_is_traced_to_the_sequence_that_holds_it(shards, container):
    path = shards[container]
    whole, spans = path.read_bytes(), _spans(path)
    generator = np.random.default_rng(0)
    exact = 0
    for position in generator.integers(len(whole), size=150).tolist():
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(flipped))
        owners, named = _owners(spans, position), set(find_hit_sequences(path, IDS))
        assert named == owners, position
        exact += len(owners) == 1
    assert exact > 100


def test_a_cut_tar_has_lost_what_comes_after_the_cut(shards):
    path = shards["tar"]
    whole, spans = path.read_bytes(), _spans(path)
    for cut in range(0, len(whole), 1777):
        path.write_bytes(whole[:cut])
        lost = {name for start, end, ids in spans if end > cut for name in ids}
        # A cut in the end blocks takes no sequence with it: then the file does not say.
        assert set(find_hit_sequences(path, IDS)) == (lost or set(IDS)), cut


def test_a_cut_parquet_file_has_lost_all(shards):
    path = shards["parquet"]
    path.write_bytes(path.read_bytes()[:-1])
    assert find_hit_sequences(path, IDS) == IDS


@pytest.mark.parametrize("container", ["parquet", "tar"])
@pytest.mark.parametrize("content", [b"", b"PAR1", bytes(4096)])
def test_nonsense_in_place_of_a_shard_concerns_all_sequences(shards, container, content):
    shards[container].write_bytes(content)
    assert find_hit_sequences(shards[container], IDS) == IDS


def test_two_damaged_neighbours_in_a_tar_do_not_hide_each_other(shards):
    path = shards["tar"]
    flipped = bytearray(path.read_bytes())
    for start, _, ids in _spans(path):
        if ids <= {IDS[1], IDS[2], IDS[4]}:
            flipped[start] ^= 1  # in the header: of each member
    path.write_bytes(bytes(flipped))
    assert find_hit_sequences(path, IDS) == (IDS[1], IDS[2], IDS[4])
