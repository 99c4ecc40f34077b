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
from transforms.shards.webdataset import FRAMES_SUFFIX, encode_tar, read_tar


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
        assert sample.data == row.pop("silhouettes")
        assert sample.fields == row
        np.testing.assert_array_equal(sample.silhouettes(), _pixels(codec, frames))


def test_a_table_in_chunks_gives_the_same_bytes():
    table = _table(BITS, [3, 2, 0])
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert encode_tar(chunks) == encode_tar(table)


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
    for sample, data in zip(samples, _table(BITS, [3, 2])["silhouettes"], strict=True):
        assert sample["silhouettes.zst"] == data.as_py()
        assert sample["json"]["width_px"] == 44
    gc.collect()


def test_tar_itself_reads_the_shard(shard):
    with tarfile.open(shard) as archive:
        names = archive.getnames()
        data = archive.extractfile("p1-s1" + FRAMES_SUFFIX).read()
    assert names == [f"p{n}-s1{suffix}" for n in (0, 1) for suffix in (".json", FRAMES_SUFFIX)]
    assert data == _table(BITS, [3, 2])["silhouettes"][1].as_py()


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


def test_bytes_are_those_of_the_format():
    # The tar layout is ours alone; if this changes, so do the names of all published tar shards.
    table = _table(BITS, [3, 0])
    column = pa.array([b"x" * 700, b""], pa.binary())
    table = table.set_column(
        table.schema.get_field_index("silhouettes"), SEQUENCES.field("silhouettes"), column
    )
    digest = sha256(encode_tar(table)).hexdigest()
    assert digest == "c2db57df03ce4f572f87b8e3b5a1a0af01a9f3bb95166c0197430bc49c88e9b0"


def test_every_cut_of_a_shard_is_noticed(shard):
    data = shard.read_bytes()
    whole = _read(shard)
    for size in [*np.random.default_rng(0).integers(0, len(data), 60).tolist(), len(data) - 1]:
        shard.write_bytes(data[:size])
        assert _read(shard) == "damaged"
    shard.write_bytes(data)
    assert _read(shard) == whole


def test_every_flipped_bit_is_noticed(shard):
    data = shard.read_bytes()
    whole = _read(shard)
    generator = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[generator.integers(len(data))] ^= 1 << int(generator.integers(8))
        shard.write_bytes(bytes(damaged))
        assert _read(shard) in ("damaged", whole)


def _read(path) -> object:
    try:
        return [
            (sample.fields, sample.silhouettes(where=path).tobytes()) for sample in read_tar(path)
        ]
    except IntegrityError:
        return "damaged"


def _tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for header, data in members:
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def _member(name: str, **changes: object) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.mode = 0o644
    for key, value in changes.items():
        setattr(header, key, value)
    return header


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(_member("p0-s1.pkl"), b"x")], "unexpected member"),
        ([(_member("p0-s1.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")], "member"),
        ([(_member("p0-s1.json", type=tarfile.LNKTYPE, linkname="p0-s1.pkl"), b"")], "member"),
        ([(_member("p0-s1.json", type=tarfile.CHRTYPE), b"")], "unexpected member"),
        ([(_member("p0-s1.json", type=tarfile.DIRTYPE), b"")], "unexpected member"),
        ([(_member("p0-s1.json", mtime=1), b"{}")], "unexpected member"),
        ([(_member("p0-s1.json", pax_headers={"path": "../../x"}), b"{}")], "unexpected member"),
        ([(_member("p" * 120 + ".json"), b"{}")], "unexpected member"),
        ([(_member("p0-s1.json"), b"{")], "p0-s1: the row is damaged"),
        ([(_member("p0-s1.json"), b"{}")], "p0-s1: the row is damaged"),
        ([(_member("../p0-s1.npy"), b"")], "unexpected member"),
    ],
)
def test_foreign_members_are_refused(tmp_path, members, message):
    path = tmp_path / "shard.tar"
    path.write_bytes(_tar_of(*members))
    with pytest.raises(IntegrityError, match=message):
        list(read_tar(path))


@pytest.mark.parametrize("size", [b"37777777777", b"-0000000001", b"           ", b"00000000_10"])
def test_a_size_that_cannot_be_is_refused(shard, size):
    data = shard.read_bytes()
    shard.write_bytes(data[:124] + size + data[135:])
    with pytest.raises(IntegrityError, match=r"shard\.tar"):
        list(read_tar(shard))


def test_a_size_beyond_the_file_takes_no_memory(shard):
    header = _member("p0-s1.json")
    header.size = 8**11 - 1
    shard.write_bytes(header.tobuf(tarfile.USTAR_FORMAT))
    with pytest.raises(IntegrityError, match="cut short"):
        list(read_tar(shard))


def test_a_row_under_another_name_is_refused(tmp_path, shard):
    fields, pixels = (_content(shard, suffix) for suffix in (".json", FRAMES_SUFFIX))
    path = tmp_path / "renamed.tar"
    path.write_bytes(
        _tar_of((_member("other.json"), fields), (_member("other" + FRAMES_SUFFIX), pixels))
    )
    with pytest.raises(IntegrityError, match="another sequence"):
        list(read_tar(path))


def test_silhouettes_without_their_pair_are_missed(tmp_path, shard):
    path = tmp_path / "half.tar"
    data = shard.read_bytes()
    # One member and the end of the archive, as our own writer would end it.
    stop = 512 + len(_content(shard, ".json"))
    path.write_bytes(data[: stop + -stop % 512] + bytes(1024))
    with pytest.raises(IntegrityError, match="p0-s1: no silhouettes"):
        list(read_tar(path))


def _content(shard, suffix: str) -> bytes:
    with tarfile.open(shard) as archive:
        return archive.extractfile("p0-s1" + suffix).read()
