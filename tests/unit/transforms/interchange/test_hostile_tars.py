"""Tars from outside given to the reader of our tar shards: all refused, nothing written or opened.

Tests of what the reader does with its own shards are with the shards.
"""

import copy
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transforms.errors import IntegrityError
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.webdataset import read_tar
from transforms.shards.writer import write_shards


@pytest.fixture
def shard(write_batch: Callable[..., Any], tmp_path: Path) -> bytes:
    """A sound tar shard of two sequences."""
    batch = write_batch(
        "batch_001", [{"participant_id": f"P{n}", "recording_id": f"r{n}"} for n in range(2)]
    )
    output = tmp_path / "dataset"
    output.mkdir()
    write_shards([batch.intake], [batch.extraction], ShardSettings(), output, progress=NoProgress())
    (path,) = (output / "webdataset").iterdir()
    return path.read_bytes()


def _read(path: Path, data: bytes) -> list[Any]:
    path.write_bytes(data)
    return [(sample.sequence_id, sample.silhouettes().shape) for sample in read_tar(path)]


def _members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]  # all are files


def _archive(members: list[tuple[tarfile.TarInfo, bytes]], kind: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    # `tarfile` fills up to its record size; a shard ends with two empty blocks.
    data = buffer.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


def _special(kind: bytes, name: str = "r0.json", target: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type = kind
    header.linkname = target
    return header


def _renamed(header: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    header = copy.copy(header)  # `TarInfo.replace` came with Python 3.11.4
    header.name = name
    return header


def _hostile(shard: bytes, canary: Path) -> dict[str, bytes]:
    whole = _members(shard)
    first, content = whole[0]
    pair = whole[:2]

    def named(name: str) -> list[tuple[tarfile.TarInfo, bytes]]:
        # The row agrees with its member, so that the name itself must be refused.
        row = content.replace(b'"sequence_id":"r0"', b'"sequence_id":' + json.dumps(name).encode())
        assert row != content
        header = _renamed(first, f"{name}.json")
        header.size = len(row)
        return [
            (header, row),
            (_renamed(pair[1][0], f"{name}.silhouettes.zst"), pair[1][1]),
        ]

    ustar, pax, gnu = tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT
    attributed = copy.copy(first)
    attributed.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.size": str(2**40)}
    sized = copy.copy(first)
    sized.pax_headers = {"size": str(2**40)}
    cases = {
        "parent": _archive(named("../r0"), ustar),
        "absolute": _archive(named(str(canary)), ustar),
        "nested": _archive(named("a/r0"), ustar),
        "backslash": _archive(named("..\\r0"), ustar),
        "dot": _archive(named("."), ustar),
        "newline": _archive(named("r\n0"), ustar),
        "case_of_suffix": _archive([(_renamed(first, "r0.JSON"), content), pair[1]], ustar),
        "symlink": _archive(
            [(_special(tarfile.SYMTYPE, target="/etc/passwd"), b""), pair[1]], ustar
        ),
        "hard_link": _archive([(_special(tarfile.LNKTYPE, target="r1.json"), b""), pair[1]], ustar),
        "character_device": _archive([(_special(tarfile.CHRTYPE), b""), pair[1]], ustar),
        "block_device": _archive([(_special(tarfile.BLKTYPE), b""), pair[1]], ustar),
        "pipe": _archive([(_special(tarfile.FIFOTYPE), b""), pair[1]], ustar),
        "folder": _archive([(_special(tarfile.DIRTYPE, "r0"), b""), *pair], ustar),
        "contiguous": _archive([(_special(tarfile.CONTTYPE), b""), pair[1]], ustar),
        "gnu_sparse": _archive([(_special(tarfile.GNUTYPE_SPARSE), b""), pair[1]], ustar),
        "pax_sparse": _archive([(attributed, content), pair[1]], pax),
        "pax_size": _archive([(sized, content), pair[1]], pax),
        "pax_long_name": _archive(named("r" * 300), pax),
        "gnu_long_name": _archive(named("r" * 300), gnu),
        "gnu_format": _archive(pair, gnu),
        "same_sequence_twice_over_another": _archive([*pair, pair[0]], ustar),
        "silhouettes_first": _archive([pair[1], pair[0]], ustar),
        "only_silhouettes": _archive([pair[1]], ustar),
        "other_member": _archive([*pair, (tarfile.TarInfo("x.sh"), b"")], ustar),
        "another_archive_behind": shard + shard,
        "bytes_behind": shard + b"x",
        "no_tar": b"PK\x03\x04" + bytes(2048),
        "empty": b"",
        "gzip": b"\x1f\x8b\x08" + bytes(1021),
    }
    return cases | _with_broken_headers(shard)


def _with_broken_headers(shard: bytes) -> dict[str, bytes]:
    """Return the shard with another size in its first header, checksum right."""
    sizes = {
        "size_4_gib": b"40000000000\0",
        "size_8_gib_less_one": b"77777777777\0",
        "size_base_256": b"\x80" + (2**40).to_bytes(11, "big"),
        "size_negative": b"\xff" * 12,
        "size_signed": b"-0000000001\0",
        "size_spaces": b"           \0",
        "size_underscore": b"0000_000001\0",
    }
    result = {}
    for name, size in sizes.items():
        block = bytearray(shard[:512])
        block[124:136] = size
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        result[name] = bytes(block) + shard[512:]
    return result


def test_a_sound_shard_is_read_also_as_these_tests_write_it(shard: bytes, tmp_path: Path) -> None:
    assert _archive(_members(shard), tarfile.USTAR_FORMAT) == shard
    assert [name for name, _ in _read(tmp_path / "sound.tar", shard)] == ["r0", "r1"]


def test_hostile_tars_are_refused_and_nothing_escapes(shard: bytes, tmp_path: Path) -> None:
    canary, folder = tmp_path / "canary", tmp_path / "folder"
    folder.mkdir()
    for name, data in _hostile(shard, canary).items():
        path = folder / f"{name}.tar"
        tracemalloc.start()
        with pytest.raises(IntegrityError, match=f"{name}.tar"):
            pytest.fail(f"{name}: read as {_read(path, data)}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * 2**20, (name, peak)
        path.unlink()
        assert os.listdir(folder) == []  # noqa: PTH208
    assert not list(tmp_path.glob("canary*"))


def test_every_cut_and_every_changed_header_byte_is_refused(shard: bytes, tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    for end in range(0, len(shard), 61):
        with pytest.raises(IntegrityError):
            pytest.fail(f"cut at {end}: {_read(path, shard[:end])}")
    for position in range(512):
        changed = bytearray(shard)
        changed[position] ^= 1
        with pytest.raises(IntegrityError):
            pytest.fail(f"byte {position}: {_read(path, bytes(changed))}")


def test_rows_that_promise_too_much_are_refused(shard: bytes, tmp_path: Path) -> None:
    (header, content), silhouettes = _members(shard)[:2]
    for wrong in (b"1000000000", b"-1", b"0", b"1e3", b'"3"', b"null", b"true"):
        changed = content.replace(b'"frame_count":3', b'"frame_count":' + wrong)
        assert changed != content
        sized = copy.copy(header)
        sized.size = len(changed)
        data = _archive([(sized, changed), silhouettes], tarfile.USTAR_FORMAT)
        tracemalloc.start()
        with pytest.raises(IntegrityError):
            pytest.fail(f"{wrong!r}: {_read(tmp_path / 'rows.tar', data)}")
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
        tracemalloc.stop()


def test_more_than_memory_holds_is_never_taken_in(shard: bytes, tmp_path: Path) -> None:
    first = _members(shard)[0][0]
    huge = copy.copy(first)
    huge.size = 6 * 2**30
    header = huge.tobuf(tarfile.USTAR_FORMAT)
    path = tmp_path / "member.tar"
    path.write_bytes(header)
    os.truncate(path, 512 + huge.size + 1024)  # holes: no disk is taken
    with pytest.raises(IntegrityError, match="too large"):
        list(read_tar(path))
    tail = tmp_path / "tail.tar"
    tail.write_bytes(shard)
    os.truncate(tail, 6 * 2**30)
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="no proper end"):
        list(read_tar(tail))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "pipe.tar"
    os.mkfifo(path)
    with pytest.raises(IntegrityError, match="no regular file"):
        list(read_tar(path))
