"""How a CSV file is laid out: what separates its columns, and which line names them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.sheets.quotes import TAB
from catalogue.sheets.records import BrokenRecordError, CsvRecord, read_records

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
