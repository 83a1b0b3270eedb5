"""Whose export a sheet is, and what its columns then mean.

Each platform's file gives rows their *fields* (sku, title, type, color, …), whatever the columns
are called, so that one template or recipe serves sheets of every kind.
"""

from dataclasses import replace

from catalogue.issues import refuse
from catalogue.mapping import KNOWN, find_columns
from catalogue.names import suggestion
from catalogue.platforms import google, shopify, woocommerce
from catalogue.platforms.fields import FIELDS, Adapted, Columns
from catalogue.sheet import Hints, Sheet, Source

_PLATFORMS = {
    Source.SHOPIFY: shopify,
    Source.WOOCOMMERCE: woocommerce,
    Source.GOOGLE: google,
}

TEMPLATE = (
    "{% if color and color|lower not in title|lower %}{{ color|lower }} {% endif %}"
    "{{ title|lower }}"
    "{% if type and type|lower not in title|lower %}, {{ type|lower }}{% endif %}"
    " on a white background"
)
"""The prompt of a platform's row when nobody says another: what shops always fill in."""


def recognise(sheet: Sheet, hints: Hints) -> Sheet:
    """Find out whose export a sheet is, unless the caller says it, and read it as such.

    Raises:
        InvalidSheetError: It is not what the caller says, or a column that was named is not there.
    """
    _check_named(sheet, hints)
    source = hints.source or _detect(sheet)
    if source is Source.PLAIN:
        return _plain(sheet, hints)
    platform = _PLATFORMS[source]
    columns = Columns(sheet.columns, hints.columns)
    missing = platform.missing(columns)
    if missing:
        refuse(
            f"This is no {source} export: it has no column {' and no column '.join(missing)}. "
            "Send it with `source` plain, or name its columns with `columns`.",
            line=1,
        )
    adapted: Adapted = platform.adapt(sheet, columns)
    if not adapted.rows:
        refuse("The sheet has no product: every row of it was skipped.")
    known = find_columns(sheet.columns) | dict(adapted.columns) | dict(hints.columns)
    return replace(
        sheet,
        rows=adapted.rows,
        warnings=[*sheet.warnings, *adapted.notes],
        reading=replace(
            sheet.reading,
            source=source,
            columns=known,
            template=TEMPLATE,
            skipped=len(sheet.rows) - len(adapted.rows),
        ),
    )


def _detect(sheet: Sheet) -> Source:
    if not sheet.fixed_columns:
        return Source.PLAIN
    columns = Columns(sheet.columns, {})
    found = (source for source, platform in _PLATFORMS.items() if platform.matches(columns))
    return next(found, Source.PLAIN)


def _plain(sheet: Sheet, hints: Hints) -> Sheet:
    """Take columns for what they are called, and those that the caller named for that."""
    columns = find_columns(sheet.columns) | dict(hints.columns)
    named = {name: column for name, column in hints.columns.items() if name not in KNOWN}
    rows = sheet.rows
    if named:
        rows = [
            replace(row, fields={name: row.cells.get(column, "") for name, column in named.items()})
            for row in rows
        ]
    return replace(sheet, rows=rows, reading=replace(sheet.reading, columns=columns))


def _check_named(sheet: Sheet, hints: Hints) -> None:
    known = (*KNOWN, *FIELDS)
    for name, column in hints.columns.items():
        if name not in known:
            refuse(
                f"`columns` names {name!r}, which packshot does not read; it reads "
                f"{', '.join(known)}.{suggestion(name, known)}",
                column="columns",
            )
        if column not in sheet.columns:
            refuse(
                f"`columns` says that {name!r} is in the column {column!r}, which is not there; "
                f"the sheet has {', '.join(map(repr, sheet.columns))}."
                f"{suggestion(column, sheet.columns)}",
                column="columns",
            )
