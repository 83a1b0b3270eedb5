"""Columns of photographs, which images that a model draws do not use, and which are told."""

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from catalogue.channels import PRESETS
from catalogue.issues import Issue
from catalogue.names import canonical
from catalogue.sheets.model import Sheet, SheetRow

LOOKED_AT = 100
"""Rows in which a column whose name says nothing must show that it holds addresses of images."""
SHOWN_COLUMNS = 5

_SAYS_SO = re.compile(
    r"image|img|photo|pictures?(_|$)|gallery|thumbnail|bild(er)?(_|\d|$)|foto|imagen|imágenes|imagem"
    r"|immagin|afbeelding|zdjęci|obráz|kuva|изображени|фото|картинк|画像|図|图片|圖片|이미지"
)
_EXTENSION = r"\.(?:jpe?g|png|webp|avif|gif|heic|tiff?|bmp)"
_ADDRESS = re.compile(r"\s*(?:https?:)?//[^\s<>\"]+", re.IGNORECASE)
_IMAGE_ADDRESS = re.compile(rf"{_ADDRESS.pattern}?{_EXTENSION}(?![\w.-])", re.IGNORECASE)
_IMAGE_FILE = re.compile(rf"[^<>]+{_EXTENSION}\s*", re.IGNORECASE)


def note_photographs(sheet: Sheet) -> list[Issue]:
    """Report which columns hold photographs; nothing where none does."""
    holding, rows = _find_photographs(sheet)
    # Without those named like photographs that hold something else, such as a position.
    found = [column for column in sheet.columns if column in holding]
    if not found:
        return []
    shown = [repr(column) for column in found[:SHOWN_COLUMNS]]
    if len(found) > SHOWN_COLUMNS:
        shown.append(f"{len(found) - SHOWN_COLUMNS} more")
    message = (
        "The photographs are not used: images are generated from text, unless the mode is "
        "`cutout`, `scene` or `edit` (--mode). "
        f"{'1 row has one' if rows == 1 else f'{rows:,} rows have one'}, in {_joined(shown)}."
    )
    return [Issue(line=sheet.line_of_columns, column=next(iter(found)), message=message)]


def _find_photographs(sheet: Sheet) -> tuple[set[str], int]:
    """Return the columns that hold photographs, and the number of rows that have one."""
    columns = {
        column: _says_so(column) for column in sheet.columns if _may_hold(column, sheet.rows)
    }
    holding, rows = set[str](), 0
    # Of products once, whose cells many rows share.
    products: dict[int, Set[str]] = {}
    for row in sheet.rows:
        product = products.get(id(row.product))
        if product is None:
            product = products[id(row.product)] = _holding(row.product, columns)
        held = _holding(row.cells, columns)
        # A cell of the row's own stands before its product's.
        held |= {name for name in product if row.get(name) is row.product[name]}
        holding |= held
        rows += bool(held)
    return holding, rows


def _may_hold(column: str, rows: Sequence[SheetRow]) -> bool:
    if _is_result(column):
        return False
    says_so = _says_so(column)
    return says_so or any(_holds(row.get(column), says_so) for row in rows[:LOOKED_AT])


def _is_result(column: str) -> bool:
    """Match what results.csv adds: addresses of images that packshot made."""
    name = canonical(column)
    return name.endswith(("_url", "_file")) and name.startswith(tuple(PRESETS))


def _says_so(column: str) -> bool:
    return _SAYS_SO.search(canonical(column)) is not None


def _holding(cells: Mapping[str, Any], columns: Mapping[str, bool]) -> set[str]:
    """Return the columns whose cells name photographs, of some and whether their names say so."""
    return {name for name, cell in cells.items() if name in columns and _holds(cell, columns[name])}


def _holds(cell: Any, says_so: bool) -> bool:
    """Check whether a cell names a photograph; in JSON it may be a list."""
    cells = cell if isinstance(cell, list) else [cell]
    return any(isinstance(one, str) and _names_image(one, says_so) for one in cells)


def _names_image(text: str, says_so: bool) -> bool:
    if says_so:
        return bool(_ADDRESS.match(text) or _IMAGE_FILE.fullmatch(text))
    return _IMAGE_ADDRESS.match(text) is not None


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
