"""Files of photographs beside a sheet: which of them is whose, by name or by SKU."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from catalogue.names import canonical
from catalogue.platforms.photograph import FIELD, OF_PLAIN, address_in
from catalogue.sheets.model import Sheet, SheetRow

_EXPORTED = ("variant_image", "variant_image_url", "image_src", "product_image_url", "image_link")
"""Columns of exports whose addresses end in the names of files."""

_OTHERS = re.compile(r"[\W_]+")
_VIEW = re.compile(r"(.+?)[\W_]+(main|front|hero|\d{1,3}|back|side|top|detail)\W*")
"""A SKU, and which of its product's photographs it is."""
_FIRST = ("main", "front", "hero")
_LAST = 1000


@dataclass(frozen=True, kw_only=True)
class MatchedFiles:
    """What belongs together, and what to nothing."""

    by_line: Mapping[int, str]
    """By a row's line, its file."""
    rows_without: Sequence[SheetRow]
    unused: Sequence[str]
    """Files that belong to no row."""
    unclear: Mapping[str, Sequence[str]]
    """By a name or SKU, several files that it may mean; none of them is taken."""


def match_files(sheet: Sheet, files: Sequence[str]) -> MatchedFiles:
    """Find the file of each row: the one that a column names, else the one called like its SKU.

    Case does not count, nor do signs in SKUs: `mug_01-red.JPG` is the photograph of `MUG-01/RED`.
    Of `MUG-1.jpg` and `MUG-2.jpg` for the SKU `MUG` it is the first.

    Args:
        sheet: As it was read.
        files: Paths with slashes, each once.
    """
    column = sheet.reading.columns.get("sku")
    skus = {row.line: _sku(row, column) for row in sheet.rows}
    by_name, by_sku = _Names(files), _Skus(files, skus.values())
    columns = _naming(sheet)
    by_line: dict[int, str] = {}
    rows_without, unclear = [], dict[str, Sequence[str]]()
    used = set[str]()
    for row in sheet.rows:
        sku = skus[row.line]
        found = by_name.of(row.get(one) for one in columns) or by_sku.of(sku)
        used |= {*found, *by_sku.views(sku)}
        if len(found) == 1:
            by_line[row.line] = found[0]
            continue
        rows_without.append(row)
        if found:
            unclear[sku or PurePosixPath(found[0]).name] = found
    return MatchedFiles(
        by_line=by_line,
        rows_without=rows_without,
        unused=[one for one in files if one not in used],
        unclear=unclear,
    )


@dataclass(frozen=True, kw_only=True)
class MatchRemark:
    """What belongs to nothing, or to several."""

    one: str
    """What to say of one, behind its number."""
    several: str
    named: Sequence[str]
    """The rows, files or products that it is said of."""

    @property
    def sentence(self) -> str:
        """Return it with how many they are."""
        return f"{len(self.named):,} {self.one if len(self.named) == 1 else self.several}"


def describe_matches(sheet: Sheet, matched: MatchedFiles) -> Sequence[MatchRemark]:
    """Describe what belongs to nothing, both ways, and what is not clear."""
    column = sheet.reading.columns.get("sku")
    rows = [f"line {row.line} ({_sku(row, column) or 'no SKU'})" for row in matched.rows_without]
    unclear = [f"{name} ({', '.join(files[:3])})" for name, files in matched.unclear.items()]
    found = (
        ("row has no photograph", "rows have no photograph", rows),
        ("photograph belongs to no row", "photographs belong to no row", matched.unused),
        (
            "row may mean several photographs: name one in a column `image`",
            "rows may mean several photographs each: name them in a column `image`",
            unclear,
        ),
    )
    return [
        MatchRemark(one=one, several=several, named=named) for one, several, named in found if named
    ]


def _naming(sheet: Sheet) -> Sequence[str]:
    """Return the columns whose cells may name a file, the more telling first."""
    written = {canonical(one).removeprefix("g_"): one for one in reversed(sheet.columns)}
    found = [written[name] for name in (*_EXPORTED, *OF_PLAIN) if name in written]
    named = sheet.reading.columns.get(FIELD)
    return [named, *found] if named else found


class _Names:
    """Files by what cells may call them: their whole paths, or their names."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files: dict[str, list[str]] = defaultdict(list)
        for file in files:
            for name in {file.casefold(), PurePosixPath(file).name.casefold()}:
                self._files[name].append(file)

    def of(self, cells: Iterable[Any]) -> Sequence[str]:
        """Return the files that the first telling cell means; several: it is not clear."""
        for cell in cells:
            if name := _name_in(cell):
                for known in (name, PurePosixPath(name).name):
                    if found := self._files.get(known.casefold()):
                        return found
        return []


class _Skus:
    """Files by the SKUs that they may be called after."""

    def __init__(self, files: Iterable[str], skus: Iterable[str]) -> None:
        alike: dict[str, set[str]] = defaultdict(set)
        for sku in skus:
            alike[_folded(sku)].add(sku)
        self._alike = alike
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._views: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for file in files:
            stem = PurePosixPath(file).stem.casefold()
            folded = _folded(stem)
            self._whole[folded].append(file)
            found = _VIEW.fullmatch(stem)
            # `MUG-2` may be a product of its own.
            if found and folded not in alike:
                self._views[_folded(found[1])].append((_rank(found[2]), file))

    def of(self, sku: str) -> Sequence[str]:
        """Return the files of a SKU: called as it is, else the first of its views."""
        folded = _folded(sku)
        # Of two SKUs that differ in signs or case alone, a file's name does not say which.
        if not folded or len(self._alike[folded]) > 1:
            return []
        if whole := self._whole.get(folded):
            return whole
        views = self._views.get(folded, [])
        first = min((rank for rank, _ in views), default=0)
        return [file for rank, file in views if rank == first]

    def views(self, sku: str) -> Sequence[str]:
        """Return the further photographs of a SKU's product."""
        return [file for _, file in self._views.get(_folded(sku), ())]


def _rank(view: str) -> int:
    if view in _FIRST:
        return -1
    return int(view) if view.isdigit() else _LAST


def _name_in(cell: Any) -> str:
    """Return the file that a cell names: a path, or the end of an address."""
    one = cell[0] if isinstance(cell, list) and cell else cell
    if address := address_in(one):
        return PurePosixPath(unquote(urlsplit(address).path)).name
    return one.strip().replace("\\", "/") if isinstance(one, str) else ""


def _sku(row: SheetRow, column: str | None) -> str:
    value = row.fields.get("sku") or row.get(column)
    return "" if value is None else str(value).strip()


def _folded(text: str) -> str:
    return _OTHERS.sub("", text.casefold())
