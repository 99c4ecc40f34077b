import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.dual_view.files import RGB_INDEX_NAME
from transforms.dual_view.rgb_shards import (
    RgbClips,
    checksum,
    decode_pictures,
    encode_picture,
    read_jpeg_size,
    write_rgb_shard,
)
from transforms.errors import InputError, IntegrityError
from transforms.schemas import RGB_INDEX, conform
from transforms.shards.parquet import write_table

SIZE = 48


def draw(number):
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return np.stack([y * 4 + number, x * 4, (x + y) * 2], axis=2).astype(np.uint8)


@pytest.fixture
def shards(tmp_path):
    """Six rows in one shard: two views of three clips, of two pictures each."""
    rows = [
        {
            "clip_id": f"c{number}",
            "view": view,
            "frame_index": [3, 6],
            "size_px": SIZE,
            "pictures": [encode_picture(draw(number + place + len(view)), 90) for place in (0, 1)],
        }
        for number in range(3)
        for view in ("front", "side")
    ]
    name = write_rgb_shard(rows, tmp_path)
    write_index(tmp_path, [(row["clip_id"], row["view"], name, n) for n, row in enumerate(rows)])
    return tmp_path, rows, name


def write_index(directory, rows):
    table = pl.DataFrame(rows, schema=RGB_INDEX.names, orient="row")
    write_table(conform(table, RGB_INDEX, where="index"), directory / RGB_INDEX_NAME)


def test_pictures_come_back_as_they_were_up_to_jpeg(shards):
    directory, _, _ = shards
    clips = RgbClips(directory)
    for number in range(3):
        for view in ("front", "side"):
            frames = clips.read(f"c{number}", view)
            assert frames.shape == (2, SIZE, SIZE, 3)
            for place in (0, 1):
                expected = draw(number + place + len(view)).astype(int)
                assert np.abs(frames[place] - expected).mean() < 3


def test_the_name_of_a_shard_follows_from_its_content(shards, tmp_path):
    directory, rows, name = shards
    other = tmp_path / "other"
    other.mkdir()
    assert write_rgb_shard(rows, other) == name
    assert (other / name).read_bytes() == (directory / name).read_bytes()
    assert write_rgb_shard(rows[1:], other) != name


def test_a_clip_that_is_not_there_and_a_directory_without_pictures_say_so(shards, tmp_path):
    with pytest.raises(InputError, match="no pictures of this clip"):
        RgbClips(shards[0]).read("c9", "front")
    with pytest.raises(InputError, match=r"clips\.rgb"):
        RgbClips(tmp_path / "none")


def test_a_damaged_shard_never_yields_a_picture(shards):
    directory, rows, name = shards
    path = directory / name
    data = bytearray(path.read_bytes())
    place = bytes(data).index(rows[0]["pictures"][1]) + 400
    data[place] ^= 0x20
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        RgbClips(directory).read("c0", "front")


def test_pictures_that_were_exchanged_are_noticed(shards):
    _, rows, _ = shards
    pictures = rows[0]["pictures"]
    with pytest.raises(IntegrityError, match="damaged"):
        decode_pictures(pictures[::-1], SIZE, checksum(pictures), where="w")
    # Where one ends and the next begins counts as well.
    joined = [pictures[0] + pictures[1], b""]
    assert checksum(joined) != checksum(pictures)


def test_an_index_that_points_elsewhere_is_refused(shards):
    directory, _, name = shards
    write_index(directory, [("c0", "front", name, 1), ("c0", "side", "../secret.parquet", 0)])
    clips = RgbClips(directory)
    with pytest.raises(IntegrityError, match="names another row"):
        clips.read("c0", "front")
    with pytest.raises(IntegrityError, match="no such shard"):
        clips.read("c0", "side")
    write_index(directory, [("c0", "front", name, 99), ("c0", "side", name, -1)])
    for view in ("front", "side"):
        with pytest.raises(IntegrityError):
            RgbClips(directory).read("c0", view)


def test_a_picture_that_claims_another_size_is_not_decoded(shards):
    _, rows, _ = shards
    honest = rows[0]["pictures"][0]
    place = honest.index(b"\xff\xc0") + 5
    huge = honest[:place] + b"\xff\xff\xff\xff" + honest[place + 4 :]
    assert read_jpeg_size(honest) == (SIZE, SIZE)
    assert read_jpeg_size(huge) == (65535, 65535)
    for data in (huge, b"\xff\xd8\xff", b"", b"\x89PNG\r\n\x1a\n" + honest, honest[:place]):
        with pytest.raises(IntegrityError, match="picture"):
            decode_pictures([data], SIZE, checksum([data]), where="w")


@pytest.mark.parametrize(
    ("pictures", "size"), [([], SIZE), ([b"x"] * 257, SIZE), ([b"x"], 0), ([b"x"], 4096)]
)
def test_claims_beyond_any_clip_of_ours_are_refused(pictures, size):
    with pytest.raises(IntegrityError, match="no clip of ours"):
        decode_pictures(pictures, size, checksum(pictures), where="w")


def test_random_bytes_never_crash_the_reading_of_a_header():
    rng = np.random.default_rng(1)
    for _ in range(300):
        data = b"\xff\xd8\xff" + rng.integers(0, 256, 40, dtype=np.uint8).tobytes()
        read_jpeg_size(data)


@pytest.mark.parametrize("column", ["pictures", "size_px", "checksum"])
def test_a_row_that_lacks_a_value_is_refused(shards, column):
    directory, _, name = shards
    table = pq.read_table(directory / name)
    nothing = pa.nulls(table.num_rows, table.schema.field(column).type)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, nothing), directory / name, row_group_size=4)
    with pytest.raises(IntegrityError):
        RgbClips(directory).read("c0", "front")


def test_row_groups_are_small(shards):
    directory, _, name = shards
    with pq.ParquetFile(directory / name) as file:
        assert file.metadata.row_group(0).num_rows == 4
