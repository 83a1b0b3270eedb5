"""Shopify's product CSV: one line per variant, with the product's own cells on its first line only.

Headers as exported until 2024 (`Handle`, `Variant SKU`, `Body (HTML)`) and since (`URL handle`,
`SKU`, `Description`). Source: Shopify Help Center, "Using CSV files to import and export products".
"""

import re
from collections.abc import Mapping
from typing import Any

from catalogue.issues import Issues
from catalogue.markup import plain_text
from catalogue.names import canonical
from catalogue.platforms.fields import (
    APPEARANCE,
    Adapted,
    Columns,
    complete,
    kind_of,
    listed,
    name_of,
    note,
    option_meaning,
    slug,
    text_of,
)
from catalogue.sheet import Row, Sheet

_OF_VARIANT = re.compile(
    r"(variant_|option\d_(value|linked)|image_|product_image|sku$|barcode$|price$|compare_at_price"
    r"|cost_per_item|charge_tax|tax_code|unit_price|inventory_|continue_selling|weight_"
    r"|requires_shipping|fulfillment_service)"
)
"""Cells that say something about one variant, and are not filled from the product's first line."""

_NO_OPTION = "Default Title"
"""What Shopify writes for a product without options."""


def matches(columns: Columns) -> bool:
    """Tell whether these are an export's columns."""
    usual = ("variant_sku", "variant_price", "option1_name", "option1_value", "body_html",
             "product_image_url", "published_on_online_store")  # fmt: skip
    return not missing(columns) and columns.has(*usual) > 0


def missing(columns: Columns) -> list[str]:
    """Name the columns without which it is none."""
    absent = []
    if columns.find("handle", "handle", "url_handle") is None:
        absent.append("'Handle' or 'URL handle' (`handle`)")
    if columns.find("title", "title") is None:
        absent.append("'Title' (`title`)")
    return absent


def adapt(sheet: Sheet, columns: Columns) -> Adapted:
    """Fill the products' cells forward over their variants, and leave out lines of images."""
    reader = _Reader(columns)
    issues = Issues()
    rows, images, nameless, unsold, cards = [], [], [], [], []
    for row in sheet.rows:
        first = reader.product_of(row, issues)
        if first is None:
            continue
        if first is not row and reader.is_image(row):
            images.append(row.line)
            continue
        rows.append(reader.read(row, first))
        if not reader.has_sku(row):
            nameless.append(row.line)
        if reader.is_gift_card(first):
            cards.append(row.line)
        elif not reader.is_sold(first):
            unsold.append(row.line)
    return Adapted(
        rows=rows,
        columns=reader.columns,
        notes=[
            *note(
                images,
                "The row only holds a further image of its product and was skipped",
                "{number} rows only hold further images of their products and were skipped",
            ),
            *note(
                nameless,
                "The row has no SKU: its images are named by handle and options",
                "{number} rows have no SKU: their images are named by handle and options",
            ),
            *note(
                unsold,
                "The product is a draft, archived or not published; its image is made all the same",
                "{number} rows are of products that are drafts, archived or not published; their "
                "images are made all the same",
            ),
            *note(
                cards,
                "The product is a gift card; its image is made all the same",
                "{number} rows are of gift cards; their images are made all the same",
            ),
        ],
        issues=issues,
    )


class _Reader:
    """Reads the lines of one export."""

    def __init__(self, columns: Columns) -> None:
        find = columns.find
        self.handle = find("handle", "handle", "url_handle")
        self.sku = find("sku", "variant_sku", "sku")
        self.title = find("title", "title")
        self.type = find("type", "type", "custom_product_type")
        self.category = columns.usual("product_category", "standard_product_type")
        self.description = find("description", "body_html", "description")
        self.brand = find("brand", "vendor")
        # Of the product as a whole: it may list the colours of all its variants.
        self.color = columns.usual("google_shopping_color") or columns.beginning(
            "color_product_metafields", "colour_product_metafields"
        )
        self.status = columns.usual("status")
        self.published = columns.usual("published", "published_on_online_store")
        self.gift_card = columns.usual("gift_card")
        self.named = listed({name: columns.named(name) for name in APPEARANCE})
        self.options = [
            (name, value)
            for number in (1, 2, 3)
            if (name := columns.usual(f"option{number}_name"))
            and (value := columns.usual(f"option{number}_value"))
        ]
        self._marks = [value for _, value in self.options] + [
            column
            for column in (
                self.sku,
                columns.usual("variant_price", "price"),
                columns.usual("variant_barcode", "barcode"),
            )
            if column
        ]
        self._shared = [one for one in columns.all if not _OF_VARIANT.match(canonical(one))]
        self._first: dict[str, Row] = {}
        self._products: dict[str, tuple[Mapping[str, Any], str]] = {}

    @property
    def columns(self) -> dict[str, str]:
        """The sheet's column by field, as far as one column gives it."""
        return (
            listed(
                {
                    "sku": self.sku or self.handle,
                    "title": self.title,
                    "type": self.type or self.category,
                    "description": self.description,
                    "brand": self.brand,
                    "color": self.color,
                }
            )
            | self.named
        )

    def product_of(self, row: Row, issues: Issues) -> Row | None:
        """Give the first line of a row's product; None for a line of none, which is noted."""
        handle = text_of(row.get(self.handle))
        if not handle:
            issues.add(
                "The row has no handle, so it belongs to no product. Export the products again, "
                "or send the sheet with `source` plain.",
                line=row.line,
                column=self.handle,
            )
            return None
        return self._first.setdefault(handle, row)

    def is_image(self, row: Row) -> bool:
        """Tell whether a line says nothing about a variant: it holds one more image."""
        return not any(text_of(row.cells.get(column)) for column in self._marks)

    def has_sku(self, row: Row) -> bool:
        """Tell whether the shop gave the variant a SKU."""
        return bool(text_of(row.cells.get(self.sku or "")))

    def is_sold(self, first: Row) -> bool:
        """Tell whether a product is to be seen in the shop."""
        status = text_of(first.cells.get(self.status or "")).lower()
        published = text_of(first.cells.get(self.published or "")).lower()
        return status not in ("draft", "archived") and published != "false"

    def is_gift_card(self, first: Row) -> bool:
        """Tell whether a product is a gift card."""
        return text_of(first.cells.get(self.gift_card or "")).lower() == "true"

    def read(self, row: Row, first: Row) -> Row:
        """Give a line its product's cells and its fields."""
        shared, description = self._product(first)
        filled = Row(line=row.line, cells=row.cells, product=shared)
        options = self._options(filled)
        fields: dict[str, Any] = {
            "title": name_of(filled.get(self.title)),
            "type": name_of(filled.get(self.type)) or kind_of(filled.get(self.category)),
            "brand": filled.get(self.brand),
            "description": description,
        }
        fields |= {name: filled.get(column) for name, column in self.named.items()}
        for name, value in options:
            meaning = option_meaning(name)
            if meaning and not text_of(fields.get(meaning)):
                fields[meaning] = value
        if not text_of(fields.get("color")):
            fields["color"] = text_of(filled.get(self.color)).replace(";", " and")
        sku = row.cells.get(self.sku or "") or slug(
            filled.get(self.handle), *(value for _, value in options)
        )
        return Row(
            line=row.line,
            cells=row.cells,
            product=shared,
            fields={"sku": text_of(sku), **complete(**fields)},
        )

    def _product(self, first: Row) -> tuple[Mapping[str, Any], str]:
        """Give what a product's lines share, made once: exports repeat it for every variant."""
        handle = text_of(first.get(self.handle))
        known = self._products.get(handle)
        if known is None:
            shared = {name: first.cells[name] for name in self._shared if first.cells.get(name)}
            description = plain_text(text_of(shared.get(self.description or "")))
            known = self._products[handle] = shared, description
        return known

    def _options(self, row: Row) -> list[tuple[str, str]]:
        pairs = ((text_of(row.get(name)), text_of(row.get(value))) for name, value in self.options)
        return [(name, value) for name, value in pairs if value and value != _NO_OPTION]
