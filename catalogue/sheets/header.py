"""The columns of a CSV: which are read, which are one, and rows that have fewer or more cells.

Excel leaves out the separators of empty cells at the ends of rows, for 16 rows at a time. Such rows
are told from lines that broke inside a cell: other rows are empty there too, and two lines that
follow each other do not make up one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalogue.issues import Issue, Issues
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.results import LINE, OUTCOME, REASON, THUMBNAIL
from catalogue.sheets.model import check_names
from catalogue.sheets.records import CsvRecord

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_SINGLE = {*KNOWN, "id", "title", "handle", "url_handle", "variant_sku", "name", "type"} - {
    # Two of it are the products', and joined like any others.
    "model",
}
"""Columns whose texts cannot be joined where a sheet has two of a name."""
_FILES = re.compile(r"file_name|[\w.]+_(?:file|url|note)")
"""Columns of results.csv that say something of files."""
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a CSV."""

    line: int
    written: Sequence[str]
    """All cells of the line."""
    columns: Sequence[str | None]
    """By position, as far as there are names; None: not read."""
    warnings: Sequence[Issue]
    is_result: bool
    """Whether the sheet is packshot's own results.csv."""

    @property
    def names(self) -> list[str]:
        """The names of columns that are read, each once."""
        return list(dict.fromkeys(name for name in self.columns if name))


def read_header(cells: Sequence[str], line: int) -> Header:
    """Read the names of columns.

    Columns without a name are left out, with a warning. Those of the same name are one, unless
    packshot reads them. The columns that results.csv adds to a sheet are left out: it can be sent
    again.

    Raises:
        InvalidSheetError: There are too many, or two that are read have the same name.
    """
    written = [cell.strip(_INVISIBLE).strip() for cell in cells]
    names = list(written)
    while names and not names[-1]:
        names.pop()
    check_names(names, line=line)
    own = _own(names)
    columns = [None if number in own or not name else name for number, name in enumerate(names)]
    _check_repeated([name for name in columns if name], line)
    warnings = _unnamed([number for number, name in enumerate(names, start=1) if not name], line)
    if own:
        message = (
            "This is a sheet that packshot gave back (results.csv and its like): the columns that "
            "it added, and the variants of a row beyond the first, are left out."
        )
        warnings.append(Issue(line=line, message=message))
    return Header(
        line=line, written=written, columns=columns, warnings=warnings, is_result=bool(own)
    )


def _own(names: Sequence[str]) -> set[int]:
    """Find the columns that results.csv has behind the sheet's own."""
    if tuple(names[-2:]) == (LINE, REASON):
        return {len(names) - 2, len(names) - 1}
    beginnings = [
        number for number in range(len(names)) if tuple(names[number : number + 3]) == OUTCOME[:3]
    ]
    if not beginnings:
        return set()
    return {
        number
        for number in range(beginnings[-1], len(names))
        if names[number] in (*OUTCOME, THUMBNAIL) or _FILES.fullmatch(names[number])
    }


def _check_repeated(names: Sequence[str], line: int) -> None:
    issues = Issues()
    for name, times in Counter(map(canonical, names)).items():
        if times > 1 and name in _SINGLE:
            same = [column for column in names if canonical(column) == name]
            issues.add(
                f"{times} columns have the same name ({', '.join(map(repr, same))}): rename or "
                "remove all but one.",
                line=line,
                column=same[0],
            )
    issues.raise_if_any()


def _unnamed(numbers: Sequence[int], line: int) -> list[Issue]:
    if not numbers:
        return []
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    what = f"Column {shown} has" if len(numbers) == 1 else f"Columns {shown} have"
    message = f"{what} no name and {'is' if len(numbers) == 1 else 'are'} not read."
    return [Issue(line=line, message=message)]


_CLASSES = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"))


class Ragged:
    """Gathers rows that do not fit the header, and tells those that can be read."""

    def __init__(self, width: int, written: int) -> None:
        """Set the header's size.

        Args:
            width: Its columns up to the last one with a name.
            written: All of its cells, those without a name at its end too.
        """
        self._width = width
        self._written = written
        self._rows = 0
        self._empty = 0
        """Most cells that are empty at the end of a row that has them all."""
        self.short: list[CsvRecord] = []
        self.long: list[CsvRecord] = []

    def count(self, cells: Sequence[str]) -> None:
        """Count a row that fits."""
        self._rows += 1
        if len(cells) >= self._width and not cells[self._width - 1]:
            filled = next((n for n in range(self._width, 0, -1) if cells[n - 1]), 0)
            self._empty = max(self._empty, self._width - filled)

    def add(self, record: CsvRecord) -> None:
        """Keep a row that does not fit."""
        (self.short if len(record.cells) < self._width else self.long).append(record)

    def shortened(self, firsts: Iterable[str]) -> list[CsvRecord]:
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

    def unnamed(self) -> list[CsvRecord]:
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


def _begin(run: Sequence[CsvRecord], shapes: set[str]) -> bool:
    """Check whether lines begin as rows do, with what looks like the first cells of others."""
    return all(_shape(one.cells[0]) in shapes for one in run)


def _shape(text: str) -> str:
    """Fold a text to its kinds of characters: `MUG-12` to `A-9`."""
    letters, digits = _CLASSES
    kinds = letters[0].sub(lambda found: "A" if found[0].isupper() else "a", text)
    return digits[0].sub("9", kinds)
