"""A sheet as it was read: columns, rows, what was found out, and how large it may be."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from catalogue.issues import Issue, Issues, refuse

MOST_COLUMNS = 1000
LONGEST_COLUMN = 500
"""Characters of a column's name."""
SEVERAL = ", "
"""Between the texts of a feed's element, or column, that an item has more than once."""


class SheetSource(StrEnum):
    """Whose export a sheet is."""

    PLAIN = "plain"
    """Nobody's: columns mean what they are called."""
    SHOPIFY = "shopify"
    """A Shopify product CSV, with old or new headers."""
    WOOCOMMERCE = "woocommerce"
    """A WooCommerce product CSV."""
    GOOGLE = "google"
    """A Google Merchant feed: TSV, RSS 2.0 or Atom."""
    WIX = "wix"
    """A Wix Stores product CSV, of the old catalogue or the new."""
    SQUARESPACE = "squarespace"
    """A Squarespace product CSV."""
    MAGENTO = "magento"
    """A Magento (Adobe Commerce) product CSV, of version 2 or 1."""
    BIGCOMMERCE = "bigcommerce"
    """A BigCommerce product CSV, of version 3 or 2."""
    PRESTASHOP = "prestashop"
    """A PrestaShop list of products, or its file for imports."""
    ETSY = "etsy"
    """Etsy's download of listings."""
    SQUARE = "square"
    """A Square item library."""
    ODOO = "odoo"
    """An Odoo export of products or variants."""
    AMAZON = "amazon"
    """An Amazon inventory file (flat file)."""
    EBAY = "ebay"
    """An eBay file of listings."""


class SheetFormat(StrEnum):
    """How a sheet is written."""

    CSV = "csv"
    """Text with separators, TSV too."""
    JSON_LINES = "jsonl"
    """One JSON object per line."""
    JSON = "json"
    """Rows in the body of a request."""
    XML = "xml"
    """A feed of items or entries."""
    XLSX = "xlsx"
    """A workbook of Excel's since 2007 (ISO/IEC 29500)."""
    XLS = "xls"
    """A workbook of Excel's until 2003."""
    ODS = "ods"
    """A workbook of LibreOffice and others (OpenDocument)."""


@dataclass(frozen=True, kw_only=True)
class RememberedMapping:
    """What was said of the columns of sheets with the same header before."""

    id: str
    columns: Mapping[str, str]
    """As in `Hints`; names may be written otherwise, as far as `signature_of` takes them for
    equal."""
    source: SheetSource | None
    """Whose export they were said to be."""
    last_used_at: datetime


Recall = Callable[[str], RememberedMapping | None]
"""Gives what is remembered of a header, by `catalogue.proposals.signature_of`."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What the caller knows about a file; None: it is found out."""

    source: SheetSource | None = None
    encoding: str | None = None
    """A name in `catalogue.sheets.encodings.ENCODINGS`."""
    separator: str | None = None
    """One character."""
    worksheet: str | None = None
    """Which of a workbook's."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The sheet's column by packshot's name of it (`sku`, `title`, `color`, `prompt`, …)."""
    models: Sequence[str] = ()
    """Names of the models that make images here."""
    takes_sure: bool = False
    """Whether columns that surely are what they seem are taken for it: see
    `catalogue.proposals`."""
    clean_titles: bool = True
    """Whether titles lose what says nothing of a look: codes, sizes, sales, their brand."""
    recall: Recall | None = None
    """What knows mappings that were said before; None: none is taken."""


_NOTHING: Mapping[str, Any] = MappingProxyType({})
"""One for all rows: a sheet has a hundred thousand of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetRow:
    """One product."""

    line: int
    """Where it begins in the file, from 1; for rows sent as JSON their number, from 1."""
    cells: Mapping[str, Any]
    """By the column's own name, as they came. Text in a CSV, less the empty ones; any JSON value
    otherwise."""
    product: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """Cells of the product that this row is a variant of: they fill its empty ones."""
    fields: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """What the source's columns say, by packshot's names: sku, title, type, color, …"""
    options: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Options or attributes of this variant by the names that the shop gave them."""
    group: str = ""
    """Of which product this row is a variant, by whatever its variants share; empty: of none."""
    photograph: str = ""
    """The address of a photograph of it, as the sheet says it; empty: it says none."""

    def get(self, column: str | None) -> Any:
        """Return a cell, else that of the row's product, else None."""
        if column is None:
            return None
        cell = self.cells.get(column)
        return self.product.get(column) if cell is None or cell == "" else cell

    def values(self) -> Mapping[str, Any]:
        """Return what templates see: options, cells, filled from the product, and fields."""
        if not self.product and not self.fields and not self.options:
            return self.cells
        filled = {name: value for name, value in self.cells.items() if value not in (None, "")}
        return {**self.options, **self.cells, **self.product, **filled, **self.fields}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file was read: detected, or as the caller said."""

    format: SheetFormat
    source: SheetSource = SheetSource.PLAIN
    encoding: str | None = None
    """None where rows came as JSON."""
    separator: str | None = None
    """None where there is none."""
    worksheet: str | None = None
    """Of a workbook."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The sheet's column by packshot's name of it."""
    template: str | None = None
    """The source's own, for rows without a prompt when nobody gives another."""
    skipped: int = 0
    """Rows that are no product of their own, such as further images."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "columns": dict(self.columns)}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole file."""

    columns: Sequence[str]
    """In the file's order."""
    rows: Sequence[SheetRow]
    reading: Reading
    warnings: Sequence[Issue] = field(default_factory=tuple)
    """About the file as a whole, such as its encoding."""
    fixed_columns: bool = True
    """Whether every row has every column, if only empty: so in a CSV, not in JSONL."""
    issues: Issues = field(default_factory=Issues)
    """What is wrong with lines that could not be read; they are not among the rows."""
    notes: Sequence[Issue] = field(default_factory=tuple)
    """What is right and good to know about the file as a whole."""
    header_line: int = 1
    """Where the names of columns are."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Columns by packshot's names, as far as their names alone do not say it: what the caller
    said, what was remembered, what surely is so."""
    remembered: RememberedMapping | None = None
    """By which the columns were read."""

    @property
    def line_of_columns(self) -> int | None:
        """Return the line that names the columns; None where each row names its own."""
        return self.header_line if self.fixed_columns else None


def check_names(columns: Sequence[str], *, line: int | None = None) -> None:
    """Check that there are not too many columns, and none with an endless name.

    Raises:
        InvalidSheetError: saying how many are too many, or naming those that are too long.
    """
    if len(columns) > MOST_COLUMNS:
        refuse(
            f"The sheet has {len(columns):,} columns; the limit is {MOST_COLUMNS:,}. Remove those "
            "that no image needs.",
            line=line,
        )
    issues = Issues()
    for number, name in enumerate(columns, start=1):
        if len(name) > LONGEST_COLUMN:
            issues.add(
                f"The name of column {number} has {len(name):,} characters; {LONGEST_COLUMN} is "
                f"the most. It begins with {name[:40]!r}.",
                line=line,
            )
    issues.raise_if_any()


MOST_CELLS = 5_000_000
"""Cells that say something, of all rows together: some 500 MB of Python's objects."""
_NESTED = 4
"""Cells that an object or a list of JSON counts for, by the memory that it takes."""
_WEIGHTS = {",": 1, "{": _NESTED, "[": _NESTED}
_JSON_PARTS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{\[,]', re.DOTALL)


class Room:
    """What there is room for in a sheet, row by row."""

    def __init__(self, *, max_rows: int | None = None, max_cells: int = MOST_CELLS) -> None:
        """Set the limits; without `max_rows` there may be any number of rows."""
        self._max_rows = max_rows
        self._max_cells = max_cells
        self._rows = 0
        self._cells = 0

    def take(self, cells: int, *, line: int) -> None:
        """Count a row with so many cells that say something.

        Raises:
            InvalidSheetError: It is one row, or some cells, too many.
        """
        self._rows += 1
        self._cells += cells
        if self._max_rows is not None and self._rows > self._max_rows:
            refuse(
                f"The sheet has more than {self._max_rows:,} rows, which is the most of one "
                f"sheet. Split it before line {line}.",
                line=line,
            )
        if self._cells > self._max_cells:
            refuse(
                f"The sheet has more than {self._max_cells:,} cells that are not empty, which is "
                f"the most of one sheet. Split it before line {line}, or remove the columns that "
                "no image needs.",
                line=line,
            )

    def check_json(self, text: str) -> None:
        """Count how many values JSON has before any of them is made.

        Raises:
            InvalidSheetError: There are too many.
        """
        # Commas and brackets inside of texts are counted too: enough for nearly every file.
        at_most = text.count(",") + _NESTED * (text.count("{") + text.count("["))
        if at_most <= self._max_cells:
            return
        weight = 0
        for part in _JSON_PARTS.finditer(text):
            weight += _WEIGHTS.get(text[part.start()], 0)
            if weight > self._max_cells:
                refuse(
                    f"The JSON has more than {self._max_cells:,} values, of which an object or a "
                    f"list counts for {_NESTED}; that is the most of one sheet. Split it."
                )
