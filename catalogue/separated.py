"""CSV and its relatives: separator detected, lines counted as an editor counts them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from catalogue.checks import LONGEST_CELL
from catalogue.encoding import decode
from catalogue.extent import Room
from catalogue.issues import Issues, refuse
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.separated_records import TAB, BrokenRecordError, Record, read_records
from catalogue.separators import find_separator, fits
from catalogue.sheet import SEVERAL, Format, Hints, Reading, Row, Sheet, check_names


def read_csv(content: bytes, hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Read a CSV with a header line.

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
    found, skipped = find_separator(decoded.text)
    separator = hints.separator or found
    issues = Issues()
    records = _whole(read_records(decoded.text, separator, skipped=skipped), issues)
    line, header = next(records, (1, []))
    if not header:
        issues.raise_if_any()
        refuse("The file is empty: the first line must name the columns.", line=1)
    columns = _columns(header, line, separator)
    names = list(dict.fromkeys(columns))
    rows = []
    for begins, cells in records:
        if fits(cells, len(columns), separator):
            filled = _filled(columns, cells, repeated=len(names) < len(columns))
            room.take(len(filled), line=begins)
            rows.append(Row(line=begins, cells=filled))
        else:
            issues.add(_misfit(cells, columns, separator, hints), line=begins)
    if not rows:
        issues.raise_if_any()
        refuse("The sheet has a header and no rows: there is nothing to make.", line=line)
    return Sheet(
        columns=names,
        rows=rows,
        reading=Reading(format=Format.CSV, encoding=decoded.encoding, separator=separator),
        warnings=decoded.warnings,
        issues=issues,
    )


def _whole(records: Iterator[Record], issues: Issues) -> Iterator[Record]:
    """Give records up to the first that cannot be read, which is noted."""
    try:
        yield from records
    except BrokenRecordError as error:
        issues.add(
            f"Line {error.line} cannot be read ({error}), and nothing behind it was. A cell that "
            "begins with a quote must end with one, and a quote inside it is written twice: "
            f'"19"" rack". No cell has more than {LONGEST_CELL:,} characters.',
            line=error.line,
        )


def _columns(header: Sequence[str], line: int, separator: str) -> list[str]:
    columns = list(header)
    while columns and not columns[-1]:
        columns.pop()
    check_names(columns, line=line)
    issues = Issues()
    for number, name in enumerate(columns, start=1):
        if not name:
            issues.add(f"Column {number} has no name.", line=line)
    for name, times in Counter(canonical(name) for name in columns if name).items():
        same = [column for column in columns if canonical(column) == name]
        if times > 1 and not _may_repeat(same, name, separator):
            issues.add(
                f"{times} columns have the same name ({', '.join(map(repr, same))}): rename or "
                "remove all but one.",
                line=line,
                column=same[0],
            )
    issues.raise_if_any()
    return columns


def _may_repeat(same: Sequence[str], name: str, separator: str) -> bool:
    """Tell whether columns are one: feeds with tabs repeat `shipping` for each of its values."""
    return separator == TAB and len(set(same)) == 1 and name not in (*KNOWN, "id", "title")


def _filled(columns: Sequence[str], cells: Sequence[str], *, repeated: bool) -> dict[str, str]:
    """Give the cells that say something by their columns' names."""
    pairs = zip(columns, cells, strict=False)
    if not repeated:
        return {name: cell for name, cell in pairs if cell}
    filled: dict[str, list[str]] = {}
    for name, cell in pairs:
        if cell:
            filled.setdefault(name, []).append(cell)
    return {name: SEVERAL.join(found) for name, found in filled.items()}


def _misfit(cells: Sequence[str], columns: Sequence[str], separator: str, hints: Hints) -> str:
    taken = "" if hints.separator else ", as was found out; if it is another, name it"
    return (
        f"The line has {len(cells)} cells, but the header has {len(columns)} (`separator` is "
        f"{'a tab' if separator == TAB else repr(separator)}{taken}). A separator or a line break "
        "inside a cell needs quotes around the cell."
    )
