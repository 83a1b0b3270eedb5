"""CSV and its relatives: separator and header found, lines counted as an editor counts them."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from catalogue.checks import LONGEST_CELL
from catalogue.issues import Issue, Issues, refuse
from catalogue.platforms.fields import note
from catalogue.results import restore
from catalogue.sheets.csv_layout import find_layout, fits, looks_like_title
from catalogue.sheets.encoding import decode
from catalogue.sheets.header import Header, Ragged, read_header
from catalogue.sheets.model import SEVERAL, Hints, Reading, Room, Sheet, SheetFormat, SheetRow
from catalogue.sheets.quotes import TAB
from catalogue.sheets.records import BrokenRecordError, CsvRecord, read_records

_EXCELS_TEXT = re.compile(r'="([^"]*)"')
"""How exporters keep Excel from taking digits for a number: `="00123"`."""
_COMPARED = 1000
"""Rows whose first cells broken ones are compared with."""
_SHOWN = 40


def read_csv(content: bytes, hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Read a CSV with a header line, which may stand below a title.

    Cells are text, stripped of white space around them. Lines without any text are skipped.

    Args:
        content: The file.
        hints: Its encoding and separator, where the caller knows them.
        room: How large it may be.

    Raises:
        InvalidSheetError: The header cannot be read, or there are no rows, or too many.
    """
    hints, room = hints or Hints(), room or Room()
    decoded = decode(content, hints.encoding)
    layout = find_layout(decoded.text, hints.separator, set(hints.columns.values()))
    issues = Issues()
    every = read_records(decoded.text, layout.separator, skipped=layout.skipped)
    records = _whole(every, issues, room)
    line, cells, *_ = next(records, CsvRecord(1, []))
    if not cells:
        issues.raise_if_any()
        refuse("The file is empty: the first line must name the columns.", line=1)
    header = read_header(cells, line)
    reader = TableReader(header, layout.separator, room, issues, hints)
    reader.read(records)
    if not reader.rows:
        issues.raise_if_any()
        refuse("The sheet has a header and no rows: there is nothing to make.", line=line)
    warnings = [*decoded.warnings, *header.warnings, *reader.warnings()]
    if layout.titles:
        message = f"The names of columns were found in line {line}; the lines above are not read."
        warnings.append(Issue(line=line, message=message))
    return Sheet(
        columns=header.names,
        rows=reader.rows,
        reading=Reading(
            format=SheetFormat.CSV, encoding=decoded.encoding, separator=layout.separator
        ),
        warnings=tuple(warnings),
        issues=issues,
    )


def _whole(records: Iterator[CsvRecord], issues: Issues, room: Room) -> Iterator[CsvRecord]:
    """Return the records that can be read; the others are noted."""
    try:
        for record in records:
            if record.problem:
                room.take(0, line=record.line)
                issues.add(_unreadable(record.line, record.problem), line=record.line)
            else:
                yield record
    except BrokenRecordError as error:
        issues.add(
            f"Line {error.line} cannot be read ({error}), and nothing behind it was.",
            line=error.line,
        )


class TableReader:
    """Reads the records below a header."""

    def __init__(
        self,
        header: Header,
        separator: str,
        room: Room,
        issues: Issues,
        hints: Hints,
        *,
        is_escaped: bool = True,
    ) -> None:
        """Begin below a header.

        Args:
            header: The columns.
            separator: Between cells; a tab where there is none.
            room: How large the sheet may be.
            issues: Where bad rows are noted.
            hints: What the caller knows.
            is_escaped: Whether results.csv would have apostrophes before what looks like formulas.
        """
        self.rows: list[SheetRow] = []
        self._header = header
        self._separator = separator
        self._room = room
        self._issues = issues
        self._hints = hints
        self._is_escaped = is_escaped and header.is_result
        self._columns = header.columns
        self._repeated = len(header.names) < sum(map(bool, header.columns))
        self._ragged = Ragged(len(header.columns), len(header.written))
        self._mended: list[CsvRecord] = []
        self._padded: list[int] = []
        self._extended: list[int] = []
        self._lengths: list[int] = []

    def read(self, records: Iterator[CsvRecord]) -> None:
        """Read them all; those that cannot be are noted."""
        width = len(self._columns)
        for record in records:
            if len(self._lengths) < _COMPARED:
                self._lengths.append(len(record.cells))
            if fits(record.cells, width, self._separator):
                self._ragged.count(record.cells)
                self._take(record)
                # Where there are tabs, quotes are text as often as not.
                if record.mended and self._separator != TAB:
                    self._mended.append(record)
            elif record.mended:
                self._room.take(0, line=record.line)
                problem = f"it has {len(record.cells)} cells, and the header {width}"
                self._issues.add(_unreadable(record.line, problem), line=record.line)
            else:
                self._room.take(0, line=record.line)
                self._ragged.add(record)
        self._take_ragged()

    def warnings(self) -> Iterator[Issue]:
        """Report what was mended."""
        if self._mended:
            yield _say_mended(self._mended)
        yield from note(
            self._padded,
            "The row ends early, and what is missing at its end was taken as empty",
            "{number} rows end early, and what is missing at their ends was taken as empty",
        )
        yield from note(
            self._extended,
            "What the row has beyond the last column with a name is not read",
            "{number} rows have cells beyond the last column with a name, which are not read",
        )
        if looks_like_title(self._header.written, self._lengths):
            line = self._header.line
            message = (
                f"Line {line} looks like a title, and not like the names of columns. If it is one, "
                "delete the lines above those names."
            )
            yield Issue(line=line, message=message)

    def _take(self, record: CsvRecord) -> None:
        filled = self._filled(record.cells)
        # Of results.csv, lines of a row's further images ask for nothing new.
        if self._header.is_result and self.rows and filled == self.rows[-1].cells:
            return
        self._room.take(len(filled), line=record.line)
        self.rows.append(SheetRow(line=record.line, cells=filled))

    def _take_ragged(self) -> None:
        ragged = self._ragged
        if not ragged.short and not ragged.long:
            return
        first = next((name for name in self._columns if name), "")
        firsts = [str(row.cells.get(first, "")) for row in islice(self.rows, _COMPARED)]
        short, long = ragged.shortened(firsts), ragged.unnamed()
        self._padded = [one.line for one in short]
        self._extended = [one.line for one in long]
        good = {*self._padded, *self._extended}
        for record in (*short, *long):
            self._take(record)
        for record in (*ragged.short, *ragged.long):
            if record.line not in good:
                self._issues.add(self._misfit(record.cells), line=record.line)
        self.rows.sort(key=lambda row: row.line)

    def _filled(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells that say something by their columns' names."""
        pairs = [
            (name, self._text(cell))
            for name, cell in zip(self._columns, cells, strict=False)
            if name and cell
        ]
        if not self._repeated:
            return dict(pairs)
        filled: dict[str, dict[str, None]] = {}
        for name, cell in pairs:
            filled.setdefault(name, {})[cell] = None
        return {name: SEVERAL.join(texts) for name, texts in filled.items()}

    def _text(self, cell: str) -> str:
        if self._is_escaped:
            cell = restore(cell)
        if cell.startswith('="') and (found := _EXCELS_TEXT.fullmatch(cell)):
            return found[1].strip()
        return cell

    def _misfit(self, cells: Sequence[str]) -> str:
        taken = "" if self._hints.separator else ", as was found out; if it is another, name it"
        shown = "a tab" if self._separator == TAB else repr(self._separator)
        return (
            f"The line has {len(cells)} cells, but the header has {len(self._columns)} "
            f"(`separator` is {shown}{taken}). A separator or a line break inside a cell needs "
            "quotes around the cell."
        )


def _unreadable(line: int, problem: str) -> str:
    return (
        f"Line {line} cannot be read ({problem}). A cell that begins with a quote must end with "
        'one, and a quote inside it is written twice: "19"" rack". No cell has more than '
        f"{LONGEST_CELL:,} characters."
    )


def _say_mended(records: Sequence[CsvRecord]) -> Issue:
    first = records[0]
    shown = next((cell for cell in first.cells if '"' in cell), first.cells[0])[:_SHOWN]
    one = "The quotes of a line do"
    several = f"The quotes of {len(records):,} lines do"
    message = (
        f"{one if len(records) == 1 else several} not fit together: look whether “{shown}” in line "
        f"{first.line} is right. A quote inside a cell with quotes is written twice."
    )
    return Issue(line=first.line, message=message)
