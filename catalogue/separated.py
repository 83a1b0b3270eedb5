"""CSV and its relatives: separator detected, lines counted as an editor counts them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from catalogue.checks import LONGEST_CELL
from catalogue.encoding import decode
from catalogue.issues import Issues, refuse
from catalogue.names import canonical
from catalogue.sheet import Format, Hints, Reading, Row, Sheet, check_names

SEPARATORS = ",;\t|"

SEPARATOR_NAMES: Mapping[str, str] = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
}
"""What a separator may be called, because a tab is hard to type."""

_EXCEL_HINT = re.compile(r"sep=([^\w\s\"']|\t)\r?\n", re.IGNORECASE)

Record = tuple[int, list[str]]
"""A line number and the cells that begin there."""


def read_csv(content: bytes, hints: Hints | None = None) -> Sheet:
    """Read a CSV with a header line.

    Cells are text, stripped of white space around them. Lines without any text are skipped.

    Args:
        content: The file.
        hints: Its encoding and separator, where the caller knows them.

    Raises:
        InvalidSheetError: naming each line that cannot be read.
    """
    hints = hints or Hints()
    decoded = decode(content, hints.encoding)
    separator, skipped = _separator(decoded.text)
    separator = hints.separator or separator
    records = _records(decoded.text, separator, skipped)
    line, header = next(records, (1, []))
    if not header:
        refuse("The file is empty: the first line must name the columns.", line=1)
    columns = _columns(header, line)
    issues = Issues()
    rows = [
        Row(line=line, cells=dict(zip(columns, cells, strict=False)))
        for line, cells in records
        if _fits(cells, columns, line, issues)
    ]
    issues.raise_if_any()
    if not rows:
        refuse("The sheet has a header and no rows: there is nothing to make.", line=line)
    return Sheet(
        columns=columns,
        rows=rows,
        reading=Reading(format=Format.CSV, encoding=decoded.encoding, separator=separator),
        warnings=decoded.warnings,
    )


def _records(text: str, separator: str, skipped: int) -> Iterator[Record]:
    """Give each record that has any text, with the line where it begins."""
    # Universal newlines recognised and kept: a line break inside quotes stays as it is.
    lines = io.StringIO(text, newline="")
    for _ in range(skipped):
        lines.readline()
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begins = skipped + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            refuse(
                f"Line {begins} cannot be read ({error}). A cell that begins with a quote must "
                'end with one, and a quote inside it is written twice: "19"" rack". No cell has '
                f"more than {LONGEST_CELL:,} characters.",
                line=begins,
            )
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield begins, cells


def _separator(text: str) -> tuple[str, int]:
    """Find the separator, and how many lines to skip before the header."""
    hint = _EXCEL_HINT.match(text)
    if hint:
        return hint[1], 1
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    counts = Counter({separator: header.count(separator) for separator in SEPARATORS})
    separator, found = counts.most_common(1)[0]
    return (separator if found else ","), 0


def _columns(header: Sequence[str], line: int) -> list[str]:
    columns = list(header)
    while columns and not columns[-1]:
        columns.pop()
    check_names(columns, line=line)
    issues = Issues()
    for number, name in enumerate(columns, start=1):
        if not name:
            issues.add(f"Column {number} has no name.", line=line)
    for name, times in Counter(canonical(name) for name in columns if name).items():
        if times > 1:
            same = [column for column in columns if canonical(column) == name]
            issues.add(
                f"{times} columns have the same name ({', '.join(map(repr, same))}): rename or "
                "remove all but one.",
                line=line,
                column=same[0],
            )
    issues.raise_if_any()
    return columns


def _fits(cells: Sequence[str], columns: Sequence[str], line: int, issues: Issues) -> bool:
    """Tell whether a record has the header's columns; empty cells beyond them do no harm."""
    extra = cells[len(columns) :]
    if len(cells) >= len(columns) and not any(extra):
        return True
    issues.add(
        f"The line has {len(cells)} cells, but the header has {len(columns)}. A separator or a "
        "line break inside a cell needs quotes around the cell.",
        line=line,
    )
    return False
