"""The address of a product's photograph: which column has it, and which of a cell's several it is.

Sources: Shopify Help Center, "Using CSV files to import and export products" (`Image Src` is a
product's, one more on each line; `Variant Image` is the variant's own); WooCommerce, "Product CSV
Importer & Exporter" (`Images`: addresses with commas between them, the first is the main image);
Google Merchant Center Help, "Product data specification" (`image_link`).
"""

import re
from typing import Any

FIELD = "image"
"""What requests and recipes call the column."""

OF_PLAIN = ("image", "image_url", "photo", "photo_url", "photograph", "image_link", "image_src",
            "picture", "picture_url", "main_image", "main_image_url", "images")  # fmt: skip
"""Canonical names of a plain sheet's column, the more telling first."""

_SCHEME = r"(?:https?:)?//"
# An address may hold commas, as those of some picture services do: another one behind it ends it.
_ADDRESS = re.compile(rf"{_SCHEME}(?:(?![,;|]\s*{_SCHEME})[^\s<>\"|])+", re.IGNORECASE)
_LONGEST = 2000
"""Characters of an address: what Google's Merchant Center takes."""


def address_in(cell: Any) -> str:
    """Return the first address of a cell, which in JSON may be a list; empty where it has none."""
    for one in cell if isinstance(cell, list) else (cell,):
        # Nearly every cell has none, and a sheet has a million.
        if not isinstance(one, str) or "//" not in one:
            continue
        # WooCommerce writes a comma within an address so.
        found = _ADDRESS.match(one.replace("\\,", ",").lstrip(" \t\r\n,;|"))
        if found and len(found[0]) <= _LONGEST:
            address = found[0].rstrip(",;")
            return f"https:{address}" if address.startswith("//") else address
    return ""


def first_address(*cells: Any) -> str:
    """Return the address in the first cell that has one; empty where none has."""
    return next(filter(None, map(address_in, cells)), "")
