"""Google Merchant feeds: TSV, RSS 2.0 or Atom, with or without `g:` before the names.

Source: Google Merchant Center Help, "Product data specification".
"""

import re
from collections.abc import Sequence
from typing import Any

from catalogue.platforms.fields import (
    Adapted,
    Columns,
    complete,
    kind_of,
    listed,
    name_of,
    several,
    text_of,
)
from catalogue.platforms.photograph import FIELD, address_in
from catalogue.prompts.attributes import APPEARANCE
from catalogue.prompts.markup import plain_text
from catalogue.sheets.model import Sheet, SheetRow

_STRUCTURED = re.compile(
    r"(?:default|trained_algorithmic_media)\s*:\s*(?:\"(.*)\"|(.*))", re.IGNORECASE | re.DOTALL
)
"""A structured attribute in a text feed: where its words are from, and the words."""


def matches(columns: Columns) -> bool:
    """Check whether these are a feed's columns."""
    usual = ("link", "image_link", "availability", "price", "gtin", "google_product_category",
             "product_type", "condition", "item_group_id")  # fmt: skip
    return not missing(columns) and columns.has(*usual) >= 2


def matches_feed(columns: Columns) -> bool:
    """Check whether these are the elements of a feed of products, and not of a blog."""
    telling = ("availability", "price", "gtin", "mpn", "brand", "google_product_category",
               "product_type", "condition", "item_group_id", "image_link", *APPEARANCE)  # fmt: skip
    return not missing(columns) and columns.has(*telling) > 0


def missing(columns: Columns) -> list[str]:
    """Name the columns without which it is none."""
    absent = []
    if columns.find("sku", "id") is None:
        absent.append("'id' (`sku`)")
    if columns.find("title", "title", "structured_title") is None:
        absent.append("'title' (`title`)")
    return absent


def adapt(sheet: Sheet, columns: Columns) -> Adapted:
    """Read every item's fields; variants are whole items in a feed, so nothing is filled."""
    category = columns.usual("google_product_category")
    found = _fields(columns, sheet.rows)
    item_group = columns.usual("item_group_id")
    image = columns.find(FIELD, "image_link")
    attributes = [column for name in APPEARANCE if (column := found[name])]
    # Where the usual column of a text is empty, its structured one may not be.
    title, description = map(columns.usual, ("structured_title", "structured_description"))

    def read(row: SheetRow) -> SheetRow:
        texts = {name: text_of(row.get(column)) for name, column in found.items()}
        texts["title"] = name_of(_unmarked(texts["title"] or row.get(title)))
        texts["type"] = kind_of(*several(texts["type"])) or kind_of(row.get(category))
        texts["description"] = plain_text(_unmarked(texts["description"] or row.get(description)))
        return SheetRow(
            line=row.line,
            cells=row.cells,
            product=row.product,
            group=text_of(row.get(item_group)),
            options={one: text for one in attributes if (text := text_of(row.get(one)))},
            fields=complete(**texts),
            photograph=address_in(row.get(image)),
        )

    return Adapted(
        rows=[read(row) for row in sheet.rows],
        columns=listed(found | {"type": found["type"] or category}),
    )


def _fields(columns: Columns, rows: Sequence[SheetRow]) -> dict[str, str | None]:
    """Find the column of each field."""
    find = columns.find
    return {
        "sku": _identity(columns, rows),
        "title": find("title", "title", "structured_title"),
        "type": find("type", "product_type"),
        "description": find("description", "description", "structured_description"),
        "brand": find("brand", "brand"),
        **{name: find(name, name) for name in APPEARANCE},
    }


def _identity(columns: Columns, rows: Sequence[SheetRow]) -> str | None:
    """Find the column that names items: the shop's SKU where every item has one of its own."""
    own = columns.usual("sku")
    if own and not columns.named("sku") and not columns.named("id"):
        skus = {text_of(row.get(own)) for row in rows}
        if len(skus) == len(rows) and "" not in skus:
            return own
    return columns.named("sku") or columns.find("id", "id")


def _unmarked(value: Any) -> str:
    """Take the words out of a structured title: `trained_algorithmic_media:"Pleated skirt"`."""
    text = text_of(value)
    marked = _STRUCTURED.fullmatch(text)
    return (marked[1] or marked[2]).strip() if marked else text
