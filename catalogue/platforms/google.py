"""Google Merchant feeds: TSV, RSS 2.0 or Atom, with or without `g:` before the names.

Source: Google Merchant Center Help, "Product data specification".
"""

from catalogue.markup import plain_text
from catalogue.platforms.fields import Adapted, Columns, complete, last_of_path, listed, text_of
from catalogue.sheet import Row, Sheet


def matches(columns: Columns) -> bool:
    """Tell whether these are a feed's columns."""
    usual = ("link", "image_link", "availability", "price", "gtin", "google_product_category",
             "product_type", "condition", "item_group_id")  # fmt: skip
    return not missing(columns) and columns.has(*usual) >= 2


def missing(columns: Columns) -> list[str]:
    """Name the columns without which it is none."""
    absent = []
    if columns.find("sku", "id") is None:
        absent.append("'id'")
    if columns.find("title", "title", "structured_title") is None:
        absent.append("'title'")
    return absent


def adapt(sheet: Sheet, columns: Columns) -> Adapted:
    """Give every item its fields; variants are whole items in a feed, so nothing is filled."""
    category = columns.usual("google_product_category")
    found = {
        "sku": columns.find("sku", "id"),
        "title": columns.find("title", "title", "structured_title"),
        "type": columns.find("type", "product_type"),
        "description": columns.find("description", "description"),
        "brand": columns.find("brand", "brand"),
        **{name: columns.find(name, name) for name in ("color", "pattern", "material", "size")},
    }

    def read(row: Row) -> Row:
        fields = {name: text_of(row.get(column)) for name, column in found.items()}
        kind = last_of_path(fields["type"].partition(",")[0]) or last_of_path(row.get(category))
        return Row(
            line=row.line,
            cells=row.cells,
            product=row.product,
            fields=complete(
                **fields
                | {
                    # Google's own categories may be numbers, which draw nothing.
                    "type": "" if kind.isdigit() else kind,
                    "color": fields["color"].replace("/", " and "),
                    "description": plain_text(fields["description"]),
                }
            ),
        )

    return Adapted(
        rows=[read(row) for row in sheet.rows],
        columns=listed(found | {"type": found["type"] or category}),
    )
