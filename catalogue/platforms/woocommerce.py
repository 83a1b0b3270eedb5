"""WooCommerce's product CSV: variations are lines of their own, below a variable product's.

Source: WooCommerce, "Product CSV Importer & Exporter", the schema of its columns.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from catalogue.platforms.fields import (
    LOOK,
    Adapted,
    Choices,
    Columns,
    complete,
    kind_of,
    listed,
    name_of,
    note,
    option_meanings,
    several,
    slug,
    take_options,
    text_of,
)
from catalogue.platforms.photograph import FIELD, first_address
from catalogue.platforms.woocommerce_headers import english_header
from catalogue.prompts.attributes import APPEARANCE, folded
from catalogue.prompts.markup import plain_text
from catalogue.sheets.model import Sheet, SheetRow

_OF_ROW = re.compile(
    r"(id$|type$|sku$|gtin|parent$|position$|attribute_|images$|regular_price|sale_price|date_"
    r"|tax_|in_stock|stock|low_stock|backorders|sold_|weight_|length_|width_|height_|download"
    r"|button_|external_|grouped_|upsells|cross_sells|meta_)"
)
"""Cells that a variation does not take over from its product."""

_MOST_ATTRIBUTES = 20


def matches(columns: Columns) -> bool:
    """Check whether these are an export's columns, in whatever language."""
    columns = columns.translated(english_header)
    usual = ("id", "parent", "published", "visibility_in_catalog", "is_featured", "categories",
             "images", "regular_price", "attribute_1_name")  # fmt: skip
    # Other shops have ids, categories and images as well.
    own = columns.has("parent", "visibility_in_catalog", "is_featured", "regular_price",
                      "attribute_1_name", "published")  # fmt: skip
    is_likely = own > 0 and columns.has(*usual) >= 2
    return not missing(columns) and columns.has("sku") == 1 and is_likely


def missing(columns: Columns) -> list[str]:
    """Name the columns without which it is none."""
    columns = columns.translated(english_header)
    absent = []
    if columns.find("kind", "type") is None:
        absent.append("'Type' (`kind`)")
    if columns.find("title", "name") is None:
        absent.append("'Name' (`title`)")
    return absent


def adapt(sheet: Sheet, columns: Columns) -> Adapted:
    """Join variations to their products, and leave out what is no product of its own."""
    reader = _WooCommerceReader(columns.translated(english_header), sheet.rows)
    rows, variable, grouped, nameless, unpublished = [], [], [], [], []
    for row in sheet.rows:
        kinds = reader.kinds(row)
        if "grouped" in kinds:
            grouped.append(row.line)
        elif "variable" in kinds and reader.has_variations(row):
            variable.append(row.line)
        else:
            rows.append(reader.read(row))
            if not reader.has_sku(row):
                nameless.append(row.line)
            if not reader.is_published(row):
                unpublished.append(row.line)
    return Adapted(
        rows=rows,
        columns=reader.columns,
        notes=[
            *note(
                variable,
                "The variable product was skipped: its variations are made instead",
                "{number} variable products were skipped: their variations are made instead",
            ),
            *note(
                grouped,
                "The grouped product was skipped: it only groups other products",
                "{number} grouped products were skipped: they only group other products",
            ),
            *note(
                nameless,
                "The row has no SKU: its images are named by id",
                "{number} rows have no SKU: their images are named by id",
            ),
            *note(
                unpublished,
                "The product is a draft or private; its image is made anyway",
                "{number} rows are of products that are drafts or private; their images are made "
                "all the same",
            ),
            *reader.choices.notes(),
        ],
    )


class _WooCommerceReader:
    """Reads the lines of one export."""

    def __init__(self, columns: Columns, rows: Sequence[SheetRow]) -> None:
        find = columns.find
        self.identity = find("id", "id")
        self.kind = find("kind", "type")
        self.parent = find("parent", "parent")
        self.sku = find("sku", "sku")
        self.title = find("title", "name")
        self.type = find("type", "categories")
        self.description = find("description", "description")
        self.short = columns.usual("short_description")
        self.brand = find("brand", "brands", "brand")
        self.published = columns.usual("published")
        self.image = find(FIELD, "images")
        self.named = listed({name: columns.named(name) for name in APPEARANCE})
        self.attributes = columns.pairs(
            (
                f"attribute_{number}_name",
                (f"attribute_{number}_value_s", f"attribute_{number}_value"),
            )
            for number in range(1, _MOST_ATTRIBUTES + 1)
        )
        of_row = {self.identity, self.kind, self.parent, self.sku, *self.named.values()}
        self._shared = [
            one
            for one in columns.all
            if one not in of_row and not _OF_ROW.match(columns.name_of(one))
        ]
        self._products = {mark: row for row in rows for mark in self._marks(row)}
        self._varied = {text_of(row.cells.get(self.parent or "")) for row in rows} - {""}
        self.choices = Choices()
        self._meanings = option_meanings(pair for row in rows for pair in self._attributes(row))
        self._read: dict[int, tuple[Mapping[str, Any], str]] = {}

    @property
    def columns(self) -> dict[str, str]:
        """The sheet's column by field, as far as one column gives it."""
        return (
            listed(
                {
                    "sku": self.sku or self.identity,
                    "title": self.title,
                    "type": self.type,
                    "description": self.description or self.short,
                    "brand": self.brand,
                }
            )
            | self.named
        )

    def kinds(self, row: SheetRow) -> set[str]:
        """Return a line's types, such as `simple`, `variable` and `variation`."""
        return {kind.strip().lower() for kind in text_of(row.get(self.kind)).split(",")}

    def has_variations(self, row: SheetRow) -> bool:
        """Check whether other lines are variations of this one."""
        return any(mark in self._varied for mark in self._marks(row))

    def has_sku(self, row: SheetRow) -> bool:
        """Check whether the shop gave the product a SKU."""
        return bool(text_of(row.cells.get(self.sku or "")))

    def is_published(self, row: SheetRow) -> bool:
        """Check whether a product is to be seen in the shop: 1, not 0 (private) or -1 (draft)."""
        both = (row, self._product_of(row) or row)
        return all(text_of(one.cells.get(self.published or "")) not in ("0", "-1") for one in both)

    def read(self, row: SheetRow) -> SheetRow:
        """Read a line, with its product's cells, into fields."""
        product, is_variation = self._product_of(row), "variation" in self.kinds(row)
        shared, description = self._product(product or row)
        filled = SheetRow(line=row.line, cells=row.cells, product=shared if product else {})
        attributes = self._taken_attributes(row, is_variation=is_variation)
        fields: dict[str, Any] = {
            # A variation's own name ends in its attributes: sizes that look alike would differ.
            "title": self._title(product or row) or self._title(row),
            "type": kind_of(*several(filled.get(self.type))),
            "brand": filled.get(self.brand),
            "description": description,
        }
        fields |= {name: filled.get(column) for name, column in self.named.items()}
        take_options(fields, attributes, self._meanings)
        return SheetRow(
            line=row.line,
            cells=row.cells,
            product=filled.product,
            fields={"sku": self._sku(row, product, attributes), **complete(**fields)},
            options=dict(attributes),
            group=text_of(row.cells.get(self.parent or "")) if is_variation else "",
            photograph=first_address(
                *(one.cells.get(self.image or "") for one in (row, product or row))
            ),
        )

    def _taken_attributes(self, row: SheetRow, *, is_variation: bool) -> Sequence[tuple[str, str]]:
        """Return a line's attributes; where they are a choice of several, the one that is taken."""
        attributes = self._attributes(row)
        if is_variation:
            return attributes
        return [
            (name, self.choices.take(value, row.line) if self._is_seen(name) else value)
            for name, value in attributes
        ]

    def _is_seen(self, name: str) -> bool:
        return self._meanings.get(name) in LOOK

    def _title(self, row: SheetRow) -> str:
        """Return a name, less the attributes that a variation's ends in."""
        title = name_of(row.get(self.title))
        name, _, ending = title.rpartition(" - ")
        if not name or "variation" not in self.kinds(row):
            return title
        values = {folded(value) for _, value in self._attributes(row)}
        said = (folded(one) for one in ending.split(", "))
        return name if folded(ending) in values or values.issuperset(said) else title

    def _product_of(self, row: SheetRow) -> SheetRow | None:
        """Return the product that a line is a variation of."""
        if "variation" not in self.kinds(row):
            return None
        return self._products.get(text_of(row.cells.get(self.parent or "")))

    def _sku(
        self, row: SheetRow, product: SheetRow | None, attributes: Sequence[tuple[str, str]]
    ) -> str:
        own = text_of(row.cells.get(self.sku or ""))
        identity = text_of(row.cells.get(self.identity or ""))
        if own or identity:
            return own or f"id-{identity}"
        parent = text_of(product.cells.get(self.sku or "")) if product else ""
        return slug(parent or row.get(self.title), *(value for _, value in attributes))

    def _marks(self, row: SheetRow) -> list[str]:
        """Return what variations may call their product: its SKU, or `id:` and its id."""
        sku, identity = (
            text_of(row.cells.get(column or "")) for column in (self.sku, self.identity)
        )
        return [mark for mark in (sku, identity and f"id:{identity}") if mark]

    def _product(self, row: SheetRow) -> tuple[Mapping[str, Any], str]:
        """Return what a product's variations share, made once."""
        known = self._read.get(row.line)
        if known is None:
            shared = {name: row.cells[name] for name in self._shared if row.cells.get(name)}
            long, short = (
                text_of(row.cells.get(one or "")) for one in (self.description, self.short)
            )
            known = self._read[row.line] = shared, plain_text(short or long)
        return known

    def _attributes(self, row: SheetRow) -> list[tuple[str, str]]:
        pairs = (
            (name_of(row.cells.get(name)), name_of(row.cells.get(value)))
            for name, value in self.attributes
        )
        return [(name, value) for name, value in pairs if value]
