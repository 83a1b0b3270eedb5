"""Rows of a sheet whose photographs become images: which photograph is whose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalogue.checks import LONGEST_CELL, check_extent, check_sku, check_value
from catalogue.issues import Issues
from catalogue.names import canonical
from catalogue.platforms.photograph import FIELD, OF_PLAIN
from catalogue.sheets.model import Sheet, SheetRow

MASK = "mask"
"""The column whose cells name masks."""


@dataclass(frozen=True, kw_only=True)
class NamedPhotograph:
    """A row's photograph as it is named."""

    row: SheetRow
    photograph: UUID | str
    """A source's id or digest, or an address."""
    mask: UUID | str | None


@dataclass(frozen=True, kw_only=True)
class PhotographRow(NamedPhotograph):
    """A good row, and its photograph as it is named."""

    sku: str


def read_photograph_rows(
    sheet: Sheet, sent: Mapping[int, UUID | str], issues: Issues
) -> list[PhotographRow]:
    """Read each row's SKU and photograph; note what is wrong.

    A photograph that was sent for a row wins over what its cells name.

    Args:
        sheet: As it was read.
        sent: Sources' ids or digests by the lines of rows.
        issues: What is wrong.
    """
    issues.extend(sheet.issues)
    columns = sheet.reading.columns
    if "sku" not in columns and not any("sku" in row.fields for row in sheet.rows):
        issues.add(
            "The sheet has no column 'sku'. Name the right one with `columns` (--column sku=…).",
            line=sheet.line_of_columns,
            column="sku",
        )
        return []
    finder = _Finder(sheet, sent, issues)
    good = (_read(row, finder, issues) for row in sheet.rows)
    return [row for row in good if row is not None]


def name_photographs(
    sheet: Sheet, sent: Mapping[int, UUID | str], issues: Issues
) -> dict[int, NamedPhotograph]:
    """Return each row's photograph, by its line, and note what is wrong with these alone.

    Args:
        sheet: As it was read; its other cells are checked by somebody else.
        sent: Sources' ids or digests by the lines of rows: they win over what cells name.
        issues: What is wrong.
    """
    finder = _Finder(sheet, sent, issues)
    found = (finder.find(row) for row in sheet.rows)
    return {one.row.line: one for one in found if one is not None}


def masked_lines(sheet: Sheet) -> set[int]:
    """Return the lines of rows that name a mask."""
    if MASK not in sheet.columns:
        return set()
    return {row.line for row in sheet.rows if row.get(MASK) not in (None, "")}


class _Finder:
    """Finds what names the photographs of a sheet's rows."""

    def __init__(self, sheet: Sheet, sent: Mapping[int, UUID | str], issues: Issues) -> None:
        columns = sheet.reading.columns
        self.columns = columns
        self._sheet, self._sent, self._issues = sheet, sent, issues
        self._named = [one for one in sheet.columns if canonical(one) in OF_PLAIN]
        """Columns that may name it, best first."""
        if FIELD in columns:
            self._named.insert(0, columns[FIELD])
        lines = {row.line for row in sheet.rows}
        for line in sorted(set(sent) - lines):
            issues.add(
                f"There is no row in line {line}, which a photograph was sent for.", line=line
            )

    def find(self, row: SheetRow) -> NamedPhotograph | None:
        """Return a row's photograph; None: there is none, or its mask is wrong, which is noted."""
        before = self._issues.count
        ids = filter(None, (_id_in(row.get(column)) for column in self._named))
        photograph = self._sent.get(row.line) or row.photograph or next(ids, None)
        if not photograph:
            column = self._named[0] if self._named else FIELD
            self._issues.add(
                "The row has no photograph. Give it an address or a source's id in the column "
                f"{column!r}, or send the file (--photos).",
                line=row.line,
                column=column,
            )
        mask = _mask(self._sheet, row, self._issues)
        if self._issues.count > before or not photograph:
            return None
        return NamedPhotograph(row=row, photograph=photograph, mask=mask)


def _read(row: SheetRow, finder: _Finder, issues: Issues) -> PhotographRow | None:
    before, columns = issues.count, finder.columns
    _check_cells(row, issues)
    sku = str(row.fields.get("sku") or row.get(columns.get("sku")) or "").strip()
    if reason := check_sku(sku):
        issues.add(reason, line=row.line, column=columns.get("sku", "sku"))
    found = finder.find(row)
    if issues.count > before or found is None:
        return None
    return PhotographRow(row=row, sku=sku, photograph=found.photograph, mask=found.mask)


def _mask(sheet: Sheet, row: SheetRow, issues: Issues) -> UUID | str | None:
    cell = row.get(MASK) if MASK in sheet.columns else None
    if cell is None or cell == "":
        return None
    text = str(cell).strip()
    if found := _id_in(text):
        return found
    if text.lower().startswith(("http://", "https://")):
        return text
    issues.add(
        f"{text[:60]!r} names no mask: it takes an address or a source's id.",
        line=row.line,
        column=MASK,
    )
    return None


def _check_cells(row: SheetRow, issues: Issues) -> None:
    """Note the cells that cannot be kept."""
    for column, cell in row.cells.items():
        short = isinstance(cell, str) and len(cell) <= LONGEST_CELL
        reason = (None if short else check_extent(cell)) or check_value(cell)
        if reason:
            issues.add(reason, line=row.line, column=column)


def _id_in(cell: Any) -> UUID | None:
    try:
        return UUID(cell.strip()) if isinstance(cell, str) else None
    except ValueError:
        return None
