"""Look for pictures and videos of people in what is to be released, whatever a file is called.

Names are judged in `transforms.release.privacy`; here the bytes are: whole files, members of tar
archives and the binary values of Parquet tables are known by how they begin.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.dual_view.files import RESTRICTED_FOLDER
from transforms.manifest import list_files

_LOOKED_AT: Final = 16
_KINDS: Final = {
    "a JPEG picture": (0, b"\xff\xd8\xff"),
    "a PNG picture": (0, b"\x89PNG\r\n\x1a\n"),
    "a GIF picture": (0, b"GIF8"),
    "a WebP picture": (8, b"WEBP"),
    "a TIFF picture": (0, b"II*\x00"),
    "an MP4 video or HEIF picture": (4, b"ftyp"),
    "a Matroska video": (0, b"\x1a\x45\xdf\xa3"),
    "an AVI video": (8, b"AVI "),
    "an H.264 stream": (0, b"\x00\x00\x00\x01\x67"),
    "an MPEG stream": (0, b"\x00\x00\x01\xba"),
}


def find_pictures(directory: Path) -> list[str]:
    """Return every file that is, or holds, a picture or video, or lies in a restricted folder.

    What cannot be read as what its name says is left to those who verify.
    """
    found = []
    for path in list_files(directory):
        name = path.relative_to(directory).as_posix()
        if RESTRICTED_FOLDER in path.relative_to(directory).parts[:-1]:
            found.append(f"{name}: lies in a folder that is {RESTRICTED_FOLDER}")
        elif path.is_file() and not path.is_symlink():
            found += [f"{name}: {what}" for what in _look_into(path)]
    return found


def name_kind(data: bytes) -> str | None:
    """Return what kind of picture or video begins like this, None where none does."""
    for kind, (place, magic) in _KINDS.items():
        if data[place : place + len(magic)] == magic:
            return kind
    return None


def _look_into(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        if kind := name_kind(file.read(_LOOKED_AT)):
            yield kind
            return
    if path.suffix == ".parquet":
        yield from _look_into_table(path)
    elif path.suffix == ".tar":
        yield from _look_into_archive(path)


def _look_into_table(path: Path) -> Iterator[str]:
    """Yield, for each column with pictures, what the first of them is."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for field in file.schema_arrow:
                if _holds_bytes(field.type) and (kind := _find_kind(file, field.name)):
                    yield f"column {field.name} holds {kind}"
    except (OSError, ValueError):
        return


def _find_kind(file: pq.ParquetFile, column: str) -> str | None:
    for group in range(file.num_row_groups):
        values = file.read_row_group(group, columns=[column], use_threads=False).column(0)
        for chunk in values.chunks:
            leaf: Any = chunk  # `Any`: pyarrow's stubs know no arrays of lists
            while pa.types.is_list(leaf.type) or pa.types.is_large_list(leaf.type):
                leaf = leaf.flatten()
            starts = pc.binary_slice(leaf.cast(pa.large_binary()), 0, _LOOKED_AT)
            for start in starts.unique().to_pylist():
                if start is not None and (kind := name_kind(start)):
                    return kind
    return None


def _holds_bytes(kind: pa.DataType) -> bool:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return any(
        judge(kind)
        for judge in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def _look_into_archive(path: Path) -> Iterator[str]:
    """Yield what members are pictures; nothing is unpacked."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                data = archive.extractfile(member) if member.isreg() else None
                if data is not None and (kind := name_kind(data.read(_LOOKED_AT))):
                    yield f"member {member.name[:80]} is {kind}"
    except (OSError, tarfile.TarError):
        return
