"""Photographs that a sheet names: found by columns and cells, and told to be left out."""

import re
from collections.abc import Sequence
from typing import Any

from catalogue.channels import PRESETS
from catalogue.issues import Issue
from catalogue.names import canonical
from catalogue.sheet import Row, Sheet

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


def note_photographs(sheet: Sheet) -> Issue | None:
    """Return the sentence that says which columns hold photographs; None: none does."""
    columns = [column for column in sheet.columns if _may_hold(column, sheet.rows)]
    # Those named like photographs that turn out to hold something else, such as a position.
    found = {column: count for column in columns if (count := _count(column, sheet.rows))}
    if not found:
        return None
    rows = sum(any(_holds(column, row) for column in found) for row in sheet.rows)
    shown = [repr(column) for column in list(found)[:SHOWN_COLUMNS]]
    if len(found) > SHOWN_COLUMNS:
        shown.append(f"{len(found) - SHOWN_COLUMNS} more")
    return Issue(
        line=1 if sheet.fixed_columns else None,
        column=next(iter(found)),
        message="packshot does not use photographs yet: images are generated from text. "
        f"{'1 row has one' if rows == 1 else f'{rows:,} rows have one'}, in {_listed(shown)}.",
    )


def _may_hold(column: str, rows: Sequence[Row]) -> bool:
    if _is_result(column):
        return False
    return _says_so(column) or any(_holds(column, row) for row in rows[:LOOKED_AT])


def _is_result(column: str) -> bool:
    """Match what results.csv adds: addresses of images that packshot made."""
    name = canonical(column)
    return name.endswith(("_url", "_file")) and name.startswith(tuple(PRESETS))


def _says_so(column: str) -> bool:
    return _SAYS_SO.search(canonical(column)) is not None


def _count(column: str, rows: Sequence[Row]) -> int:
    return sum(_holds(column, row) for row in rows)


def _holds(column: str, row: Row) -> bool:
    """Check whether a cell names a photograph; in JSON it may be a list."""
    cell: Any = row.get(column)
    cells = cell if isinstance(cell, list) else [cell]
    says_so = _says_so(column)
    return any(isinstance(one, str) and _names_image(one, says_so) for one in cells)


def _names_image(text: str, says_so: bool) -> bool:
    if says_so:
        return bool(_ADDRESS.match(text) or _IMAGE_FILE.fullmatch(text))
    return _IMAGE_ADDRESS.match(text) is not None


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
