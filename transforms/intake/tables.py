"""A batch's CSV files as text: read within limits and held against the contract of each column.

What two rows or two tables say together is judged in `rules`.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import InputError
from transforms.intake.problems import Problem, show_value
from transforms.labels import SCHEMES, SCOLIOSIS, LabelScheme, parse_label

LINE: Final = "line"
"""The extra column that holds the line on which a row begins; no CSV column may use its name."""

_MAX_TABLE_BYTES: Final = 32 * 2**20
_MAX_ROWS: Final = 100_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class CellRule:
    """What the text of one cell must satisfy; cells that are empty are not asked."""

    code: str
    expected: str
    accepts: Callable[[str], bool]


@dataclass(frozen=True)
class ColumnContract:
    """One column: whether the table needs it, whether its cells may be empty, and their rules."""

    name: str
    is_needed: bool
    may_be_empty: bool
    rules: tuple[CellRule, ...]


@dataclass(frozen=True)
class TextTable:
    """A CSV file as read: every cell as stripped text.

    Attributes:
        file: the file's name.
        frame: the contract's columns as text (absent optional ones are empty) and `line`.
        problems: what is wrong with single rows and columns.
        faults: why the table as a whole can't be used; then `frame` is empty.
    """

    file: str
    frame: pl.DataFrame
    problems: tuple[Problem, ...] = ()
    faults: tuple[str, ...] = ()


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _is_label_of(scheme: LabelScheme) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            parse_label(text, scheme=scheme)
        except InputError:
            return False
        return True

    return accepts


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _number_between(low: float, high: float) -> tuple[CellRule, CellRule]:
    def accepts(text: str) -> bool:
        return not _is_number(text) or low <= float(text) <= high

    return (
        CellRule("not_a_number", "a decimal number such as 14.5", _is_number),
        CellRule("out_of_range", f"{low:g} to {high:g}", accepts),
    )


def _id_rule(longest: int) -> CellRule:
    return CellRule(
        "bad_id",
        f"1 to {longest} letters (a-z), digits, - or _, not beginning with - or _",
        _matches(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{longest - 1}}}"),
    )


_PSEUDONYM: Final = CellRule(
    "id_without_digit",
    "a pseudonym such as P0042; an id of letters only may be a name",
    lambda text: any(character.isdigit() for character in text),
)


def participant_columns(scheme: LabelScheme) -> tuple[ColumnContract, ...]:
    """Return the contract of `participants.csv` of a cohort with these labels."""
    diagnoses = " or ".join(scheme.diagnoses)
    return (
        ColumnContract("participant_id", True, False, (_id_rule(32), _PSEUDONYM)),
        ColumnContract(
            "label", True, False, (CellRule("unknown_label", diagnoses, _is_label_of(scheme)),)
        ),
        ColumnContract(
            "sex", True, True, (CellRule("unknown_sex", "F, M or empty", _matches("[FM]")),)
        ),
        ColumnContract("age_years", True, True, _number_between(1, 120)),
        ColumnContract("height_cm", True, True, _number_between(50, 250)),
        ColumnContract("weight_kg", True, True, _number_between(5, 300)),
        ColumnContract("site", False, True, (_id_rule(32),)),
    )


PARTICIPANT_COLUMNS: Final = participant_columns(SCOLIOSIS)
"""The same columns hold any labels; of a cohort without a known one, scoliosis is expected."""

RECORDING_COLUMNS: Final = (
    ColumnContract("recording_id", True, False, (_id_rule(64),)),
    ColumnContract("participant_id", True, False, (_id_rule(32),)),
    ColumnContract("file", True, False, ()),
    ColumnContract(
        "view",
        True,
        False,
        (
            CellRule(
                "bad_view",
                "front, side or another word of lower case letters, digits and _",
                _matches(r"[a-z][a-z0-9_]{0,31}"),
            ),
        ),
    ),
    ColumnContract("session", False, True, (_id_rule(32),)),
    ColumnContract("sync_group", False, True, (_id_rule(64),)),
    # Seconds from the start of the sync group's clock to this video's frame 0.
    ColumnContract("start_offset_s", False, True, _number_between(-3600, 3600)),
)


def find_label_lines(participants: TextTable) -> dict[str, tuple[LabelScheme, list[int]]]:
    """Return by name each scheme that a label of the table belongs to, and the labels' lines."""
    found: dict[str, tuple[LabelScheme, list[int]]] = {}
    for scheme in SCHEMES:
        accepts = _is_label_of(scheme)
        rows = participants.frame.select("label", LINE).iter_rows()
        lines = [line for label, line in rows if accepts(label)]
        if lines:
            found[scheme.name] = scheme, lines
    return found


def read_table(path: Path, columns: tuple[ColumnContract, ...]) -> TextTable:
    """Read a CSV file from outside as text; nothing is raised for what is in it.

    Rows with too few or too many fields are kept, filled or cut, beside a problem that refuses
    them. Columns that the contract does not name are left out.
    """
    text, fault = _read_text(path)
    if fault:
        return _unusable(path, columns, [fault])
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        line = reader.line_num + 1
        for fields in reader:
            if fields:  # a blank line is no row
                rows.append((line, [field.strip() for field in fields]))
            if len(rows) > _MAX_ROWS:
                return _unusable(path, columns, [f"over {_MAX_ROWS} rows"])
            line = reader.line_num + 1
    except csv.Error as error:
        return _unusable(path, columns, [f"line {reader.line_num}: not valid CSV ({error})"])
    faults = _header_faults(header, columns)
    if faults:
        return _unusable(path, columns, faults)
    problems = [*_unknown_columns(path.name, header, columns), *_ragged(path.name, header, rows)]
    return TextTable(path.name, _to_frame(header, rows, columns), tuple(problems))


def check_cells(table: TextTable, columns: tuple[ColumnContract, ...]) -> list[Problem]:
    """Return every cell that breaks its column's contract; ragged rows are left alone."""
    from pandera.errors import SchemaErrors
    from pandera.polars import Column, DataFrameSchema

    ragged = [problem.row for problem in table.problems if problem.row is not None]
    frame = table.frame.filter(~pl.col(LINE).is_in(ragged))
    rules = {column.name: _rules_of(column) for column in columns}
    schema = DataFrameSchema(
        {name: Column(str, [_as_check(rule) for rule in rules[name].values()]) for name in rules}
    )
    try:
        schema.validate(frame.drop(LINE), lazy=True)
    except SchemaErrors as errors:
        return [
            _cell_problem(table.file, frame, rules[case["column"]][case["check"]], case)
            for case in errors.failure_cases.iter_rows(named=True)
        ]
    return []


def _read_text(path: Path) -> tuple[str, str | None]:
    """Return the text and no fault, or no text and the fault."""
    if path.is_symlink() or not path.is_file():
        found = "a link or no regular file" if path.is_symlink() or path.exists() else "no file"
        return "", f"expected a CSV file, found {found}"
    with path.open("rb") as stream:
        data = stream.read(_MAX_TABLE_BYTES + 1)
    if len(data) > _MAX_TABLE_BYTES:
        return "", f"larger than {_MAX_TABLE_BYTES // 2**20} MiB"
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", f"line {line}: not UTF-8; save the table as CSV in UTF-8"


def _header_faults(header: list[str], columns: tuple[ColumnContract, ...]) -> list[str]:
    if not header:
        return ["no header line"]
    faults = [
        f"missing column {column.name}"
        for column in columns
        if column.is_needed and column.name not in header
    ]
    if faults and len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        faults.append("the header holds no comma; save the table separated by commas")
    faults += [
        f"column {show_value(name)} appears {header.count(name)} times"
        for name in sorted({name for name in header if header.count(name) > 1})
    ]
    return faults


def _unknown_columns(
    file: str, header: list[str], columns: tuple[ColumnContract, ...]
) -> Iterable[Problem]:
    known = [column.name for column in columns]
    for name in header:
        if name not in known:
            yield Problem(
                file=file,
                row=1,
                column=show_value(name),
                value=show_value(name),
                expected=", ".join(known),
                code="unknown_column",
                message="the column is not known and was left out",
            )


def _ragged(file: str, header: list[str], rows: list[tuple[int, list[str]]]) -> Iterable[Problem]:
    for line, fields in rows:
        if len(fields) != len(header):
            yield Problem(
                file=file,
                row=line,
                column=None,
                value=str(len(fields)),
                expected=f"{len(header)} fields, as in the header",
                code="wrong_field_count",
                message="the row has too few or too many fields; text with commas needs quotes",
            )


def _to_frame(
    header: list[str], rows: list[tuple[int, list[str]]], columns: tuple[ColumnContract, ...]
) -> pl.DataFrame:
    data: dict[str, list[str]] = {}
    for column in columns:
        position = header.index(column.name) if column.name in header else None
        data[column.name] = [
            fields[position] if position is not None and position < len(fields) else ""
            for _, fields in rows
        ]
    lines = pl.Series(LINE, [line for line, _ in rows], dtype=pl.Int32)
    return pl.DataFrame(data, schema=dict.fromkeys(data, pl.String)).with_columns(lines)


def _unusable(path: Path, columns: tuple[ColumnContract, ...], faults: list[str]) -> TextTable:
    faults = [f"{path.name}: {fault}" for fault in faults]
    return TextTable(path.name, _to_frame([], [], columns), (), tuple(faults))


def _rules_of(column: ColumnContract) -> Mapping[str, CellRule]:
    missing = CellRule("missing_value", "a value", bool)
    rules = column.rules if column.may_be_empty else (missing, *column.rules)
    return {rule.code: rule for rule in rules}


def _as_check(rule: CellRule) -> Any:
    # `Any`: pandera is not imported for its types at module level.
    from pandera.polars import Check, PolarsData

    def passes(data: PolarsData) -> pl.LazyFrame:
        cells = data.lazyframe.select(data.key).collect().to_series()
        accepts_empty = rule.code != "missing_value"
        verdicts = [accepts_empty if not cell else rule.accepts(cell) for cell in cells]
        return pl.LazyFrame({data.key: verdicts}, schema={data.key: pl.Boolean})

    return Check(passes, error=rule.code)


def _cell_problem(
    file: str, frame: pl.DataFrame, rule: CellRule, case: Mapping[str, Any]
) -> Problem:
    # `Any`: a row of pandera's report; `index` counts the frame's rows.
    column, index = case["column"], case["index"]
    return Problem(
        file=file,
        row=frame[LINE][index],
        column=column,
        value=show_value(frame[column][index]),
        expected=rule.expected,
        code=rule.code,
        message=_MESSAGES[rule.code],
    )


_MESSAGES: Final = {
    "missing_value": "the cell is empty",
    "bad_id": "the id can't be used as it is",
    "id_without_digit": "the id looks like a name; names must not enter the data set",
    "unknown_label": "the label is not known",
    "unknown_sex": "the value is not one of the codes",
    "not_a_number": "the value is not a number",
    "out_of_range": "the value is outside what is possible",
    "bad_view": "the view can't be used as it is",
}
