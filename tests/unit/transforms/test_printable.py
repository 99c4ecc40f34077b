import pytest

from transforms.printable import escape, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gähn, 歩行", "gähn, 歩行"),
        ("\x1b[2J", "\\x1b[2J"),
        ("one\ntwo\r", "one\\ntwo\\r"),
        ("\u202eleft", "\\u202eleft"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_moves_a_cursor_is_written_in_letters(text: str, shown: str) -> None:
    assert escape(text) == shown
    assert escape(text).encode()


def test_a_long_text_is_cut_before_it_is_escaped() -> None:
    assert shorten("abcd", 4) == "abcd"
    assert shorten("abcde", 4) == "abc…"
    assert shorten("\0" * 9, 2) == "\\x00…"
