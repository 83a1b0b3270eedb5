"""Whose export a sheet is, and what its columns then mean.

Each platform's file gives rows their *fields* (sku, title, type, color, …), whatever the columns
are called, so that one template or recipe serves sheets of every kind.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from catalogue.issues import Issues, refuse
from catalogue.mapping import KNOWN, find_columns
from catalogue.names import canonical, suggestion
from catalogue.platforms import google, shopify, woocommerce
from catalogue.platforms.fields import (
    FIELDS,
    LOOK,
    PLACES,
    Adapted,
    Columns,
    with_written_titles,
)
from catalogue.platforms.layout_reader import adapt, columns_of, layout_of, plain_names
from catalogue.platforms.measures import drop_measures
from catalogue.platforms.photograph import FIELD, OF_PLAIN, address_in
from catalogue.platforms.plain import note_foreign, titled_columns
from catalogue.platforms.variant_titles import settle_titles
from catalogue.prompts.markup import plain_text
from catalogue.sheets.model import Hints, Sheet, SheetFormat, SheetRow, SheetSource

_PLATFORMS = {
    SheetSource.SHOPIFY: shopify,
    SheetSource.WOOCOMMERCE: woocommerce,
    SheetSource.GOOGLE: google,
}

_ORDER = ("style", "shape", "color", "finish", "pattern", "design", "material", "flavor")
"""Of the words before the title, as in English."""


def _said(fields: Sequence[str]) -> str:
    return " ~ ' ' ~ ".join(("title", *fields))


def _unless_said(name: str) -> str:
    """Write a field's word, unless the title or a more telling field has it."""
    said = _said(LOOK[: LOOK.index(name)])
    # "Black" of a finish that is "matte black".
    more = " and finish is not mentioning(color)" if name == "color" else ""
    return (
        f"{{% if {name} and ({said}) is not mentioning({name}){more} %}}"
        f"{{{{ {name}|lower }}}} {{% endif %}}"
    )


TEMPLATE = (
    "".join(map(_unless_said, _ORDER)) + "{{ title|lower }}"
    f"{{% if type and ({_said(LOOK)}) is not mentioning(type) %}}, "
    "{{ type|lower }}{% endif %}"
    " on a white background"
)
"""The prompt of a platform's row when nobody says another: what shops always fill in."""

_DESCRIPTIONS = {"description", "short_description", "long_description", "body", "body_html"}
"""Columns of plain sheets whose text shops keep as HTML; templates see it without."""


def recognise(sheet: Sheet, hints: Hints) -> Sheet:
    """Detect whose export a sheet is, unless the caller says it, and read it as such.

    Raises:
        InvalidSheetError: It is not what the caller says, or a column that was named is not there.
    """
    _check_named(sheet, hints)
    source = hints.source or _detect(sheet)
    if source is SheetSource.PLAIN:
        return _plain(sheet, hints)
    adapted = _adapt(sheet, source, Columns(sheet.columns, hints.columns))
    issues = Issues()
    issues.extend(sheet.issues)
    issues.extend(adapted.issues)
    if not adapted.rows:
        issues.raise_if_any()
        refuse("The sheet has no product: every row of it was skipped.")
    read = adapted.rows if hints.clean_titles else with_written_titles(adapted.rows)
    rows, strange = settle_titles(read)
    known = find_columns(sheet.columns) | dict(adapted.columns) | dict(hints.columns)
    sheet = replace(sheet, reading=replace(sheet.reading, source=source))
    known, taken = drop_measures(sheet, known, hints.columns, hints.models)
    return replace(
        sheet,
        rows=rows,
        warnings=[*sheet.warnings, *adapted.notes, *strange, *taken],
        issues=issues,
        reading=replace(
            sheet.reading,
            columns=known,
            template=TEMPLATE,
            skipped=len(sheet.rows) - len(rows),
        ),
    )


def _adapt(sheet: Sheet, source: SheetSource, columns: Columns) -> Adapted:
    """Read a sheet as the export of a platform.

    Raises:
        InvalidSheetError: It has not the columns of one.
    """
    platform = _PLATFORMS.get(source)
    if platform is None:
        columns = plain_names(columns)
        if layout := layout_of(columns, source):
            return adapt(sheet, columns, layout)
        missing = [f"as its exports have ({columns_of(source)})"]
    else:
        missing = platform.missing(columns)
    if missing or platform is None:
        refuse(
            f"This is no {source} export: it has no column {' and no column '.join(missing)}. "
            "Send it with `source` plain, or name its columns with `columns`.",
            line=sheet.line_of_columns,
        )
    found: Adapted = platform.adapt(sheet, columns)
    return found


def _detect(sheet: Sheet) -> SheetSource:
    columns = Columns(sheet.columns, {})
    if not sheet.fixed_columns and {"sku", "prompt"} <= set(find_columns(sheet.columns)):
        # Objects that somebody wrote for packshot, whatever else they hold.
        return SheetSource.PLAIN
    if sheet.reading.format is SheetFormat.XML and google.matches_feed(columns):
        return SheetSource.GOOGLE
    layout = layout_of(plain_names(columns))
    if layout is not None and not {"prompt", "template"} & set(find_columns(sheet.columns)):
        return layout.source
    found = (source for source, platform in _PLATFORMS.items() if platform.matches(columns))
    return next(found, SheetSource.PLAIN)


def _plain(sheet: Sheet, hints: Hints) -> Sheet:
    """Take columns for what they are called, and those that the caller named for that."""
    columns, taken = drop_measures(
        sheet, find_columns(sheet.columns) | dict(hints.columns), hints.columns, hints.models
    )
    foreign = () if hints.source else note_foreign(sheet, columns)
    titled = {} if foreign else titled_columns(sheet.columns, columns)
    return replace(
        sheet,
        rows=_with_fields(sheet, hints),
        warnings=(*sheet.warnings, *taken, *foreign),
        reading=replace(
            sheet.reading,
            columns=titled or columns,
            template=TEMPLATE if titled else None,
        ),
    )


def _with_fields(sheet: Sheet, hints: Hints) -> Sequence[SheetRow]:
    named = {
        name: column
        for name, column in hints.columns.items()
        if column and name not in (*KNOWN, FIELD)
    }
    texts = {column for column in sheet.columns if canonical(column) in _DESCRIPTIONS}
    image = Columns(sheet.columns, hints.columns).find(FIELD, *OF_PLAIN)
    if not named and not texts and image is None:
        return sheet.rows
    return [
        replace(
            row,
            fields=_plain_fields(row, named, texts),
            photograph=address_in(row.get(image)),
        )
        for row in sheet.rows
    ]


def _plain_fields(row: SheetRow, named: Mapping[str, str], texts: Set[str]) -> Mapping[str, Any]:
    """Return the fields that the caller named for a plain row, descriptions without markup."""
    fields = {name: row.cells.get(column, "") for name, column in named.items()}
    fields |= {name: row.cells[name] for name in texts if name in row.cells}
    return {
        name: plain_text(value)
        if isinstance(value, str) and (name in texts or name in _DESCRIPTIONS)
        else value
        for name, value in fields.items()
    }


def _check_named(sheet: Sheet, hints: Hints) -> None:
    known = (*KNOWN, *FIELDS, *PLACES, FIELD)
    for name, column in hints.columns.items():
        if name not in known:
            refuse(
                f"`columns` names {name!r}, which packshot does not read; it reads "
                f"{', '.join(known)}.{suggestion(name, known)}",
                column="columns",
            )
        # The empty text says that no column does.
        if column and column not in sheet.columns:
            refuse(
                f"`columns` says that {name!r} is in the column {column!r}, which is not there; "
                f"the sheet has {', '.join(map(repr, sheet.columns))}."
                f"{suggestion(column, sheet.columns)}",
                column="columns",
            )
