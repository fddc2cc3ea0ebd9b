"""Tables of the command line: whatever the terminal's width and the texts, no line is wider and nothing of a text is lost."""

from __future__ import annotations

import pytest

from mobula.cli.drawing import Column, cells, draw, fold

COLUMNS = [Column("task id"), Column("name", long=True), Column("pid", right=True), Column("needs", long=True)]
ROWS = [
    ["0123456789ab", "package.module.a_function_with_a_long_name", "4711", "CPU=64, gadget=1, memory=1.0GiB"],
    ["ba9876543210", "one", "-", "CPU=1"],
    ["ffffffffffff", "日本語の関数", "12", "-"],
]


@pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
def test_no_line_is_wider_and_no_text_is_lost(width: int) -> None:
    lines = draw(COLUMNS, ROWS, width)
    assert max(map(cells, lines)) <= width
    for text in (text for row in ROWS for text in row):
        assert "".join(fold(text, width // 8)).replace(" ", "") == text.replace(" ", "")
    if width == 200:
        assert lines[0] == "task id       name                                         pid  needs"
        assert lines[1] == "0123456789ab  package.module.a_function_with_a_long_name  4711  CPU=64, gadget=1, memory=1.0GiB"


def test_long_columns_give_way_first() -> None:
    lines = draw(COLUMNS, ROWS, 60)
    assert lines[1].startswith("0123456789ab  ")
    assert " 4711  " in lines[1]
    assert "".join(line[14:].split("  ")[0].strip() for line in lines[1:3]).startswith("package.module.a_function")


def test_what_is_not_printable_reaches_no_terminal() -> None:
    lines = draw([Column("name")], [["a\x1b[31mred\x07\nb"]], 80)
    assert lines[1] == "a?[31mred??b"
    assert not any(character in line for line in lines for character in "\x1b\x07\n")


def test_words_are_kept_whole_where_they_fit() -> None:
    assert fold("", 4) == [""]
    assert fold("a bc def", 4) == ["a bc", "def"]
    assert fold("abcdefgh ij", 3) == ["abc", "def", "gh", "ij"]
    assert fold("日本語", 4) == ["日本", "語"]
