"""Rows with fewer or more cells than the header: what a program left out, or a broken line.

Excel leaves out the separators of empty cells at the ends of rows, for 16 rows at a time. Such rows
are told from lines that broke inside a cell: other rows are empty there too, and two lines that
follow each other do not make up one.
"""

import re
from collections.abc import Iterable, Sequence

from catalogue.separated_records import Record

_CLASSES = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"))


class Ragged:
    """Gathers rows that do not fit the header, and tells those that can be read."""

    def __init__(self, width: int, written: int) -> None:
        """Take the header's size.

        Args:
            width: Its columns up to the last one with a name.
            written: All of its cells, those without a name at its end too.
        """
        self._width = width
        self._written = written
        self._rows = 0
        self._empty = 0
        """Most cells that are empty at the end of a row that has them all."""
        self.short: list[Record] = []
        self.long: list[Record] = []

    def count(self, cells: Sequence[str]) -> None:
        """Look at a row that fits."""
        self._rows += 1
        if len(cells) >= self._width and not cells[self._width - 1]:
            filled = next((n for n in range(self._width, 0, -1) if cells[n - 1]), 0)
            self._empty = max(self._empty, self._width - filled)

    def add(self, record: Record) -> None:
        """Keep a row that does not fit."""
        (self.short if len(record.cells) < self._width else self.long).append(record)

    def shortened(self, firsts: Iterable[str]) -> list[Record]:
        """Return the short rows whose missing cells are empty ones.

        Args:
            firsts: The first cells of some rows that fit.
        """
        lengths = {len(one.cells) for one in self.short}
        if not self._rows:
            # Nothing to compare with: rows that all end at the same place were written so.
            alike = len(lengths) == 1 and len(self.short) > 1 and min(lengths) > 1
            self._empty = self._width if alike else 0
        likely = [
            one for one in self.short
            if len(one.cells) > 1 and self._width - len(one.cells) <= self._empty
        ]  # fmt: skip
        broken = self._broken(set(map(_shape, firsts)))
        return [one for one in likely if one.line not in broken]

    def unnamed(self) -> list[Record]:
        """Return the long rows, if their further cells are a column without a name."""
        are_columns = 2 * len(self.long) > self._rows
        return [one for one in self.long if are_columns and not any(one.cells[self._written :])]

    def _broken(self, shapes: set[str]) -> set[int]:
        """Find lines that follow each other and together have the cells of one row."""
        broken: set[int] = set()
        for size in (2, 3):
            for number in range(len(self.short) - size + 1):
                run = self.short[number : number + size]
                follow = run[-1].line - run[0].line == size - 1
                cells = sum(len(one.cells) for one in run) - (size - 1)
                if follow and cells == self._width and not _begin(run[1:], shapes):
                    broken.update(one.line for one in run)
        return broken


def _begin(run: Sequence[Record], shapes: set[str]) -> bool:
    """Check whether lines begin as rows do, with what looks like the first cells of others."""
    return all(_shape(one.cells[0]) in shapes for one in run)


def _shape(text: str) -> str:
    """Fold a text to its kinds of characters: `MUG-12` to `A-9`."""
    letters, digits = _CLASSES
    kinds = letters[0].sub(lambda found: "A" if found[0].isupper() else "a", text)
    return digits[0].sub("9", kinds)
