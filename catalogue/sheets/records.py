"""Records of CSV and its relatives: their cells, the separator between these, and the header."""

import csv
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.sheets.quotes import TAB, split_loosely

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
_LONGEST = 100
"""Characters of a cell that are kept meanwhile."""
_TEMPLATES = (
    (
        re.compile(r"TemplateType=|settings=", re.I),
        re.compile(r"item_sku|contribution_sku.*", re.I),
    ),
    (re.compile(r"#?INFO\b", re.I), re.compile(r"\*?action(\(.*)?", re.I)),
)
"""How Amazon's inventory files and eBay's files begin, and what their columns are told by."""
_USUAL = frozenset(KNOWN) | {
    "id", "handle", "url_handle", "title", "name", "type", "color", "colour", "price", "category",
    "description", "brand", "product_type", "variant_sku", "artikel", "artikelnummer", "titel",
    "bezeichnung", "farbe", "preis", "reference", "référence", "nom", "titre", "prix", "couleur",
    "referencia", "nombre", "precio", "título", "codice", "prezzo", "артикул", "название", "цена",
}  # fmt: skip
"""Names by which a header is told from a title above it."""


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """Where the cells of a file are."""

    separator: str
    skipped: int = 0
    """Lines before the header."""
    titles: bool = False
    """Whether those are a title, and not Excel's line that names the separator."""


def find_layout(text: str, separator: str | None = None, named: Collection[str] = ()) -> CsvLayout:
    """Find the separator, and the lines before the header.

    The header alone may have two that are as frequent (`sku;prompt, English`): the rows below
    have as many cells as it by one of them only. Where the first line names no column that is
    known, it may be a title; then the header is the first line below that does, and has more cells.

    Args:
        text: All of it.
        separator: What the caller says.
        named: Columns that the caller named.
    """
    hint = _EXCEL_HINT.match(text)
    if hint:
        return CsvLayout(separator=separator or hint[1], skipped=1)
    candidates = separator or SEPARATORS
    found = {one: _first(text, one) for one in candidates}
    best = max(candidates, key=lambda one: _agreement(found[one], one))
    first = found[best][0].cells if found[best] else []
    if not _known(first, named):
        below = [one for one in candidates if _header_below(found[one], named)]
        if below:
            best = max(below, key=lambda one: _agreement(_from_header(found[one], named), one))
            return CsvLayout(
                separator=best, skipped=_from_header(found[best], named)[0].line - 1, titles=True
            )
    return CsvLayout(separator=best)


def find_header(records: Sequence[CsvRecord], named: Collection[str]) -> int:
    """Find the record that names the columns: the first, unless that may be a title above it."""
    return 0 if not records or _known(records[0].cells, named) else _header_below(records, named)


def names_columns(cells: Sequence[str], named: Collection[str]) -> bool:
    """Check whether any of these is the name of a column that is known."""
    return bool(_known(cells, named))


def fits(cells: Sequence[str], width: int, separator: str) -> bool:
    """Check whether a record has a header's columns.

    Empty cells beyond them do no harm; tabs of empty cells at a line's end are often left out.
    """
    return (len(cells) >= width or separator == TAB) and not any(cells[width:])


def looks_like_title(header: Sequence[str], rows: Sequence[int]) -> bool:
    """Check whether a first line has a cell or two where the others have many.

    Args:
        header: Its cells.
        rows: How many cells each row has.
    """
    filled = sum(map(bool, header))
    return bool(rows) and not _known(header, ()) and 2 * filled <= sorted(rows)[len(rows) // 2]


def _known(cells: Sequence[str], named: Collection[str]) -> int:
    """Count the cells that are names of columns."""
    return sum(cell in named or canonical(cell) in _USUAL for cell in cells)


def _header_below(records: Sequence[CsvRecord], named: Collection[str]) -> int:
    """Find the first record that names columns below one that names none; 0: there is none."""
    if len(records) < 2:
        return 0
    if number := _below_template(records):
        return number
    filled = sum(map(bool, records[0].cells))
    for number, record in enumerate(records[1:], start=1):
        width = sum(map(bool, record.cells))
        if width > max(1, filled) and 2 * _known(record.cells, named) >= min(width, 4):
            return number
    return 0


def _below_template(records: Sequence[CsvRecord]) -> int:
    """Find the record that names the columns of a market-place's template; 0: it is none.

    What is above it is for the market-place alone; a row of translated names is nearly a header.
    """
    name = next((name for mark, name in _TEMPLATES if mark.match(records[0].cells[0])), None)
    found = (
        number
        for number, record in enumerate(records)
        if name is not None and any(map(name.fullmatch, record.cells))
    )
    return next(found, 0)


def _from_header(records: Sequence[CsvRecord], named: Collection[str]) -> Sequence[CsvRecord]:
    return records[_header_below(records, named) :]


def _agreement(records: Sequence[CsvRecord], separator: str) -> tuple[float, int]:
    """Rate a separator: the share of rows that fit the header, then the header's width."""
    header, *rows = records or [CsvRecord(1, [])]
    width = len(header.cells)
    if width < 2:
        return 0, 0
    fitting = sum(fits(row.cells, width, separator) and len(row.cells) > 1 for row in rows)
    return (fitting / len(rows) if rows else 1), width


def _first(text: str, separator: str) -> list[CsvRecord]:
    records = islice(_readable(text, separator), 1 + _LOOKED_AT)
    # As long as names are: with the wrong separator a cell may be all of a line.
    return [CsvRecord(one.line, [cell[:_LONGEST] for cell in one.cells]) for one in records]


def _readable(text: str, separator: str) -> Iterator[CsvRecord]:
    try:
        yield from (one for one in read_records(text, separator) if not one.problem)
    except BrokenRecordError:
        return
