"""Workbooks: the worksheet chosen, its header found, its rows read like those of a CSV."""

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from catalogue.issues import Issue, Issues, refuse
from catalogue.names import suggestion
from catalogue.platforms.fields import note
from catalogue.sheets.csv_layout import names_columns
from catalogue.sheets.header import read_header
from catalogue.sheets.model import Hints, Reading, Room, Sheet, SheetFormat
from catalogue.sheets.quotes import TAB
from catalogue.sheets.records import CsvRecord
from catalogue.sheets.separated import TableReader
from catalogue.sheets.workbook.container import refuse_damaged, refuse_password, workbook_format
from catalogue.sheets.workbook.extent import Merged, check_extent, letters_of
from catalogue.sheets.workbook.worksheet import header_of, records_of, widened

_LOOKED_AT = 20
"""Rows in which a header is looked for."""
_MOST_LOOKED_AT = 20
"""Worksheets in which one is."""
_SHOWN = 5
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A worksheet that has rows."""

    name: str
    sheet: CalamineSheet
    merged: Sequence[Merged]
    first: Sequence[CsvRecord]
    """Its first rows."""

    def records(self) -> Iterator[CsvRecord]:
        """Return all rows."""
        return records_of(self.sheet, self.merged)


def read_workbook(content: bytes, hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Read one worksheet of an XLSX, XLS or ODS file.

    Rows are numbered and columns lettered as their program shows them.

    Args:
        content: The file.
        hints: The worksheet, where the caller knows it; else it is the first that is shown and has
            a header that is known, or else rows.
        room: How large it may be.

    Raises:
        InvalidSheetError: It cannot be read, has no such worksheet or no rows, or is too large.
    """
    hints, room = hints or Hints(), room or Room()
    kind = workbook_format(content)
    merged = {} if kind is SheetFormat.XLS else check_extent(content, kind)
    workbook = _guarded(lambda: CalamineWorkbook.from_filelike(io.BytesIO(content)))
    named = set(hints.columns.values())
    table = _choose(workbook, hints.worksheet, named, merged)
    header = header_of(table.first, table.merged, named)
    return _Reader(table, kind, hints, room).read(header, _others(workbook, table.name))


def _choose(
    workbook: CalamineWorkbook,
    asked: str | None,
    named: Collection[str],
    spans: Mapping[str, Sequence[Merged]],
) -> _Table:
    """Find the worksheet that is meant.

    Raises:
        InvalidSheetError: There is none.
    """
    tables = [one for one in workbook.sheets_metadata if one.typ is SheetTypeEnum.WorkSheet]
    if asked is None:
        return _first_of(workbook, tables, named, spans)
    found = _load(workbook, _called(tables, asked), spans)
    if found is None:
        refuse(
            f"The worksheet {asked!r} has no rows. Name another as `worksheet`.",
            column="worksheet",
        )
    return found


def _first_of(
    workbook: CalamineWorkbook,
    tables: Sequence[SheetMetadata],
    named: Collection[str],
    spans: Mapping[str, Sequence[Merged]],
) -> _Table:
    """Find the first worksheet that has a header which is known, or else the first with rows.

    Raises:
        InvalidSheetError: None has rows.
    """
    visible = [one for one in tables if one.visible is SheetVisibleEnum.Visible]
    first = None
    for one in islice(visible or tables, _MOST_LOOKED_AT):
        found = _load(workbook, one.name, spans)
        if found and names_columns(header_of(found.first, found.merged, named).cells, named):
            return found
        first = first or found
    if first is None:
        refuse("The workbook has no worksheet with rows: there is nothing to make.")
    return first


def _called(tables: Sequence[SheetMetadata], asked: str) -> str:
    names = [one.name for one in tables]
    folded = {name.strip().casefold(): name for name in reversed(names)}
    name = asked if asked in names else folded.get(asked.strip().casefold())
    if name is None:
        shown = ", ".join(map(repr, names[:_MOST_LOOKED_AT]))
        refuse(
            f"The workbook has no worksheet {asked!r}; it has {shown}.{suggestion(asked, names)}",
            column="worksheet",
        )
    return name


def _load(
    workbook: CalamineWorkbook, name: str, spans: Mapping[str, Sequence[Merged]]
) -> _Table | None:
    """Load a worksheet; None: it has no rows."""
    sheet = _guarded(lambda: workbook.get_sheet_by_name(name))
    merged = sheet.merged_cell_ranges or spans.get(name, ())
    first = list(islice(records_of(sheet, merged), 1 + _LOOKED_AT))
    return _Table(name=name, sheet=sheet, merged=merged, first=first) if first else None


def _guarded(read: Callable[[], T]) -> T:
    """Have the library read.

    Raises:
        InvalidSheetError: It cannot, or gave up in a way that is no `Exception` (a panic).
    """
    try:
        return read()
    except PasswordError:
        refuse_password()
    except (CalamineError, OSError, ValueError) as error:
        refuse_damaged(error)
    except BaseException as error:
        # PyO3 names it so, and lets nobody import it.
        if type(error).__name__ != "PanicException":
            raise
        refuse_damaged("it could not be read to its end")


def _others(workbook: CalamineWorkbook, chosen: str) -> list[str]:
    return [
        one.name
        for one in workbook.sheets_metadata
        if one.typ is SheetTypeEnum.WorkSheet and one.name != chosen
    ]


class _Reader:
    """Reads the rows of a worksheet below its header."""

    def __init__(self, table: _Table, kind: SheetFormat, hints: Hints, room: Room) -> None:
        self._table = table
        self._kind = kind
        self._hints = hints
        self._room = room
        self._beyond: list[int] = []

    def read(self, names: CsvRecord, others: Sequence[str]) -> Sheet:
        """Read them all.

        Args:
            names: The row that names the columns.
            others: The names of other worksheets.
        """
        header = read_header(widened(names, self._table.merged, self._filled(names)).cells,
                             names.line)  # fmt: skip
        letters = {
            name: letters_of(number)
            for number, name in reversed(list(enumerate(header.columns, start=1)))
            if name
        }
        issues = Issues(letters=letters)
        reader = TableReader(header, TAB, self._room, issues, self._hints, is_escaped=False)
        below = (one for one in self._table.records() if one.line > names.line)
        reader.read(self._cut(below, len(header.columns)))
        if not reader.rows:
            issues.raise_if_any()
            refuse("The worksheet has a header and no rows: there is nothing to make.",
                   line=names.line)  # fmt: skip
        warnings = [*header.warnings, *reader.warnings(), *self._say_beyond()]
        if self._table.first[0].line < names.line:
            message = (
                f"The names of columns were found in row {names.line}; the rows above are not read."
            )
            warnings.append(Issue(line=names.line, message=message))
        return Sheet(
            columns=header.names,
            rows=reader.rows,
            reading=Reading(format=self._kind, worksheet=self._table.name),
            warnings=tuple(warnings),
            notes=_say_others(self._table.name, others),
            issues=issues,
            header_line=names.line,
        )

    def _filled(self, names: CsvRecord) -> Sequence[bool]:
        """Return which columns have a cell below the header."""
        filled = [False] * len(names.cells)
        for record in self._table.records() if self._table.merged else ():
            if record.line > names.line:
                filled = [was or bool(cell) for was, cell in zip(filled, record.cells, strict=True)]
        return filled

    def _cut(self, records: Iterator[CsvRecord], width: int) -> Iterator[CsvRecord]:
        """Leave out what stands beside the table, and rows that have nothing else."""
        for record in records:
            cells = record.cells[:width]
            if any(record.cells[width:]):
                self._beyond.append(record.line)
            if any(cells):
                yield record._replace(cells=cells)

    def _say_beyond(self) -> list[Issue]:
        return note(
            self._beyond,
            "What the row has beside the columns with names is not read",
            "{number} rows have cells beside the columns with names, which are not read",
        )


def _say_others(name: str, others: Sequence[str]) -> tuple[Issue, ...]:
    if not others:
        return ()
    shown = ", ".join(map(repr, others[:_SHOWN])) + (", …" if len(others) > _SHOWN else "")
    message = (
        f"The worksheet {name!r} was read. The workbook also has {shown}: name one as `worksheet` "
        "(--worksheet) to read that."
    )
    return (Issue(line=None, message=message),)
