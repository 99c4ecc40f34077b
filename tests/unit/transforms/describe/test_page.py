import polars as pl

from transforms.describe.page import Matrix, part_or_drawer, rows_table, table_of


def test_numbers_are_set_flush_right() -> None:
    table = table_of(pl.DataFrame({"batch_id": ["b"], "frames": [1200], "share": [0.5]}), "caption")
    assert table.columns == ("batch id", "frames", "share")
    assert table.rows == (("b", "1,200", "0.5"),)
    assert table.numeric == {1, 2}


def test_left_out_rows_are_counted() -> None:
    frame = pl.DataFrame({"name": ["a", "b", "c"]})
    table = table_of(frame, "caption", limit=2, note="See the file.")
    assert len(table.rows) == 2
    assert table.note == "Shown: the first 2 of 3 rows. See the file."
    assert table_of(frame, "caption", limit=3).note == ""


def test_plain_rows_are_formatted() -> None:
    assert rows_table("caption", ("a", "b"), [("x", None)]).rows == (("x", "–"),)  # noqa: RUF001


def test_shares_are_of_the_row() -> None:
    matrix = Matrix("caption", ("a", "b"), ((3, 1), (0, 0)))
    assert [matrix.share(0, 1), matrix.share(1, 0)] == [0.25, 0.0]


def test_of_many_parts_each_is_a_drawer() -> None:
    assert [part_or_drawer("one", (), among=count).form for count in (8, 9)] == ["part", "drawer"]
