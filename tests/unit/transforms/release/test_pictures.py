import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.release.pictures import find_pictures, name_kind

STARTS = {
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00",
    "GIF": b"GIF89a",
    "WebP": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "TIFF": b"II*\x00\x08\x00",
    "MP4": b"\x00\x00\x00\x20ftypisom",
    "Matroska": b"\x1a\x45\xdf\xa3\x01",
    "AVI": b"RIFF\x00\x00\x00\x00AVI LIST",
    "H.264": b"\x00\x00\x00\x01\x67\x42",
    "MPEG": b"\x00\x00\x01\xba\x44",
}


@pytest.mark.parametrize("kind", STARTS)
def test_pictures_and_videos_are_known_by_how_they_begin(kind, tmp_path):
    (tmp_path / "notes.txt").write_bytes(STARTS[kind])
    (problem,) = find_pictures(tmp_path)
    assert problem.startswith("notes.txt: ")
    assert kind in problem


def test_what_a_release_holds_is_none(tmp_path):
    assert name_kind(b"\x28\xb5\x2f\xfd\x24\x00") is None  # zstd
    assert name_kind(b"") is None
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert find_pictures(tmp_path) == []


def test_pictures_in_a_column_are_found_also_in_lists_and_late_rows(tmp_path):
    harmless = [b"\x28\xb5\x2f\xfd" + bytes([n]) for n in range(9)]
    plain = pa.table({"id": [str(n) for n in range(10)], "data": [*harmless, STARTS["JPEG"]]})
    pq.write_table(plain, tmp_path / "plain.parquet", row_group_size=2)
    lists = pa.table({"frames": pa.array([[], [b"x"], None, [b"y", STARTS["PNG"]]])})
    pq.write_table(lists, tmp_path / "lists.parquet")
    clean = pa.table({"data": harmless, "words": ["ftyp"] * 9})
    pq.write_table(clean, tmp_path / "clean.parquet")
    assert find_pictures(tmp_path) == [
        "lists.parquet: column frames holds a PNG picture",
        "plain.parquet: column data holds a JPEG picture",
    ]


def test_pictures_in_an_archive_are_found_without_unpacking_it(tmp_path):
    with tarfile.open(tmp_path / "part.tar", "w") as archive:
        for name, data in (("a.json", b"{}"), ("../a.zst", STARTS["JPEG"])):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert find_pictures(tmp_path) == ["part.tar: member ../a.zst is a JPEG picture"]
    assert [path.name for path in tmp_path.iterdir()] == ["part.tar"]
