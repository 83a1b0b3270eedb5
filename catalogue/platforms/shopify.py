"""Shopify's product CSV: one line per variant, with the product's own cells on its first line only.

Headers as exported until 2024 (`Handle`, `Variant SKU`, `Body (HTML)`) and since (`URL handle`,
`SKU`, `Description`). Source: Shopify Help Center, "Using CSV files to import and export products".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from catalogue.issues import Issues
from catalogue.names import canonical
from catalogue.platforms.fields import (
    Adapted,
    Choices,
    Columns,
    complete,
    kind_of,
    listed,
    name_of,
    note,
    option_meanings,
    slug,
    take_options,
    text_of,
)
from catalogue.platforms.photograph import FIELD, address_in, first_address
from catalogue.prompts.attributes import APPEARANCE, meaning_of
from catalogue.prompts.markup import plain_text
from catalogue.sheets.model import Sheet, SheetRow

_OF_VARIANT = re.compile(
    r"(variant_|option\d_(value|linked)|image_|product_image|sku$|barcode$|price$|compare_at_price"
    r"|cost_per_item|charge_tax|tax_code|unit_price|inventory_|continue_selling|weight_"
    r"|requires_shipping|fulfillment_service)"
)
"""Cells that say something about one variant, and are not filled from the product's first line."""

_METAFIELD = re.compile(r"\(product\.metafields\.[\w-]+\.([\w-]+)\)\s*$", re.IGNORECASE)
"""What Shopify writes behind a metafield's name: its namespace and its key."""

_MOST_METAFIELDS = 100
"""Columns of a product's metafields that are read; each is looked at for every variant."""

_NO_OPTION = "Default Title"
"""What Shopify writes for a product without options."""


def matches(columns: Columns) -> bool:
    """Check whether these are an export's columns."""
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
    """Fill the products' cells over their variants, and leave out lines of images."""
    reader = _ShopifyReader(columns, sheet.rows)
    issues = Issues()
    rows, images, nameless, unsold, cards = [], [], [], [], []
    for row in sheet.rows:
        first = reader.first_of(row, issues)
        if first is None:
            continue
        if first is not row and reader.is_image(row):
            images.append(row.line)
            continue
        rows.append(reader.read(row))
        if not reader.has_sku(row):
            nameless.append(row.line)
        if reader.is_gift_card(row):
            cards.append(row.line)
        elif not reader.is_sold(row):
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
                "The product is a draft, archived or not published; its image is made anyway",
                "{number} rows are of products that are drafts, archived or not published; their "
                "images are made all the same",
            ),
            *note(
                cards,
                "The product is a gift card; its image is made anyway",
                "{number} rows are of gift cards; their images are made anyway",
            ),
            *reader.choices.notes(),
        ],
        issues=issues,
    )


class _ShopifyReader:
    """Reads the lines of one export."""

    def __init__(self, columns: Columns, rows: Sequence[SheetRow]) -> None:
        find = columns.find
        self.handle = find("handle", "handle", "url_handle")
        self.sku = find("sku", "variant_sku", "sku")
        self.barcode = columns.usual("variant_barcode", "barcode")
        self.price = columns.usual("variant_price", "price")
        self.image = columns.usual("image_src", "product_image_url")
        self.image_position = columns.usual("image_position")
        self.own_image = find(FIELD, "variant_image", "variant_image_url")
        self.title = find("title", "title")
        self.type = find("type", "type", "custom_product_type")
        self.category = columns.usual("product_category", "standard_product_type")
        self.description = find("description", "body_html", "description")
        self.brand = find("brand", "vendor")
        self.status = columns.usual("status")
        self.published = columns.usual("published", "published_on_online_store")
        self.gift_card = columns.usual("gift_card")
        self.named = listed({name: columns.named(name) for name in APPEARANCE})
        # Of the product as a whole: it may list the colours of all its variants.
        self.of_product = _of_product(columns)
        self.options = columns.pairs(
            (f"option{number}_name", (f"option{number}_value",)) for number in (1, 2, 3)
        )
        self._shared = [one for one in columns.all if not _OF_VARIANT.match(canonical(one))]
        own = (self.title, self.type, self.category, self.description, self.brand, self.status,
               self.published, self.gift_card)  # fmt: skip
        names = (name for name, _ in self.options)
        self._anywhere = {*filter(None, own), *self.of_product, *names}
        self._lines: dict[str, list[SheetRow]] = {}
        for row in rows:
            self._lines.setdefault(self._handle(row), []).append(row)
        self.choices = Choices()
        self._products: dict[str, tuple[Mapping[str, Any], str]] = {}
        self._photographs: dict[str, str] = {}
        self._seen: set[tuple[str, ...]] = set()
        self._meanings = option_meanings(
            pair for row in rows for pair in self._options(self._filled(row))
        )

    @property
    def columns(self) -> dict[str, str]:
        """The sheet's column by field, as far as one column gives it."""
        fields = {
            "sku": self.sku or self.handle,
            "title": self.title,
            "type": self.type or self.category,
            "description": self.description,
            "brand": self.brand,
        }
        of_product = {meaning: column for column, meaning in reversed(self.of_product.items())}
        return of_product | listed(fields) | self.named

    def first_of(self, row: SheetRow, issues: Issues) -> SheetRow | None:
        """Return the first line of a row's product; None for a line of none, which is noted."""
        handle = self._handle(row)
        if not handle:
            issues.add(
                "The row has no handle, so it belongs to no product. Export the products again, "
                "or send the sheet with `source` plain.",
                line=row.line,
                column=self.handle,
            )
            return None
        return self._lines[handle][0]

    def is_image(self, row: SheetRow) -> bool:
        """Check whether a line that is not a product's first holds one more image of it.

        Other programs repeat the options or a price beside the image.
        """
        if self._cell(row, self.sku) or self._cell(row, self.barcode):
            return False
        values = [value for _, column in self.options if (value := self._cell(row, column))]
        has_image = bool(self._cell(row, self.image))
        if values:
            return has_image and self._key(row) in self._seen
        return has_image or not self._cell(row, self.price)

    def has_sku(self, row: SheetRow) -> bool:
        """Check whether the shop gave the variant a SKU."""
        return bool(self._cell(row, self.sku))

    def is_sold(self, row: SheetRow) -> bool:
        """Check whether a row's product is to be seen in the shop."""
        filled = self._filled(row)
        status, published = (
            text_of(filled.product.get(one or "")).lower() for one in (self.status, self.published)
        )
        return status not in ("draft", "archived") and published != "false"

    def is_gift_card(self, row: SheetRow) -> bool:
        """Check whether a row's product is a gift card."""
        return text_of(self._filled(row).product.get(self.gift_card or "")).lower() == "true"

    def read(self, row: SheetRow) -> SheetRow:
        """Read a line, with its product's cells, into fields."""
        filled = self._filled(row)
        options = self._options(filled)
        self._seen.add(self._key(row))
        fields: dict[str, Any] = {
            "title": name_of(filled.get(self.title)),
            "type": name_of(filled.get(self.type)) or kind_of(filled.get(self.category)),
            "brand": filled.get(self.brand),
            "description": self._product(row)[1],
        }
        fields |= {name: filled.get(column) for name, column in self.named.items()}
        take_options(fields, options, self._meanings)
        of_product = {column: text_of(filled.get(column)) for column in self.of_product}
        for column, meaning in self.of_product.items():
            if not text_of(fields.get(meaning)):
                fields[meaning] = self.choices.take(of_product[column], row.line)
        sku = row.cells.get(self.sku or "") or slug(
            filled.get(self.handle), *(value for _, value in options)
        )
        return SheetRow(
            line=row.line,
            cells=row.cells,
            product=filled.product,
            fields={"sku": text_of(sku), **complete(**fields)},
            options=dict(options),
            group=self._handle(row),
            photograph=address_in(row.cells.get(self.own_image or "")) or self._photograph(row),
        )

    def _photograph(self, row: SheetRow) -> str:
        """Return the product's first photograph: the others stand on whichever lines follow it."""
        handle = self._handle(row)
        if handle not in self._photographs:
            lines = self._lines[handle]
            first = [one for one in lines if self._cell(one, self.image_position) == "1"]
            cells = (one.cells.get(self.image or "") for one in (*first, *lines))
            self._photographs[handle] = first_address(*cells)
        return self._photographs[handle]

    def _filled(self, row: SheetRow) -> SheetRow:
        return SheetRow(line=row.line, cells=row.cells, product=self._product(row)[0])

    def _product(self, row: SheetRow) -> tuple[Mapping[str, Any], str]:
        """Return what a product's lines share, made once: exports repeat it for every variant."""
        handle = self._handle(row)
        known = self._products.get(handle)
        if known is None:
            first, *others = self._lines[handle]
            shared = {name: first.cells[name] for name in self._shared if first.cells.get(name)}
            for other in others:
                # Whoever sorts a sheet puts the line with the title anywhere.
                for name in self._anywhere - shared.keys():
                    if other.cells.get(name):
                        shared[name] = other.cells[name]
            description = plain_text(text_of(shared.get(self.description or "")))
            known = self._products[handle] = shared, description
        return known

    def _options(self, row: SheetRow) -> list[tuple[str, str]]:
        pairs = ((name_of(row.get(name)), name_of(row.get(value))) for name, value in self.options)
        return [(name, value) for name, value in pairs if value and value != _NO_OPTION]

    def _handle(self, row: SheetRow) -> str:
        return text_of(row.cells.get(self.handle or ""))

    def _key(self, row: SheetRow) -> tuple[str, ...]:
        return (self._handle(row), *(self._cell(row, column) for _, column in self.options))

    def _cell(self, row: SheetRow, column: str | None) -> str:
        return text_of(row.cells.get(column)) if column else ""


def _of_product(columns: Columns) -> dict[str, str]:
    """Return the field of each column that says how a product as a whole looks.

    Metafields are known by their key: the name before it is translated with the shop.
    """
    found: dict[str, str] = {}
    if google := columns.usual("google_shopping_color"):
        found[google] = "color"
    for column in columns.all:
        if metafield := _METAFIELD.search(column):
            key = metafield[1].replace("-", " ").replace("_", " ")
            meaning = meaning_of(key) or meaning_of(column[: metafield.start()])
            if meaning and len(found) < _MOST_METAFIELDS:
                found[column] = meaning
    return found
