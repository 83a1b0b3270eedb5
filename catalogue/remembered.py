"""Mappings that were said before: taken for sheets with the same header, whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from catalogue.names import canonical
from catalogue.proposals import signature_of
from catalogue.sheets.model import Hints, RememberedMapping


def with_remembered(hints: Hints, columns: Sequence[str]) -> tuple[Hints, RememberedMapping | None]:
    """Add what was said before of a sheet with these columns.

    Args:
        hints: What the caller says; of another source than the remembered one, nothing is taken.
        columns: The sheet's.

    Returns:
        The hints with the remembered columns and source, and where they are from; the hints as
        they are and None where nothing is remembered.
    """
    found = hints.recall(signature_of(columns)) if hints.recall else None
    if found is None or hints.source not in (None, found.source):
        return hints, None
    placed = _place(found.columns, columns)
    if placed is None:
        return hints, None
    return replace(hints, columns=placed, source=found.source), found


def tell_remembered(found: RememberedMapping, named: Mapping[str, str]) -> str:
    """Write by what the columns were read, and how to undo that."""
    read = ", ".join(
        f"{name} from {column!r}" if column else f"no column as {name}"
        for name, column in named.items()
    )
    return (
        "Columns were read as was said of a sheet with the same header, last used on "
        f"{found.last_used_at:%Y-%m-%d}: {read}. `mapping: none` (`--map none`) reads the sheet "
        f"without that, and `packshot map --forget {found.id}` forgets it."
    )


def _place(named: Mapping[str, str], columns: Sequence[str]) -> Mapping[str, str] | None:
    """Return a mapping as this sheet writes its columns; None where one of them is unclear."""
    placed = {}
    for name, column in named.items():
        alike = [one for one in columns if canonical(one) == canonical(column)]
        if column and column not in columns and len(alike) != 1:
            return None
        placed[name] = column if not column or column in columns else alike[0]
    return placed
