"""A table for a terminal of some width: which columns give way, and where a text that is too long is broken.

Owns the drawing alone. A library for it would be a third of what an installation of mobula takes on disk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_GAP = "  "
#: A column that gives way gets no narrower, unless nothing else would help.
_NARROW = 8


class Column(NamedTuple):
    """How a column is drawn."""

    heading: str
    right: bool = False
    #: Whether its texts may take several lines, before those of others do.
    long: bool = False


def draw(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines, the heading's first; none is wider than the terminal as long as that has a few cells for each column."""
    texts = [[_printable(text) for text in row] for row in ([column.heading for column in columns], *rows)]
    widths = [max(map(cells, texts_of)) for texts_of in zip(*texts, strict=True)]
    _shrink(columns, widths, width)
    lines: list[str] = []
    for row in texts:
        pieces = [fold(text, width) for text, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, pieces))):
            line = []
            for column, piece, width in zip(columns, pieces, widths, strict=True):
                text = piece[number] if number < len(piece) else ""
                space = " " * (width - cells(text))
                line.append(space + text if column.right else text + space)
            lines.append(_GAP.join(line).rstrip())
    return lines


def _shrink(columns: Sequence[Column], widths: list[int], width: int) -> None:
    """Takes from the widest of the long columns what is too much, then from the widest of all."""
    for candidates, least in (
        ([i for i, column in enumerate(columns) if column.long], _NARROW),
        (range(len(columns)), 2),
    ):
        while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
            widest = max(candidates, key=widths.__getitem__, default=None)
            if widest is None or widths[widest] <= least:
                break
            widths[widest] -= 1


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most so many cells: broken at spaces where that is possible.

    >>> fold("CPU=64, gadget=1", 9)
    ['CPU=64,', 'gadget=1']
    >>> fold("abcdef", 4)
    ['abcd', 'ef']
    """
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cells(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if cells(lines[-1]) + cells(character) > width and lines[-1]:
                lines.append("")
            lines[-1] += character
    return lines


def cells(text: str) -> int:
    """How many cells of a terminal a text takes.

    >>> cells("abc"), cells("日本")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text
    )


def _printable(text: str) -> str:
    """Without what moves the cursor or changes colours: a task may have any name."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)
