from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.interchange.sequence_list import (
    Listed,
    encode_sequence_list,
    read_sequence_list,
)


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sequences.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = {
        "b": Listed("P2", "s1", 30000 / 1001),
        "a": Listed("P1", None, 25.0),
        "c": Listed("P2"),
    }
    path = tmp_path / "sequences.csv"
    path.write_bytes(encode_sequence_list(rows))
    assert path.read_text().splitlines()[:2] == ["id,participant_id,session,fps", "a,P1,,25"]
    assert read_sequence_list(path) == (rows, [])


def test_two_columns_are_enough(tmp_path: Path) -> None:
    path = _write(tmp_path, "participant_id,id\nP1,00001\nP1,00002\n")
    assert read_sequence_list(path)[0] == {"00001": Listed("P1"), "00002": Listed("P1")}


def test_bad_rows_are_left_out_and_named(tmp_path: Path) -> None:
    text = (
        "id,participant_id,fps\n../../etc,P1,25\n/abs,P1,25\na,=cmd(),25\nb,P1,nan\nc,P1,0\n"
        "d,P1,1e3\ne,P1\nf,P1,30\nf,P2,30\ng,P3,\n"
    )
    listed, problems = read_sequence_list(_write(tmp_path, text))
    assert listed == {"g": Listed("P3")}
    assert {(problem.row, problem.code) for problem in problems} == {
        (2, "bad_id"),
        (3, "bad_id"),
        (4, "bad_id"),
        (5, "out_of_range"),
        (6, "out_of_range"),
        (7, "out_of_range"),
        (8, "wrong_field_count"),
        (10, "duplicate_id"),
    }


@pytest.mark.parametrize("text", ["", "id,session\na,s1\n", "id;participant_id\na;b\n"])
def test_an_unusable_table_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="expected a CSV file with the columns"):
        read_sequence_list(_write(tmp_path, text))


def test_a_link_is_no_table(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,participant_id\na,P1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with pytest.raises(InputError, match="a link or no regular file"):
        read_sequence_list(link)
