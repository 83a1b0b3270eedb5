"""How large the tables of a workbook are, before anything makes them.

A worksheet of three cells can reach from A1 to XFD1048576, and one text can stand in a million
cells: a table of it takes gigabytes. Its XML is looked through once, in little memory.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn
from xml.parsers import expat
from zipfile import ZipFile

from catalogue.issues import refuse
from catalogue.sheets.model import MOST_CELLS, SheetFormat
from catalogue.sheets.workbook.container import chunks_of, refuse_damaged

MOST_PLACES = 8_000_000
"""Cells of a table, the empty ones between its corners too: some 300 MB while it is read."""
MOST_TEXT = 128 * 2**20
"""Characters of a table, each text counted wherever it stands."""
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


Merged = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last cell of merged ones: row and column, from 0."""


def check_extent(content: bytes, kind: SheetFormat) -> Mapping[str, Sequence[Merged]]:
    """Check that the tables of a workbook are no larger than a sheet may be.

    Args:
        content: The file; its size is checked already.
        kind: XLSX or ODS.

    Returns:
        The merged cells of an ODS, by table; of others calamine gives them.

    Raises:
        InvalidSheetError: One is too large, or its XML is damaged.
    """
    with ZipFile(io.BytesIO(content)) as archive:
        if kind is SheetFormat.ODS:
            tables = _OdsTables()
            _parse(archive, "content.xml", tables)
            return tables.merged
        texts = _SharedTexts()
        parts = [name for name in archive.namelist() if name.endswith(".xml")]
        for name in parts:
            if name.lower().endswith("sharedstrings.xml"):
                _parse(archive, name, texts)
        for name in parts:
            if name.startswith("xl/") and "sheet" in name.lower():
                _parse(archive, name, _XlsxTable(texts.lengths))
    return {}


class _CountedTable:
    """Counts what a table takes."""

    def __init__(self) -> None:
        self._cells = 0
        self._text = 0
        self._rows = 0
        self._columns = 0

    def take(self, row: int, column: int, characters: int, times: int = 1) -> None:
        """Count a cell, or several of the same content, the last of which is there."""
        self._cells += times
        self._text += characters * times
        self._rows = max(self._rows, row)
        self._columns = max(self._columns, column)
        if self._cells > MOST_CELLS:
            refuse(
                f"The workbook has more than {MOST_CELLS:,} cells that are not empty, which is the "
                "most of one sheet. Split it, or remove the columns that no image needs."
            )
        if self._rows * self._columns > MOST_PLACES:
            refuse(
                f"A table of the workbook reaches to cell {place_of(self._columns, self._rows)}, "
                f"over more than {MOST_PLACES:,} cells. Delete what stands far away from the "
                "table, or save the table as CSV."
            )
        if self._text > MOST_TEXT:
            refuse(
                f"The cells of the workbook have more than {MOST_TEXT // 2**20} million characters "
                "together. Remove the columns that no image needs, or split it."
            )


class _Part:
    """What is looked at in one part of a workbook."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the beginning of an element, without the prefix of its name."""

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def text(self, data: str) -> None:
        """Take text."""


class _SharedTexts(_Part):
    """The lengths of the texts that cells name by number."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:  # noqa: ARG002 - as others
        """Begin the next text."""
        if name == "si":
            self.lengths.append(0)

    def text(self, data: str) -> None:
        """Count its characters."""
        if self.lengths:
            self.lengths[-1] += len(data)


class _XlsxTable(_Part):
    """The cells of a worksheet; those that have only a style are none."""

    def __init__(self, shared: list[int]) -> None:
        self._shared = shared
        self._table = _CountedTable()
        self._row = self._column = 0
        self._kind = ""
        self._value: list[str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Follow rows and cells; either may leave out where it is."""
        if name == "c":
            self._column += 1
            self._kind = attributes.get("t", "")
            if place := _PLACE.match(attributes.get("r", "")):
                self._column, self._row = column_number(place[1]), int(place[2])
        elif name == "row":
            self._row, self._column = self._row + 1, 0
            number = attributes.get("r", "")
            if number.isdecimal():
                self._row = int(number[:9])
        elif name in ("v", "is"):
            self._value = []

    def end(self, name: str) -> None:
        """Count a cell with a value."""
        if name in ("v", "is") and self._value is not None:
            value, self._value = "".join(self._value), None
            characters = len(value)
            if self._kind == "s" and value.strip().isdecimal():
                number = int(value[:12])
                characters = self._shared[number] if number < len(self._shared) else 0
            self._table.take(self._row, self._column, characters)

    def text(self, data: str) -> None:
        """Gather a cell's value."""
        if self._value is not None:
            self._value.append(data)


class _OdsTables(_Part):
    """The cells of a document's tables, whose rows and cells are repeated by a number."""

    def __init__(self) -> None:
        self.merged: dict[str, list[Merged]] = {}
        self._new_table("")

    def _new_table(self, name: str) -> None:
        self._name = name
        self._table = _CountedTable()
        self._row = self._column = 0
        self._rows = 1
        self._cells: list[tuple[int, int, int]] = []
        self._times = 0
        self._characters = 0
        self._filled = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Follow tables, rows and cells."""
        if name == "table":
            self._new_table(attributes.get("table:name", ""))
        elif name == "table-row":
            self._rows, self._column = _repeated(attributes, "table:number-rows-repeated"), 0
            self._cells = []
        elif name in ("table-cell", "covered-table-cell"):
            self._times = _repeated(attributes, "table:number-columns-repeated")
            self._characters = sum(map(len, attributes.values()))
            self._filled = any(one.startswith(("office:", "table:formula")) for one in attributes)
            self._note_merged(attributes)

    def end(self, name: str) -> None:
        """Count a cell, and a row as often as it is there."""
        if name in ("table-cell", "covered-table-cell"):
            self._column += self._times
            if self._filled:
                self._cells.append((self._column, self._characters, self._times))
        elif name == "table-row":
            self._row += self._rows
            for column, characters, times in self._cells:
                self._table.take(self._row, column, characters, times * self._rows)

    def text(self, data: str) -> None:
        """Count a cell's characters."""
        self._characters += len(data)

    def _note_merged(self, attributes: Mapping[str, str]) -> None:
        rows = _repeated(attributes, "table:number-rows-spanned")
        columns = _repeated(attributes, "table:number-columns-spanned")
        if rows * columns > 1:
            first = self._row, self._column
            last = first[0] + rows - 1, first[1] + columns - 1
            self.merged.setdefault(self._name, []).append((first, last))


def _repeated(attributes: Mapping[str, str], name: str) -> int:
    number = attributes.get(name, "1")
    return max(1, int(number[:9])) if number.isdecimal() else 1


def _parse(archive: ZipFile, name: str, part: _Part) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = _local(part.start)
    parser.EndElementHandler = lambda tag: part.end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = part.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        for chunk in chunks_of(archive, name):
            parser.Parse(chunk)
        parser.Parse(b"", True)
    except (expat.ExpatError, KeyError) as error:
        refuse_damaged(f"{name}: {error}")


def _local(
    start: Callable[[str, Mapping[str, str]], None],
) -> Callable[[str, dict[str, str]], None]:
    return lambda tag, attributes: start(tag.rpartition(":")[2], attributes)


def _refuse_doctype(*_: object) -> NoReturn:
    refuse("The workbook has a document type declaration, which no workbook needs. Save it again.")


def column_number(letters: str) -> int:
    """Return a column's number, from 1, by its letters."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def letters_of(number: int) -> str:
    """Return a column's letters by its number, from 1: A to Z, then AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def place_of(column: int, row: int) -> str:
    """Return where a cell is as spreadsheets say it: `B7`."""
    return f"{letters_of(column)}{row}"
