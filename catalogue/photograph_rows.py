"""Rows of a sheet whose photographs become images: which photograph is whose."""

from collections.abc import Mapping, Sequence
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
class PhotographRow:
    """A good row, and its photograph as it is named."""

    row: SheetRow
    sku: str
    photograph: UUID | str
    """A source's id or digest, or an address."""
    mask: UUID | str | None


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
            line=1 if sheet.fixed_columns else None,
            column="sku",
        )
        return []
    named = [one for one in sheet.columns if canonical(one) in OF_PLAIN]
    if FIELD in columns:
        named.insert(0, columns[FIELD])
    lines = {row.line for row in sheet.rows}
    for line in sorted(set(sent) - lines):
        issues.add(f"There is no row in line {line}, which a photograph was sent for.", line=line)
    good = (_read(sheet, row, named, sent.get(row.line), issues) for row in sheet.rows)
    return [row for row in good if row is not None]


def _read(
    sheet: Sheet,
    row: SheetRow,
    named: Sequence[str],
    sent: UUID | str | None,
    issues: Issues,
) -> PhotographRow | None:
    """Read a row; `named` are the columns that may name its photograph, best first."""
    before, columns = issues.count, sheet.reading.columns
    _check_cells(row, issues)
    sku = str(row.fields.get("sku") or row.get(columns.get("sku")) or "").strip()
    if reason := check_sku(sku):
        issues.add(reason, line=row.line, column=columns.get("sku", "sku"))
    ids = filter(None, (_id_in(row.get(column)) for column in named))
    photograph = sent or row.photograph or next(ids, None)
    if not photograph:
        column = named[0] if named else FIELD
        issues.add(
            "The row has no photograph. Give it an address or a source's id in the column "
            f"{column!r}, or send the file (--photos).",
            line=row.line,
            column=column,
        )
    mask = _mask(sheet, row, issues)
    if issues.count > before or not photograph:
        return None
    return PhotographRow(row=row, sku=sku, photograph=photograph, mask=mask)


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
