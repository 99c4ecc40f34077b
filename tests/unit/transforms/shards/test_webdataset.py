import gc
import io
import tarfile
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest

from transforms.errors import IntegrityError
from transforms.schemas import SEQUENCES
from transforms.shards.codec import BITS, GREY, encode_silhouettes
from transforms.shards.webdataset import ARRAY_SUFFIX, encode_tar, read_tar


def _pixels(codec: str, frames: int) -> np.ndarray:
    pixels = np.random.default_rng(frames).integers(0, 256, (frames, 64, 44), dtype=np.uint8)
    return np.where(pixels > 99, 255, 0).astype(np.uint8) if codec == BITS else pixels


def _table(codec: str, lengths: list[int]) -> pa.Table:
    rows = [
        {
            "sequence_id": f"p{number}-s1",
            "participant_id": f"p{number}",
            "recording_id": f"p{number}-s1",
            "batch_id": "b1",
            "label": "neutral",
            "view": "side",
            "session": None,
            "sync_group": "g",
            "fps": 29.97,
            "frame_count": frames,
            "height_px": 64,
            "width_px": 44,
            "codec": codec,
            "frame_index": list(range(frames)),
            "pts_s": [index / 29.97 for index in range(frames)],
            "quality_score": 1 / 3,
            "video_sha256": None,
            "extraction_key": "k",
            "silhouettes": encode_silhouettes(_pixels(codec, frames), codec, 3),
        }
        for number, frames in enumerate(lengths)
    ]
    return pa.Table.from_pylist(rows, schema=SEQUENCES)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "shard.tar"
    path.write_bytes(encode_tar(_table(BITS, [3, 2])))
    return path


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_round_trip(tmp_path, codec):
    lengths = [0, 1, 40]
    table = _table(codec, lengths)
    path = tmp_path / "shard.tar"
    path.write_bytes(encode_tar(table))
    samples = list(read_tar(path))
    assert [sample.sequence_id for sample in samples] == ["p0-s1", "p1-s1", "p2-s1"]
    for sample, row, frames in zip(samples, table.to_pylist(), lengths, strict=True):
        del row["silhouettes"]
        assert sample.fields == row
        np.testing.assert_array_equal(sample.silhouettes(), _pixels(codec, frames))


@pytest.mark.slow  # importing webdataset loads torch
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # it leaves files open
def test_the_webdataset_library_reads_the_shard(shard):
    webdataset = pytest.importorskip("webdataset")
    samples = list(
        webdataset.WebDataset(str(shard), shardshuffle=False, empty_check=False).decode()
    )
    assert [sample["__key__"] for sample in samples] == ["p0-s1", "p1-s1"]
    for sample in samples:
        width = sample["json"]["width_px"]
        unpacked = np.unpackbits(sample["silhouettes.npy"], axis=-1, count=width) * np.uint8(255)
        np.testing.assert_array_equal(unpacked, _pixels(BITS, sample["json"]["frame_count"]))
    gc.collect()


def test_array_is_what_numpy_itself_would_write():
    data = encode_tar(_table(GREY, [3]))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        stored = archive.extractfile("p0-s1" + ARRAY_SUFFIX).read()
    found = np.load(io.BytesIO(stored), allow_pickle=False)
    np.testing.assert_array_equal(found, _pixels(GREY, 3))
    assert (stored.index(b"\n") + 1) % 64 == 0


def test_headers_carry_neither_clock_nor_owner(shard):
    with tarfile.open(shard) as archive:
        members = archive.getmembers()
    assert len(members) == 4
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (
            0,
            0,
            0,
            "",
            "",
        )
        assert member.mode == 0o644
        assert not member.name.endswith((".pyd", ".pkl", ".pickle"))


def test_bytes_are_those_of_the_first_release():
    # The tar layout is ours alone; if this changes, so do the names of all published tar shards.
    digest = sha256(encode_tar(_table(BITS, [3, 0]))).hexdigest()
    assert digest == "bdd57544e7787d5e4e176fa2a5bf29d09afdd0c2cad21c5a92685096735d2f6a"


def test_every_cut_of_a_shard_is_noticed(shard):
    data = shard.read_bytes()
    whole = _read_ids(shard)
    assert whole == ["p0-s1", "p1-s1"]
    generator = np.random.default_rng(0)
    # Behind the last member only zero padding is left; the manifest's size covers that.
    end = len(data.rstrip(b"\0"))
    for size in generator.integers(1, end, 60):
        shard.write_bytes(data[:size])
        assert _read_ids(shard) != whole


def _read_ids(path) -> list[str]:
    try:
        return [sample.sequence_id for sample in read_tar(path)]
    except IntegrityError:
        return ["damaged"]


def _tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for header, data in members:
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def _link() -> tarfile.TarInfo:
    header = tarfile.TarInfo("p0-s1.json")
    header.type, header.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return header


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(tarfile.TarInfo("p0-s1.pkl"), b"x")], "unexpected member"),
        ([(_link(), b"")], "unexpected member"),
        ([(tarfile.TarInfo("p0-s1.json"), b"{")], "p0-s1: the row does not decode"),
        ([(tarfile.TarInfo("p0-s1.json"), b"[" * 100_000)], "the row does not decode"),
        ([(tarfile.TarInfo("p0-s1.json"), b"{}")], "columns differ"),
        ([(tarfile.TarInfo("../p0-s1.npy"), b"")], "unexpected member"),
    ],
)
def test_foreign_members_are_refused(tmp_path, members, message):
    path = tmp_path / "shard.tar"
    path.write_bytes(_tar_of(*members))
    with pytest.raises(IntegrityError, match=message):
        list(read_tar(path))


def test_an_array_header_that_claims_terabytes_is_refused(shard):
    data = shard.read_bytes()
    assert b"(3, 64, 6), }         " in data
    shard.write_bytes(data.replace(b"(3, 64, 6), }         ", b"(999999999, 64, 6), } ", 1))
    with pytest.raises(IntegrityError, match="p0-s1"):
        list(read_tar(shard))


def test_silhouettes_without_their_pair_are_missed(tmp_path, shard):
    with tarfile.open(shard) as archive:
        member = archive.getmember("p0-s1.json")
        fields = archive.extractfile(member).read()
    path = tmp_path / "half.tar"
    path.write_bytes(_tar_of((tarfile.TarInfo("p0-s1.json"), fields)))
    with pytest.raises(IntegrityError, match="p0-s1: no silhouettes"):
        list(read_tar(path))
