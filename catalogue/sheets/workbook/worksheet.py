"""The rows of one worksheet, its merged cells filled, as the records that a CSV has."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from python_calamine import CalamineSheet

from catalogue.sheets.csv_layout import find_header
from catalogue.sheets.records import CsvRecord
from catalogue.sheets.workbook.extent import Merged
from catalogue.sheets.workbook.values import CellValue, shown


def records_of(sheet: CalamineSheet, merged: Sequence[Merged]) -> Iterator[CsvRecord]:
    """Return each row that has any text; its line is the row's number, from 1.

    Cells stand where their columns are, the first of which is A. What is merged down over several
    rows holds in each of them.
    """
    start = sheet.start
    if start is None:
        return
    down = _merged_down(merged)
    kept: dict[int, tuple[int, str]] = {}
    before = [""] * start[1]
    for number, values in enumerate(sheet.iter_rows()):
        cells = _texts(number, start[0], before, values)
        for column, last in down.get(number, {}).items():
            if column < len(cells):
                kept[column] = last, cells[column]
        if kept:
            for column, (_, text) in kept.items():
                cells[column] = cells[column] or text
            kept = {column: one for column, one in kept.items() if one[0] > number}
        if any(cells):
            yield CsvRecord(number + 1, cells)


def _texts(
    number: int, first: int, before: Sequence[str], values: Sequence[CellValue]
) -> list[str]:
    if number < first:
        return []
    return [*before, *map(shown, values)]


def _merged_down(ranges: Sequence[Merged]) -> Mapping[int, Mapping[int, int]]:
    """Return the last row of cells that are merged down, by the row and column of the first."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for (row, column), (last, _) in ranges:
        if last > row:
            found[row][column] = last
    return found


def header_of(
    records: Sequence[CsvRecord], ranges: Sequence[Merged], named: Collection[str]
) -> CsvRecord:
    """Find the row that names the columns, the last one of a header that takes several.

    Args:
        records: The first rows.
        ranges: Of merged cells: where names are merged down, others stand in two rows.
        named: Columns that the caller named.
    """
    header = records[find_header(records, named)]
    lasts = [last for (row, _), (last, _) in ranges if row == header.line - 1]
    lower = (one for one in records if header.line < one.line == max(lasts, default=0) + 1)
    return next(lower, header)


def widened(header: CsvRecord, ranges: Sequence[Merged], filled: Sequence[bool]) -> CsvRecord:
    """Give columns under a merged name that name, where they have cells of their own.

    Args:
        header: The names of columns.
        ranges: Of merged cells.
        filled: Whether any row has a cell in the column.
    """
    cells = list(header.cells)
    for (row, column), (last_row, last) in ranges:
        if row <= header.line - 1 <= last_row and column < len(cells):
            for other in range(column + 1, min(last + 1, len(cells))):
                if filled[other]:
                    cells[other] = cells[other] or cells[column]
    return header._replace(cells=cells)
