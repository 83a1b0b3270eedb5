"""Records of CSV and its relatives: the cells between separators, and the line where they begin."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice

TAB = "\t"
MOST_SEPARATORS = 10**6
"""Of one record, those in its texts too: each may make a cell, before anything counts the cells."""
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")

Record = tuple[int, list[str]]
"""A line number and the cells that begin there, stripped of white space around them."""


class BrokenRecordError(Exception):
    """A record cannot be read, nor anything behind it: its quotes do not fit, or it is endless."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def read_records(text: str, separator: str, *, skipped: int = 0) -> Iterator[Record]:
    """Give each record that has any text.

    Text with tabs is often written without quotes by programs that know of none: there a line
    whose quotes do not fit together is taken as it stands.

    Args:
        text: All of it; lines end with LF, CR LF or CR.
        separator: One character.
        skipped: Lines before the first record.

    Raises:
        BrokenRecordError: naming the line where the record begins.
    """
    lines = _Lines(text, separator, skipped)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begins = lines.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if separator != TAB:
                raise BrokenRecordError(begins, str(error)) from error
            cells = lines.take_first().split(TAB)
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield begins, cells


class _Lines:
    """A text's lines with their ends, one after the other; those of a record can be put back."""

    def __init__(self, text: str, separator: str, skipped: int) -> None:
        self._separator = separator
        self._separators = 0
        self._rest = islice((found[0] for found in _LINE.finditer(text)), skipped, None)
        self._again: deque[str] = deque()
        self._number = skipped
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._rest)
        self._number += 1
        self._taken.append(line)
        self._separators += line.count(self._separator)
        if self._separators > MOST_SEPARATORS:
            begins = self._number + 1 - len(self._taken)
            raise BrokenRecordError(begins, f"it has more than {MOST_SEPARATORS:,} separators")
        return line

    def begin(self) -> int:
        """Begin a record; give the number of its first line."""
        self._taken.clear()
        self._separators = 0
        return self._number + 1

    def take_first(self) -> str:
        """Give the record's first line without its end, and put back what follows it."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self._number -= len(others)
        return first.rstrip("\r\n")
