"""Bad rows left out, and given back as a sheet of their own with what is wrong with each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalogue.issues import Issue, Issues
from catalogue.results import LINE, REASON, format_table
from catalogue.sheets.model import Sheet
from core.domain.image_request import ImageRequest

MOST_CHARACTERS = 4_000_000
"""Of all rows that are left out: they are kept with their batch."""


@dataclass(frozen=True, kw_only=True)
class SkippedRow:
    """A row that was left out."""

    line: int
    reason: str
    """What is wrong with it, in sentences."""
    cells: Mapping[str, Any]
    """Its own, and its product's; none where the line could not be read."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"line": self.line, "column": None, "message": self.reason, "skipped": self.cells}


def skip_bad_rows(
    sheet: Sheet, wanted: Sequence[ImageRequest], issues: Issues
) -> tuple[Sequence[ImageRequest], Sequence[SkippedRow], Issues]:
    """Leave out the rows that something is wrong with.

    Nothing is left out where that concerns the sheet as a whole, where more is wrong than is
    listed, where no row is good, or where the bad ones are too large to be kept.

    Args:
        sheet: As it was read.
        wanted: The images of rows that can be read.
        issues: Everything that is wrong.

    Returns:
        The images of good rows, the rows that were left out, and what is wrong still.
    """
    by_line: dict[int | None, list[Issue]] = {}
    for issue in issues:
        by_line.setdefault(issue.line, []).append(issue)
    concerns_all = bool({None, sheet.line_of_columns} & by_line.keys())
    good = [one for one in wanted if one.line not in by_line]
    skipped = [] if concerns_all else _skipped(sheet, by_line)
    size = sum(len(str(value)) for one in skipped for value in one.cells.values())
    if issues.left_out or not skipped or not good or size > MOST_CHARACTERS:
        return wanted, (), issues
    return good, skipped, Issues(letters=issues.letters)


def _skipped(sheet: Sheet, by_line: Mapping[Any, Sequence[Issue]]) -> list[SkippedRow]:
    """Return the rows that something is wrong with, in their order."""
    cells = {
        row.line: {**row.product, **{name: one for name, one in row.cells.items() if one != ""}}
        for row in sheet.rows
        if row.line in by_line
    }
    return [
        SkippedRow(line=line, reason=_reason(found), cells=cells.get(line, {}))
        for line, found in sorted(by_line.items())
    ]


def format_skipped(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows that were left out as a CSV, ready to be corrected and sent again.

    Args:
        columns: The sheet's.
        rows: As `SkippedRow.document` gives them.
    """
    lines = ([row["skipped"].get(name) for name in columns] + [row["line"], row["message"]]
             for row in rows)  # fmt: skip
    return format_table([*columns, LINE, REASON], lines)


def _reason(issues: Sequence[Issue]) -> str:
    said = (f"{one.column}: {one.message}" if one.column else one.message for one in issues)
    return " ".join(said)
