"""CSV files from outside: every bad cell is named, and a hopeless file says why."""

import codecs
from pathlib import Path

import pytest

from transforms.intake import tables
from transforms.intake.tables import (
    PARTICIPANT_COLUMNS,
    RECORDING_COLUMNS,
    TextTable,
    check_cells,
    read_table,
)

HEADER = "participant_id,label,sex,age_years,height_cm,weight_kg"


def _read(tmp_path: Path, content: str | bytes) -> TextTable:
    path = tmp_path / "participants.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, PARTICIPANT_COLUMNS)


def _cell_codes(table: TextTable) -> list[tuple[int | None, str | None, str]]:
    found = check_cells(table, PARTICIPANT_COLUMNS)
    return sorted((problem.row or 0, problem.column, problem.code) for problem in found)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_sound_table_is_read(tmp_path: Path, ending: str, mark: bytes) -> None:
    text = f"{HEADER}\nP1 , negative,F,14,160,50\n\nP2,neutral,,,,\n".replace("\n", ending)
    table = _read(tmp_path, mark + text.encode())
    assert table.faults == ()
    assert table.problems == ()
    assert table.frame.select("participant_id", "label", "site", "line").rows() == [
        ("P1", "negative", "", 2),
        ("P2", "neutral", "", 4),
    ]
    assert _cell_codes(table) == []


def test_every_bad_cell_of_every_row_is_named_at_once(tmp_path: Path) -> None:
    table = _read(
        tmp_path,
        f"{HEADER}\n"
        "P1,healthy,female,12;5,900,-1\n"
        ",,M,0,nan,1e9\n"
        "=cmd(),negative,M,121,160,50\n"
        "anna,POSITIVE,F,120,50,300\n",
    )
    assert _cell_codes(table) == [
        (2, "age_years", "not_a_number"),
        (2, "height_cm", "out_of_range"),
        (2, "label", "unknown_label"),
        (2, "sex", "unknown_sex"),
        (2, "weight_kg", "out_of_range"),
        (3, "age_years", "out_of_range"),
        (3, "height_cm", "not_a_number"),
        (3, "label", "missing_value"),
        (3, "participant_id", "missing_value"),
        (3, "weight_kg", "not_a_number"),
        (4, "age_years", "out_of_range"),
        (4, "participant_id", "bad_id"),
        (4, "participant_id", "id_without_digit"),
        (5, "participant_id", "id_without_digit"),
    ]


def test_a_problem_says_what_was_found_and_what_is_expected(tmp_path: Path) -> None:
    table = _read(tmp_path, f"{HEADER}\nP1,=1+1,F,14,160,50\n")
    (problem,) = check_cells(table, PARTICIPANT_COLUMNS)
    assert problem.file == "participants.csv"
    assert problem.row == 2
    assert problem.value == "'=1+1"
    assert problem.expected == "negative or neutral or positive"
    assert problem.severity == "error"


def test_lines_are_counted_across_quoted_line_breaks(tmp_path: Path) -> None:
    table = _read(tmp_path, f'{HEADER}\n"P\n1",negative,F,1,60,9\nP2,nix,F,1,60,9\n')
    assert _cell_codes(table) == [(2, "participant_id", "bad_id"), (4, "label", "unknown_label")]


def test_a_row_with_the_wrong_number_of_fields_is_refused_once(tmp_path: Path) -> None:
    table = _read(tmp_path, f"{HEADER}\nP1,nix\nP2,negative,F,14,160,50,7,8\n")
    found = [(problem.row, problem.code, problem.value) for problem in table.problems]
    assert found == [(2, "wrong_field_count", "2"), (3, "wrong_field_count", "8")]
    assert table.frame["participant_id"].to_list() == ["P1", "P2"]
    assert _cell_codes(table) == []


def test_an_unknown_column_is_left_out_with_a_warning(tmp_path: Path) -> None:
    table = _read(tmp_path, f"{HEADER},name\nP1,negative,F,14,160,50,Anna\n")
    (problem,) = table.problems
    assert (problem.code, problem.severity, problem.column) == ("unknown_column", "warning", "name")
    assert "name" not in table.frame.columns
    assert "Anna" not in str(table.problems)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("", ["no header line"]),
        ("label,sex\n", ["missing column participant_id", "missing column age_years"]),
        ("participant_id;label;sex\n", ["separated by commas"]),
        (f"{HEADER},label\n", ["column label appears 2 times"]),
        (f"{HEADER}\nP1,n\xe4".encode("latin-1"), ["line 2: not UTF-8"]),
        (HEADER.encode("utf-16"), ["line 1: not UTF-8"]),
        (f'{HEADER}\n"P1,negative\n', ["not valid CSV"]),
        (f'{HEADER}\n"P1"x,negative\n', ["line 2: not valid CSV"]),
        (f"{HEADER}\n{'x' * 200_000}", ["not valid CSV"]),
    ],
)
def test_a_hopeless_table_names_its_faults(
    tmp_path: Path, content: str | bytes, faults: list[str]
) -> None:
    table = _read(tmp_path, content)
    assert table.frame.height == 0
    for fault in faults:
        assert any(fault in found for found in table.faults), table.faults
    assert all(found.startswith("participants.csv: ") for found in table.faults)


def test_limits_on_size_and_rows_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = f"{HEADER}\n" + "P1,negative,F,14,160,50\n" * 3
    monkeypatch.setattr(tables, "_MAX_ROWS", 2)
    assert _read(tmp_path, content).faults == ("participants.csv: over 2 rows",)
    monkeypatch.setattr(tables, "_MAX_TABLE_BYTES", 64)
    assert "larger than" in _read(tmp_path, content).faults[0]


@pytest.mark.parametrize("kind", ["missing", "folder", "link"])
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "recordings.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/zero")
    (fault,) = read_table(path, RECORDING_COLUMNS).faults
    assert "expected a CSV file" in fault


@pytest.mark.parametrize("view", ["side", "oblique_2"])
def test_views_are_lower_case_words(tmp_path: Path, view: str) -> None:
    path = tmp_path / "recordings.csv"
    rows = f"R1,P1,{view},a.mp4\nR2,P1,{view.upper()},a.mp4\n"
    path.write_text(f"recording_id,participant_id,view,file\n{rows}")
    (problem,) = check_cells(read_table(path, RECORDING_COLUMNS), RECORDING_COLUMNS)
    assert (problem.row, problem.code) == (3, "bad_view")


def test_start_offsets_are_seconds_of_at_most_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "recordings.csv"
    cells = ("-3600", "3600.0", "0.041667", "", "3600.1", "-3601", "0,5", "1e3", "nan", "0.1s")
    rows = "".join(f'R{n},P1,side,a.mp4,"{cell}"\n' for n, cell in enumerate(cells))
    path.write_text(f"recording_id,participant_id,view,file,start_offset_s\n{rows}")
    problems = check_cells(read_table(path, RECORDING_COLUMNS), RECORDING_COLUMNS)
    assert {(problem.row, problem.code) for problem in problems} == {
        (6, "out_of_range"),
        (7, "out_of_range"),
        *((row, "not_a_number") for row in (8, 9, 10, 11)),
    }
