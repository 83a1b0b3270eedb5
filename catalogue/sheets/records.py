"""Records of CSV and its relatives: their cells, the separator between these, and the header."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from catalogue.sheets.quotes import split_loosely

MOST_SEPARATORS = 10**6
"""Of one record, those in its texts too: each may make a cell, before anything counts the cells."""
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")

_ESCAPED = re.compile(r'(?<!\\)\\"')


class CsvRecord(NamedTuple):
    """The cells that begin in a line, stripped of white space around them."""

    line: int
    cells: list[str]
    mended: bool = False
    """Whether its quotes do not fit together and were taken for what they must mean."""
    problem: str | None = None
    """Why its line cannot be read; then there are no cells."""


class BrokenRecordError(Exception):
    """A record has no end, and nothing behind it can be read."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def read_records(text: str, separator: str, *, skipped: int = 0) -> Iterator[CsvRecord]:
    """Return each record that has any text, and each line that cannot be read.

    A line whose quotes do not fit together is read again: with quotes escaped by backslashes, as
    PHP and MySQL write them, then with stray quotes taken for text, such as those of inches. Text
    with tabs is often written without quotes by programs that know of none: there every quote may
    be text.

    Args:
        text: All of it; lines end with LF, CR LF or CR.
        separator: One character.
        skipped: Lines before the first record.

    Raises:
        BrokenRecordError: naming the line where the record begins.
    """
    lines = _Lines(text, separator, skipped)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    escaping = csv.reader(map(_unescape, lines), delimiter=separator, strict=True)
    while True:
        lines.skip_empty()
        begins = lines.begin()
        mended, problem = False, None
        try:
            cells = next(reader, None)
        except csv.Error as error:
            mended, problem = True, str(error)
            cells = _read_escaped(lines, escaping) or split_loosely(lines.take_first(), separator)
        if cells is None and problem is None:
            return
        if cells is None:
            yield CsvRecord(begins, [], problem=problem)
            continue
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield CsvRecord(begins, cells, mended)


def _unescape(line: str) -> str:
    return _ESCAPED.sub('""', line)


def _read_escaped(lines: "_Lines", reader: Iterator[list[str]]) -> list[str] | None:
    """Read a record again whose quotes are escaped by backslashes; None: they are not."""
    if not lines.has_escapes():
        return None
    lines.put_back()
    try:
        return next(reader, None)
    except csv.Error:
        return None


class _Lines:
    """A text's lines with their ends, one after the other; those of a record can be put back."""

    def __init__(self, text: str, separator: str, skipped: int) -> None:
        self._separator = separator
        self._separators = 0
        self._text = text
        self._position = 0
        self._again: deque[str] = deque()
        self._number = 0
        self._taken: list[str] = []
        mark = re.escape(separator)
        self._empty = re.compile(
            rf'(?:(?:[^\S\r\n]|{mark}|(?<![^\r\n{mark}])""(?=[\r\n{mark}]))'
            rf"{{0,{MOST_SEPARATORS}}}+(?:\r\n?|\n))*+"
        )
        for _ in range(skipped):
            next(self, None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        elif found := _LINE.match(self._text, self._position):
            line, self._position = found[0], found.end()
        else:
            raise StopIteration
        self._number += 1
        self._taken.append(line)
        self._separators += line.count(self._separator)
        if self._separators > MOST_SEPARATORS:
            begins = self._number + 1 - len(self._taken)
            raise BrokenRecordError(begins, f"it has more than {MOST_SEPARATORS:,} separators")
        return line

    def skip_empty(self) -> None:
        """Pass over lines without any text: a file may be millions of them."""
        if self._again:
            return
        end = self._empty.match(self._text, self._position).end()  # type: ignore[union-attr]
        if end > self._position:
            ends = (self._text.count(one, self._position, end) for one in ("\r", "\n"))
            self._number += sum(ends) - self._text.count("\r\n", self._position, end)
            self._position = end

    def begin(self) -> int:
        """Begin a record; give the number of its first line."""
        self._taken.clear()
        self._separators = 0
        return self._number + 1

    def has_escapes(self) -> bool:
        """Check whether the record's lines have quotes behind backslashes."""
        return any('\\"' in line for line in self._taken)

    def put_back(self) -> None:
        """Put back all lines of the record."""
        self._again.extendleft(reversed(self._taken))
        self._number -= len(self._taken)
        self._taken.clear()
        self._separators = 0

    def take_first(self) -> str:
        """Return the record's first line without its end, and put back what follows it."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self._number -= len(others)
        return first.rstrip("\r\n")
