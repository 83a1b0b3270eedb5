"""Which character separates the cells of a file: the one by which its first lines agree."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from catalogue.separated_records import TAB, BrokenRecordError, Record, read_records

SEPARATORS = ",;\t|"

SEPARATOR_NAMES: Mapping[str, str] = {
    "comma": ",",
    "semicolon": ";",
    "tab": TAB,
    "\\t": TAB,
    "pipe": "|",
}
"""What a separator may be called, because a tab is hard to type."""

_EXCEL_HINT = re.compile(r"sep=([^\w\s\"']|\t)(\r\n?|\n)", re.IGNORECASE)
_LOOKED_AT = 20
"""Records below the header."""


def find_separator(text: str) -> tuple[str, int]:
    """Find the separator, and how many lines to skip before the header.

    The header alone may have two that are as frequent (`sku;prompt, English`): the rows below
    have as many cells as it by one of them only.
    """
    hint = _EXCEL_HINT.match(text)
    if hint:
        return hint[1], 1
    return max(SEPARATORS, key=lambda separator: _agreement(text, separator)), 0


def fits(cells: Sequence[str], width: int, separator: str) -> bool:
    """Tell whether a record has a header's columns.

    Empty cells beyond them do no harm; tabs of empty cells at a line's end are often left out.
    """
    return (len(cells) >= width or separator == TAB) and not any(cells[width:])


def _agreement(text: str, separator: str) -> tuple[float, int]:
    """Rate a separator: the share of rows that fit the header, then the header's width."""
    header, *rows = _first(text, separator) or [(1, [])]
    width = len(header[1])
    if width < 2:
        return 0, 0
    fitting = sum(fits(cells, width, separator) and len(cells) > 1 for _, cells in rows)
    return (fitting / len(rows) if rows else 1), width


def _first(text: str, separator: str) -> list[Record]:
    return list(islice(_readable(text, separator), 1 + _LOOKED_AT))


def _readable(text: str, separator: str) -> Iterator[Record]:
    try:
        yield from read_records(text, separator)
    except BrokenRecordError:
        return
