"""Reads exports by their layout: products filled into their variants, options into fields."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from catalogue.issues import Issue
from catalogue.names import canonical
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
    slug,
    take_options,
    text_of,
)
from catalogue.platforms.layouts import LAYOUTS, MOST_OPTIONS, ExportLayout
from catalogue.platforms.photograph import FIELD, first_address
from catalogue.prompts.attributes import APPEARANCE
from catalogue.prompts.markup import plain_text
from catalogue.sheets.model import Sheet, SheetRow, SheetSource

_LISTED = re.compile(r"[;,|\n]")
_NO_VALUES = frozenset({"regular", "default", "default title"})
"""What shops call the only variant of a product."""
_SWATCH = re.compile(r"^#[0-9a-fA-F]{3,8}:")
_CHILD = re.compile(r"(?:^|[|,])\s*sku=([^,|]+)")
_AMAZONS = re.compile(r"\[[^\]]*\]|#\d+\.\w+(?:\.\w+)*$")
"""What Amazon writes around a name: `color[marketplace_id=…]#1.value`."""


def layout_of(columns: Columns, source: SheetSource | None = None) -> ExportLayout | None:
    """Return the layout that columns have, or the one of a platform that the caller named."""
    found = (
        one for one in LAYOUTS if (source is None or one.source is source) and _has(one, columns)
    )
    return next(found, None)


def _has(layout: ExportLayout, columns: Columns) -> bool:
    has_title = columns.find("title", *layout.fields["title"]) is not None
    return has_title and any(columns.has(*names) == len(names) for names in layout.known_by)


def columns_of(source: SheetSource) -> str:
    """Return the columns that an export of a platform is known by, for people."""
    known = (names for one in LAYOUTS if one.source is source for names in one.known_by)
    return ", or ".join(" and ".join(names) for names in known)


def plain_names(columns: Columns) -> Columns:
    """Return the columns, found by Amazon's names without what it writes around them, too."""
    return columns.translated(
        lambda column: canonical(_AMAZONS.sub("", column)) if "#" in column else None
    )


def adapt(sheet: Sheet, columns: Columns, layout: ExportLayout) -> Adapted:
    """Read a sheet's products and variants; a product is left out where its variants are there."""
    reader = _LayoutReader(columns, sheet.rows, layout)
    return Adapted(rows=list(reader.read()), columns=reader.columns, notes=reader.notes())


class _LayoutReader:
    """Reads the lines of one export."""

    def __init__(self, columns: Columns, rows: Sequence[SheetRow], layout: ExportLayout) -> None:
        self._layout = layout
        self._rows = rows
        self._columns = columns
        self._found = {
            name: columns.find(FIELD if name == "image" else name, *usual)
            for name, usual in layout.fields.items()
        }
        named = {name: columns.named(name) for name in APPEARANCE}
        self._found |= listed(named)
        self._role = columns.find("kind", *layout.role)
        self._parent = columns.find("parent", *layout.parent)
        self._product = columns.find("handle", *layout.product)
        self._children = columns.usual(*layout.children)
        self._language = columns.usual(layout.language) if layout.language else None
        self._pairs = list(self._numbered())
        self._listed = [one for name in layout.listed if (one := columns.usual(name))]
        self._variation = columns.usual(*layout.variation)
        self._choices = Choices()
        self._more: dict[int, list[SheetRow]] = {}
        self._filled: dict[int, dict[str, Any]] = {}
        self._heads: dict[int, SheetRow] = {}
        self._images: dict[int, list[Any]] = {}
        self._skipped: dict[str, list[int]] = {"image": [], "product": [], "other": []}
        self._nameless: list[int] = []
        self._with_variants: set[int] = set()
        self._place()
        self._meanings = option_meanings(
            pair
            for row in rows
            if (head := self._heads.get(row.line))
            for pair in self._resolved(row, head)
        )

    @property
    def columns(self) -> dict[str, str]:
        """The sheet's column by the field that it gives."""
        return listed(self._found)

    def read(self) -> Iterator[SheetRow]:
        """Return the rows that are made."""
        for row in self._rows:
            head = self._heads.get(row.line)
            if head is None:
                continue
            is_head = head is row
            if is_head and row.line in self._with_variants and not self._layout.is_variant_too:
                self._skipped["product"].append(row.line)
                continue
            yield self._read(row, head)

    def notes(self) -> list[Issue]:
        """Report what was left out or made up."""
        return [
            *note(
                self._skipped["image"],
                "The row only holds a further image of its product and was skipped",
                "{number} rows only hold further images of their products and were skipped",
            ),
            *note(
                self._skipped["product"],
                "The product was skipped: its variants are made instead",
                "{number} products were skipped: their variants are made instead",
            ),
            *note(
                self._skipped["other"],
                "The row is no product of its own and was skipped",
                "{number} rows are no products of their own and were skipped",
            ),
            *note(
                self._nameless,
                "The row has no SKU: its images are named by its product and options",
                "{number} rows have no SKU: their images are named by their products and options",
            ),
            *self._choices.notes(),
        ]

    def _numbered(self) -> Iterator[tuple[str, str]]:
        for names, values in self._layout.pairs:
            for number in range(1, MOST_OPTIONS + 1):
                pair = [
                    self._columns.usual(*(one.format(number) for one in part))
                    for part in (names, values)
                ]
                if pair[0] and pair[1]:
                    yield pair[0], pair[1]
                if "{}" not in names[0]:
                    break

    def _place(self) -> None:
        """Find each row's product, and the rows that are none."""
        by_key: dict[str, SheetRow] = {}
        children: dict[str, SheetRow] = {}
        for row in self._rows:
            if self._cell(row, self._language):
                continue
            if sku := self._cell(row, self._found.get("sku")):
                by_key.setdefault(f"sku:{sku}", row)
            if self._is_head(row) and (key := self._cell(row, self._product)):
                by_key.setdefault(f"product:{key}", row)
            for child in _CHILD.findall(self._cell(row, self._children)):
                children.setdefault(child.strip(), row)
        above: SheetRow | None = None
        for row in self._rows:
            kind = self._kind(row)
            if kind in self._layout.ignored or self._cell(row, self._language):
                self._skipped["other"].append(row.line)
            elif kind in self._layout.media:
                self._keep_image(row, self._head_of(row, by_key, above))
            else:
                above = self._place_one(row, by_key, children, above)

    def _place_one(
        self,
        row: SheetRow,
        by_key: Mapping[str, SheetRow],
        children: Mapping[str, SheetRow],
        above: SheetRow | None,
    ) -> SheetRow | None:
        """Note a row's product; return the product that rows below it may belong to."""
        head = children.get(self._cell(row, self._found.get("sku")))
        if head is None and not self._is_head(row):
            head = self._head_of(row, by_key, above)
        elif head is None and self._product and not self._layout.role:
            head = by_key.get(f"product:{self._cell(row, self._product)}")
        if head is None or head is row:
            self._heads[row.line] = row
            return row
        if not self._cell(row, self._found.get("title")) and not self._says_variant(row):
            self._skipped["other"].append(row.line)
            self._more.setdefault(head.line, []).append(row)
            return above
        self._heads[row.line] = head
        self._with_variants.add(head.line)
        return head if self._layout.is_variant_too else above

    def _is_head(self, row: SheetRow) -> bool:
        if self._role and self._layout.variants:
            return self._kind(row) not in self._layout.variants
        follows = self._layout.continues or self._layout.adds
        return not follows or bool(self._cell(row, self._found.get("title")))

    def _says_variant(self, row: SheetRow) -> bool:
        has_sku = bool(self._cell(row, self._found.get("sku")))
        return has_sku or (not self._layout.adds and any(self._named(row)))

    def _head_of(
        self, row: SheetRow, by_key: Mapping[str, SheetRow], above: SheetRow | None
    ) -> SheetRow | None:
        if parent := self._cell(row, self._parent):
            return by_key.get(f"sku:{parent}")
        if key := self._cell(row, self._product):
            return by_key.get(f"product:{key}")
        return above if not self._layout.parent else None

    def _keep_image(self, row: SheetRow, head: SheetRow | None) -> None:
        self._skipped["image"].append(row.line)
        if head is not None:
            self._images.setdefault(head.line, []).append(row.cells.get(self._found["image"] or ""))

    def _read(self, row: SheetRow, head: SheetRow) -> SheetRow:
        is_variant = head is not row or row.line in self._with_variants
        options = list(self._taken(row, head, is_variant=is_variant))
        fields: dict[str, Any] = {
            name: self._cell(row, column) or self._cell(head, column)
            for name, column in self._found.items()
            if name != "image"
        }
        for name in LOOK:
            if not is_variant and fields.get(name):
                fields[name] = self._choices.take(fields[name], row.line)
        fields["title"] = name_of(self._title(row, head))
        fields["type"] = kind_of(*self._categories(fields.get("type", "")))
        fields["description"] = plain_text(fields.get("description", ""))
        take_options(fields, options, self._meanings)
        image = self._found.get("image") or ""
        return SheetRow(
            line=row.line,
            cells=row.cells,
            product={} if head is row else self._filled.setdefault(head.line, dict(head.cells)),
            fields={"sku": self._sku(row, head, options), **complete(**_known(fields))},
            options=dict(options),
            group=self._group(head) if is_variant else "",
            photograph=first_address(
                row.cells.get(image), head.cells.get(image), *self._images.get(head.line, ())
            ),
        )

    def _title(self, row: SheetRow, head: SheetRow) -> str:
        # A variant's own name ends in its options, where it has one.
        column = self._found.get("title")
        return self._cell(head, column) or self._cell(row, column)

    def _sku(self, row: SheetRow, head: SheetRow, options: Sequence[tuple[str, str]]) -> str:
        own = self._cell(row, self._found.get("sku"))
        if own:
            return own.partition(",")[0].strip() if self._layout.lists_skus else own
        self._nameless.append(row.line)
        product = self._group(head)
        return slug(product, *(value for _, value in options))

    def _group(self, head: SheetRow) -> str:
        found = self._found
        cells = (self._product, found.get("sku"), found.get("title"))
        return next(filter(None, (self._cell(head, one) for one in cells)), "")

    def _taken(
        self, row: SheetRow, head: SheetRow, *, is_variant: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield a row's options; of what a product lists, the value that is taken."""
        for name, value in self._resolved(row, head):
            yield name, value if is_variant else self._choices.take(value, row.line)

    def _resolved(self, row: SheetRow, head: SheetRow) -> Iterator[tuple[str, str]]:
        """Yield the names and values of a row's options; its product may have the names alone."""
        names = {value: name_of(self._cell(head, name)) for name, value in self._pairs}
        found = [one for each in (row, *self._more.get(row.line, ())) for one in self._named(each)]
        for name, value, column in found:
            if shown := name or names.get(column):
                yield shown, value
        variation = self._cell(row, self._variation)
        if not found and variation and variation.lower() not in _NO_VALUES:
            yield "Variation", variation

    def _named(self, row: SheetRow) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the value and its column of each option that a row has."""
        for name, value in self._pairs:
            text = ", ".join(
                _SWATCH.sub("", one.strip()) for one in self._cell(row, value).split(";")
            )
            if text.strip(", ") and text.lower() not in _NO_VALUES:
                yield name_of(self._cell(row, name)), name_of(text), value
        for column in self._listed:
            for name, value in self._layout.listing.findall(self._cell(row, column)):
                if value.strip():
                    text = name_of(value.replace(";", ", "))
                    yield name_of(name.replace("_", " ").strip()), text, column

    def _categories(self, text: str) -> list[str]:
        paths = [one.strip() for one in _LISTED.split(text)]
        if self._layout.path == "/":
            paths = [" > ".join(part.strip() for part in one.strip("/ ").split("/"))
                     for one in paths]  # fmt: skip
        return paths

    def _kind(self, row: SheetRow) -> str:
        return self._cell(row, self._role).lower()

    def _cell(self, row: SheetRow, column: str | None) -> str:
        return text_of(row.cells.get(column)) if column else ""


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ("sku", FIELD)}
