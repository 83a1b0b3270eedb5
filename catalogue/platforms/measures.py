"""Columns that say something of the product, though packshot has a parameter of their name.

A shop's Width, Height and Model are a product's, its Steps a ladder's. Sizes that no image has are
not taken for an image's, nor are names that no model of ours has; what may be meant either way is
taken, and said.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from catalogue.issues import Issue
from catalogue.mapping import is_given, read_number
from catalogue.names import canonical
from catalogue.sheets.model import Sheet, SheetRow, SheetSource

_SIZES = ("width", "height")
_MEASURES = frozenset({
    "depth", "length", "weight", "diameter", "thickness", "dimensions", "dimension", "volume",
    "capacity", "tiefe", "länge", "gewicht", "profondeur", "longueur", "poids", "profondità",
    "lunghezza", "peso", "profundidad", "longitud", "diepte", "lengte", "głębokość", "waga",
})  # fmt: skip
"""What beside width and height says how large a product is."""
_OF_SHOPS = _MEASURES | {
    "price", "brand", "title", "name", "category", "categories", "description", "ean", "gtin",
    "barcode", "stock", "quantity", "color", "colour", "type",
}  # fmt: skip
"""Columns of sheets that were not written for packshot."""
_TAKEN: Mapping[str, str] = {
    "width": "the width of images in pixels",
    "height": "the height of images in pixels",
    "steps": "the denoising steps of images",
    "seed": "the seed of images",
    "variants": "the number of images of a row",
}
"""What these columns are taken for, of those that shops have too."""
_NO_MEASURES = frozenset({"seed", "variants"})
"""Those of them that say nothing of a product that somebody has written a prompt for."""
_SMALLEST = 32
"""Pixels of the smallest images that models make."""
_WITH_UNIT = re.compile(r"[\d.,/ ]*\d\s*(?:cm|mm|m|in|inch|inches|ft|[\"″”])\.?", re.IGNORECASE)
_CLEARLY_PIXELS = 200
"""Numbers from here on are meant as pixels, though the model may not make them."""


def drop_measures(
    sheet: Sheet,
    columns: Mapping[str, str],
    named: Mapping[str, str],
    models: Collection[str],
) -> tuple[dict[str, str], Sequence[Issue]]:
    """Leave out columns that are a product's size or model, and warn of others that may be its.

    Args:
        sheet: The rows.
        columns: The sheet's column by packshot's name of it.
        named: Those that the caller named, which are what he says; the empty text: there is none.
        models: Names of packshot's models.

    Returns:
        The columns that are left, and what is to be said of them.
    """
    left = {name: column for name, column in columns.items() if column}
    issues = []
    if sizes := _sizes_of_product(sheet, left, named):
        issues.append(_say_dropped(sheet, [left[name] for name in sizes]))
        left = {name: column for name, column in left.items() if name not in sizes}
    if "model" in left and "model" not in named and not _names_models(sheet, left, models):
        issues.append(_say_no_model(sheet, left.pop("model"), models))
    issues += [_say_taken(sheet, name, left[name]) for name in _doubtful(sheet, left, named)]
    return left, issues


def _sizes_of_product(
    sheet: Sheet, left: Mapping[str, str], named: Mapping[str, str]
) -> Sequence[str]:
    """Return which of width and height are a product's, of those that the caller has not named."""
    found = [name for name in _SIZES if name in left and name not in named]
    if found and _are_beside(_others(sheet, left)):
        return found
    return [] if _are_pixels(sheet, [left[name] for name in found]) else found


def _doubtful(sheet: Sheet, left: Mapping[str, str], named: Mapping[str, str]) -> Iterator[str]:
    """Yield what is taken for a parameter and may be the product's."""
    is_shops = sheet.reading.source is not SheetSource.PLAIN or bool(
        _others(sheet, left) & _OF_SHOPS
    )
    # Beside our own names of these, whatever else is in the sheet.
    is_ours = all(left.get(name) == name for name in ("sku", "prompt"))
    plain = _NO_MEASURES if is_ours else frozenset[str]()
    for name in (one for one in _TAKEN if one in left and one not in named):
        if left[name] != name or (is_shops and name not in plain):
            yield name


def _names_models(sheet: Sheet, left: Mapping[str, str], models: Collection[str]) -> bool:
    """Check whether a column of models is packshot's: in a sheet written for it, or by a name.

    Elsewhere it is mostly the product's: a maker's number, or a car's.
    """
    if "prompt" in left or "template" in left:
        return True
    cells = (row.cells.get(left["model"]) for row in sheet.rows)
    return any(isinstance(one, str) and one.strip().lower() in models for one in cells)


def _others(sheet: Sheet, left: Mapping[str, str]) -> set[str]:
    return {canonical(column) for column in sheet.columns if column not in left.values()}


def _are_beside(others: Iterable[str]) -> bool:
    """Check whether other columns measure the product too, such as `Depth` or `weight_kg`."""
    return any(name in _MEASURES or name.partition("_")[0] in _MEASURES for name in others)


def _are_pixels(sheet: Sheet, columns: Sequence[str]) -> bool:
    """Check whether numbers may be sizes of images.

    One column alone is taken for pixels unless it has a fraction or a unit: few measure one side.
    """
    cells = [row.cells.get(column) for row in sheet.rows for column in columns]
    if any(map(_is_measure, cells)):
        return False
    numbers = [number for one in cells if (number := _number(one)) is not None]
    if len(columns) < 2 or not numbers:
        return True
    return max(numbers) >= _CLEARLY_PIXELS or any(_is_size(row, columns) for row in sheet.rows)


def _is_measure(cell: Any) -> bool:
    """Check for a unit or a fraction, which sizes of images do not have."""
    if isinstance(cell, str) and _WITH_UNIT.fullmatch(cell):
        return True
    number = _number(cell)
    return number is not None and number != int(number)


def _is_size(row: SheetRow, columns: Sequence[str]) -> bool:
    sides = (_number(row.cells.get(column)) for column in columns)
    return all(one and one >= _SMALLEST and one % 8 == 0 for one in sides)


def _number(cell: Any) -> float | None:
    return read_number(cell) if is_given(cell) else None


def _say_dropped(sheet: Sheet, columns: Sequence[str]) -> Issue:
    shown = " and ".join(map(repr, columns))
    are, decide = ("is a size", "does") if len(columns) == 1 else ("are sizes", "do")
    options = " ".join(f"--column {canonical(column)}={column}" for column in columns)
    message = (
        f"{shown} {are} of the product, and {decide} not decide that of images. If you want that, "
        f"say so with `columns` ({options})."
    )
    return Issue(line=_line(sheet), column=columns[0], message=message)


def _say_taken(sheet: Sheet, name: str, column: str) -> Issue:
    message = (
        f"{column!r} was read as {_TAKEN[name]}. If it describes the product instead, say that "
        f'no column does: `columns` {{"{name}": ""}} (--column {name}=).'
    )
    return Issue(line=_line(sheet), column=column, message=message)


def _say_no_model(sheet: Sheet, column: str, models: Collection[str]) -> Issue:
    message = (
        f"{column!r} names none of the models that make images ({', '.join(models)}), and was "
        "taken for the product's model. If it should name one, say so with `columns` "
        f"(--column model={column})."
    )
    return Issue(line=_line(sheet), column=column, message=message)


def _line(sheet: Sheet) -> int | None:
    return sheet.line_of_columns
