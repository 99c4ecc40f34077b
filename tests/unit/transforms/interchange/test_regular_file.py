import os
from pathlib import Path

import pytest

from transforms.interchange.refusal import Refused
from transforms.interchange.regular_file import read_regular_file


def _refusal(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        read_regular_file(path, max_bytes=4)
    assert str(path.parent) not in str(refused.value)
    return refused.value.fault.code


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    assert read_regular_file(tmp_path / "file", max_bytes=4) == b"1234"


def test_whatever_is_no_such_file_is_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"12345")
    (tmp_path / "empty").touch()
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 2**40)
    codes = {
        "large": "too_large",
        "sparse": "too_large",
        "empty": "empty_file",
        "link": "link",
        "pipe": "not_a_file",
        "missing": "unreadable",
        ".": "not_a_file",
    }
    for name, code in codes.items():
        assert _refusal(tmp_path / name) == code, name
    assert _refusal(Path("/dev/zero")) == "not_a_file"
